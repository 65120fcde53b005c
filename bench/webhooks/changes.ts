import { setTimeout as sleep } from 'node:timers/promises';
import type { Table } from '../../lib/aws/client/table.ts';
import { keys } from '../../lib/aws/keys.ts';
import { messageId } from '../../lib/domain/ids.ts';
import type { Message } from '../../lib/domain/messages/message.ts';
import { LOCAL_TENANT } from '../../local/bootstrap.ts';

const text = 'Your parcel is on its way and will be with you tomorrow. Parcel';
/** The way of a message that is published, a step an event. */
const steps = [
  { state: 'SENT', type: 'message.sent' },
  { state: 'DELIVERED', type: 'message.delivered' },
  { state: 'READ', type: 'message.read' },
] as const;
export const eventTypesPublished = steps.map(({ type }) => type);
export const eventsPerMessage = steps.length;

/** When a change was in the table, monotonic ms, by what its event says: `msg_.. message.sent`. */
export type Writes = Map<string, number>;

/** Changes messages the way hosts do, straight in the table, so that nothing but publishing is measured. `contractId` distinguishes runs. */
export async function changeMessages(
  table: Table,
  contractId: string,
  numbers: readonly string[],
  /** Messages a second, each with all its steps 300 ms apart; undefined: step by step as fast as the table takes them. */
  perSec: number | undefined,
): Promise<Writes> {
  const messages = numbers.map((to, row) => newMessage(contractId, row, to));
  await table.writeMany(
    messages.map(({ id }, row) => ({ put: { ...keys.text(LOCAL_TENANT, id), type: 'text', text: `${text} ${row}` } })),
  );
  const writes: Writes = new Map();
  const write = async (some: Message[], step: (typeof steps)[number]): Promise<void> => {
    const nowMs = Date.now();
    await table.writeMany(some.map((message) => ({ put: itemOf(message, step.state, nowMs) })));
    for (const { id } of some) writes.set(`${id} ${step.type}`, performance.now());
  };
  if (perSec === undefined) {
    for (const step of steps) await write(messages, step);
    return writes;
  }
  const startMs = performance.now();
  await Promise.all(
    messages.map(async (message, row) => {
      for (const [index, step] of steps.entries()) {
        await sleep(Math.max(0, startMs + (row * 1000) / perSec + index * 300 - performance.now()));
        await write([message], step);
      }
    }),
  );
  return writes;
}

function newMessage(contractId: string, row: number, to: string): Message {
  const createdAt = Date.now();
  return {
    id: messageId(contractId, row),
    tenantId: LOCAL_TENANT,
    accountId: `acc_${'0'.repeat(26)}`,
    source: 'contract',
    sourceId: contractId,
    contractId,
    row,
    to,
    lane: 'bulk',
    state: 'SENDING',
    feedSeq: 1,
    attempts: 1,
    createdAt,
    queuedAt: createdAt,
  };
}

/** A whole item each time; what the steps before have set is kept where it matters: in their order. */
function itemOf(message: Message, state: (typeof steps)[number]['state'], nowMs: number) {
  const times = { SENT: { sentAt: nowMs }, DELIVERED: { deliveredAt: nowMs }, READ: { readAt: nowMs } } as const;
  Object.assign(message, times[state], { state });
  return { ...keys.message(LOCAL_TENANT, message.id), type: 'message', ...message };
}
