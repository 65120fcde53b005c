import { ulidTime } from '../../domain/ids.ts';
import { type InboundBatch, type InboundMessage, longestOpenMs, personOf } from '../../domain/inbound/inbound.ts';
import { contentDays, ttlAfter } from '../../domain/messages/retention.ts';
import { addressOf } from '../../domain/people/person.ts';
import { newestFirst, type Page } from '../client/newest-first.ts';
import { ConditionFailed, type Table, type Write } from '../client/table.ts';
import type { AccountRefs, Hold } from '../hosts/ownership.ts';
import { finder, type Key, keys } from '../keys.ts';

/** So long WhatsApp may still deliver a message that was not receipted. */
const markerSec = 30 * 24 * 3600;
/** So far back a new owner looks for batches its predecessor left open; older ones are the sweep's. */
const leftOpenMs = 15 * 60_000;

/** Where a message goes: into an open batch, or into a new one that stays open until `dueAt` (without one it is closed at once). */
export type BatchTarget = { kind: 'open'; id: string } | { kind: 'new'; id: string; dueAt: number | undefined };

/**
 * `repeated`: it was there already (a redelivery), and nothing has changed. `closed`: somebody has closed the open batch; `refused`: one of the
 * caller's own writes did not hold. Nothing has changed then either.
 */
export type Stored = 'stored' | 'repeated' | 'closed' | 'refused';

/**
 * Stores an inbound message before WhatsApp gets its receipt: in one transaction the marker that keeps a redelivery out, its batch, and what
 * else follows from it (`others`: an opt-out). The marker keeps the message's own `secret`, which opens encrypted edits of the message.
 */
export async function storeInbound(
  table: Table,
  hold: Pick<Hold, 'tenantId' | 'accountId'>,
  message: InboundMessage,
  target: BatchTarget,
  nowMs: number,
  others: Write[] = [],
  secret?: Uint8Array,
): Promise<Stored> {
  const { tenantId, accountId } = hold;
  const nowSec = Math.floor(nowMs / 1000);
  const { id, at } = message;
  const marker: Write = {
    put: {
      ...keys.inbound(tenantId, accountId, id),
      type: 'inbound',
      at,
      batchId: target.id,
      ...(secret === undefined ? {} : { secret: Buffer.from(secret).toString('base64') }),
      ttl: nowSec + markerSec,
    },
    // Clause: not stored yet.
    condition: 'attribute_not_exists(pk)',
  };
  const batch = target.kind === 'open' ? batchGrown(hold, target.id, message) : newBatch(hold, target, message, nowMs);
  try {
    await table.transact([marker, batch, ...others, ...wroteWrites(hold.tenantId, message, target, nowMs)]);
    return 'stored';
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    if (error.failed[0] === true) return 'repeated';
    return error.failed[1] === true ? 'closed' : 'refused';
  }
}

/** Whether a message with this WhatsApp id has been stored. */
export async function isStored(table: Table, { tenantId, accountId }: AccountRefs, id: string): Promise<boolean> {
  return (await table.get(keys.inbound(tenantId, accountId, id))) !== undefined;
}

/** The secret that came with an inbound message; undefined where it had none, or is too old. */
export async function readSecret(
  table: Table,
  { tenantId, accountId }: AccountRefs,
  id: string,
): Promise<Uint8Array | undefined> {
  const marker = await table.get<{ secret?: string }>(keys.inbound(tenantId, accountId, id));
  return marker?.secret === undefined ? undefined : Buffer.from(marker.secret, 'base64');
}

/** Makes the number of a new chat known to the tenant, so that it is understood as answers print it (lib/domain/people/phone.ts). */
function wroteWrites(tenantId: string, message: InboundMessage, target: BatchTarget, nowMs: number): Write[] {
  const { phoneNumber } = personOf(message);
  if (phoneNumber === undefined || target.kind === 'open') return [];
  const ttl = ttlAfter(nowMs, contentDays);
  return [{ put: { ...keys.wrote(tenantId, phoneNumber), type: 'wrote', wroteAt: nowMs, ttl } }];
}

