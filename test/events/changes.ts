import { marshall } from '@aws-sdk/util-dynamodb';
import { PublishedProgress, type Publishing } from '../../functions/events/publish.ts';
import { readChanges } from '../../functions/events/read-changes.ts';
import type { Item } from '../../lib/aws/client/table.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import type { StreamRecord } from '../../lib/aws/events/change-stream.ts';
import { keys } from '../../lib/aws/keys.ts';
import { initialPace } from '../../lib/domain/accounts/pacing.ts';
import type { PacelineEvent } from '../../lib/domain/events/events.ts';
import type { MessageState } from '../../lib/domain/messages/message.ts';
import { accountId, contractId, messageImage, newContract, tenantId } from '../factories.ts';

export { accountId, contractId, tenantId };

/** A whole minute; half a minute of progress begins here. */
export const noon = Date.UTC(2026, 10, 20, 12);

export const messageId = (n: number): string => `msg_${String(n).padStart(18, '0')}`;

export const message = (n: number, state: string, more: Item = {}): Item => ({
  ...keys.message(tenantId, messageId(n)),
  type: 'message',
  ...messageImage(state as MessageState, {
    id: messageId(n),
    row: n,
    to: `7999${1_000_000 + n}`,
    createdAt: noon - 60_000,
  }),
  ...more,
});

export const contract = (status: string, more: Item = {}): Item => ({
  ...keys.contract(tenantId, contractId),
  type: 'contract',
  ...newContract({ id: accountId, tenantId }, { id: contractId, name: 'Notes', createdAt: noon - 60_000 }),
  ...{ status, totalCount: 10, nextRow: 10, openFrom: 10, fedCount: 10, startedAt: noon - 50_000 },
  ...more,
});

export const account = (status: string, more: Item = {}): Item => ({
  ...keys.account(tenantId, accountId),
  type: 'account',
  id: accountId,
  tenantId,
  name: 'Billing',
  priority: 1,
  weight: 1,
  desired: 'connected',
  status,
  statusSince: noon,
  useLimits: false,
  pacing: {},
  linkMethod: 'qr',
  laneUrls: { express: 'https://x/e', bulk: 'https://x/b' },
  warnings: [],
  createdAt: noon - 60_000,
  ...more,
});

/** The items a contract under way has, `sent` of its ten messages sent. */
export async function putContract(deps: Deps, status: string, sent: number): Promise<void> {
  const counter = { sent, delivered: 0, read: 0, failed: 0, canceled: 0, suppressed: 0, expired: 0, backlog: 0 };
  const hot = { tenantId, accountId, epoch: 1, pace: initialPace, queuedExpress: 0, queuedBulk: 3, messageCount: 41 };
  await deps.table.writeMany([
    { put: { ...contract(status), ...keys.contract(tenantId, contractId) } },
    { put: { ...keys.counter(tenantId, contractId, accountId), type: 'counter', ...counter } },
    { put: { ...account('connected', { linkedAt: noon - 60_000 }), ...keys.account(tenantId, accountId) } },
    { put: { ...keys.accountHot(tenantId, accountId), type: 'accountHot', ...hot, errorCount: 2 } },
    { put: { ...keys.accountRef(tenantId, accountId), type: 'accountRef' } },
  ]);
}

let sequence = 0;

/** A record of the stream, `atMs` cut to whole seconds as DynamoDB does. */
export function changed(before: Item | undefined, after: Item | undefined, atMs = noon): StreamRecord {
  sequence += 1;
  return {
    eventName: before === undefined ? 'INSERT' : after === undefined ? 'REMOVE' : 'MODIFY',
    dynamodb: {
      ApproximateCreationDateTime: Math.floor(atMs / 1000),
      SequenceNumber: String(sequence).padStart(21, '0'),
      ...(before === undefined ? {} : { OldImage: marshall(before, { removeUndefinedValues: true }) }),
      ...(after === undefined ? {} : { NewImage: marshall(after, { removeUndefinedValues: true }) }),
    },
  };
}

/** One process of the function, over these dependencies; `deliver` notes what it is given. */
export function reader(deps: Deps, deliver: Publishing['deliver'] = async () => []) {
  const delivered: PacelineEvent[] = [];
  const counts: Record<string, number> = {};
  const logged: unknown[] = [];
  const note = (...args: unknown[]) => void logged.push(args);
  const publishing: Publishing = {
    table: deps.table,
    nowMs: () => noon,
    deliver: async (events) => {
      const planned = await deliver(events);
      delivered.push(...events);
      return planned;
    },
    progress: new PublishedProgress(),
  };
  const count = (name: string, times = 1) => {
    if (times > 0) counts[name] = (counts[name] ?? 0) + times;
  };
  return {
    delivered,
    counts,
    logged,
    read: (...records: StreamRecord[]) =>
      readChanges({ publishing, objects: deps.pages, logger: { error: note, warn: note }, count }, records),
  };
}