function batchGrown(hold: AccountRefs, id: string, message: InboundMessage): Write {
  return {
    update: 'SET messages = list_append(messages, :more)',
    key: keys.inboundBatch(hold.tenantId, hold.accountId, id),
    // Clauses: it is there; nobody has closed it.
    condition: 'attribute_exists(pk) AND attribute_not_exists(closedAt)',
    values: { ':more': [message] },
  };
}

function newBatch(
  { tenantId, accountId }: AccountRefs,
  { id, dueAt }: { id: string; dueAt: number | undefined },
  message: InboundMessage,
  nowMs: number,
): Write {
  const { from, fromLid } = message;
  const batch: InboundBatch = {
    id,
    tenantId,
    accountId,
    chat: addressOf(personOf(message)),
    from,
    ...(fromLid === undefined ? {} : { fromLid }),
    messages: [message],
    openedAt: nowMs,
    dueAt: dueAt ?? nowMs,
    ...(dueAt === undefined ? { closedAt: nowMs } : {}),
  };
  const open = { ix: finder.inbox, ixs: `${new Date(batch.dueAt).toISOString()}#${tenantId}#${accountId}#${id}` };
  return {
    put: {
      ...keys.inboundBatch(tenantId, accountId, id),
      type: 'inboundBatch',
      ...batch,
      ttl: ttlAfter(nowMs, contentDays),
      ...(dueAt === undefined ? {} : open),
    },
  };
}

/** Closes a batch: from now on it is an event. False: it was closed or is gone. */
export async function closeBatch(table: Table, batch: AccountRefs & { id: string }, nowMs: number): Promise<boolean> {
  try {
    await table.update(keys.inboundBatch(batch.tenantId, batch.accountId, batch.id), {
      update: 'SET closedAt = :now REMOVE ix, ixs',
      // Clauses: it is there; nobody has closed it.
      condition: 'attribute_exists(pk) AND attribute_not_exists(closedAt)',
      values: { ':now': nowMs },
    });
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}

/** Batches of an account that an owner left open within the last quarter of an hour. */
export async function leftOpenBatches(table: Table, refs: AccountRefs, nowMs: number): Promise<InboundBatch[]> {
  const key = (id: string): Key => keys.inboundBatch(refs.tenantId, refs.accountId, id);
  const from = key(`inb_${ulidTime(nowMs - leftOpenMs)}`);
  const batches = await table.queryAll<InboundBatch>({ pk: from.pk, skBetween: [from.sk, key('inb_~').sk] });
  return batches.filter(({ closedAt }) => closedAt === undefined);
}

/** Batches anywhere that should have been closed before `untilMs`. */
export async function overdueBatches(table: Table, untilMs: number): Promise<(AccountRefs & { id: string })[]> {
  const found = await table.queryAll<{ ixs: string }>({
    pk: finder.inbox,
    index: finder.index,
    skBetween: ['0', new Date(untilMs).toISOString()],
  });
  return found.flatMap(({ ixs }) => {
    const [, tenantId, accountId, id] = ixs.split('#');
    return tenantId === undefined || accountId === undefined || id === undefined ? [] : [{ tenantId, accountId, id }];
  });
}

/** One step through an account's batches, newest first; `before` is the id of the last batch of the step before. */
export async function listBatches(
  table: Table,
  { tenantId, accountId }: AccountRefs,
  step: Page,
): Promise<{ items: InboundBatch[]; more: boolean }> {
  const keyOf = (id: string) => keys.inboundBatch(tenantId, accountId, id);
  const { items, last } = await newestFirst<InboundBatch>(table, keyOf, step);
  return { items, more: last !== undefined };
}

/** When a batch opened at `nowMs` is due at the latest; undefined where messages are not batched. */
export function dueAt(nowMs: number, quietMs: number): number | undefined {
  return quietMs === 0 ? undefined : nowMs + longestOpenMs(quietMs);
}
