import { ulidTime } from '../../domain/ids.ts';
import { type InboundBatch, type InboundMessage, longestOpenMs, personOf } from '../../domain/inbound/inbound.ts';
import { contentDays, ttlAfter } from '../../domain/messages/retention.ts';
import { addressOf } from '../../domain/people/person.ts';
import { type ListStep, newestFirst } from '../client/newest-first.ts';
import { appended, patch } from '../client/patch.ts';
import { absent, present, type Table, type Write } from '../client/table.ts';
import type { AccountRefs, Hold } from '../hosts/ownership.ts';
import { finder, type Key, keys, places } from '../keys.ts';

/** Life of a marker. WhatsApp may redeliver a message that got no receipt for this long. */
const markerSec = 30 * 24 * 3600;
/** A new owner looks this far back for batches that the previous owner left open. The sweep closes older ones. */
const leftOpenMs = 15 * 60_000;

/** The batch for a message: an open one, or a new one that stays open until `dueAt`. A new batch without `dueAt` is closed at once. */
export type BatchTarget = { kind: 'open'; id: string } | { kind: 'new'; id: string; dueAt: number | undefined };

/**
 * The result of storing a message. Only `stored` changes anything. `repeated`: the message is a redelivery and was stored before. `closed`: the open
 * batch was closed in the meantime. `refused`: a condition in `others` did not hold.
 */
export type Stored = 'stored' | 'repeated' | 'closed' | 'refused';

/**
 * Stores an inbound message; the caller sends WhatsApp its receipt afterwards. One transaction writes the marker that detects a redelivery, the
 * batch, and `others` (an opt-out). The marker keeps the message's own `secret`, which opens encrypted edits of the message.
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
    condition: { isNew: absent },
  };
  const batch = target.kind === 'open' ? batchGrown(hold, target.id, message) : newBatch(hold, target, message, nowMs);
  const wrote = wroteWrites(hold.tenantId, message, target, nowMs);
  const refused = await table.tryTransact({ marker, batch, others, wrote });
  if (refused === undefined) return 'stored';
  if (refused.by('marker')) return 'repeated';
  return refused.by('batch') ? 'closed' : 'refused';
}

/** Returns whether a message with this WhatsApp id has been stored. */
export async function isStored(table: Table, { tenantId, accountId }: AccountRefs, id: string): Promise<boolean> {
  return (await table.get(keys.inbound(tenantId, accountId, id))) !== undefined;
}

/** Returns the secret that came with an inbound message; undefined when it had none, or is too old. */
export async function readSecret(
  table: Table,
  { tenantId, accountId }: AccountRefs,
  id: string,
): Promise<Uint8Array | undefined> {
  const marker = await table.get<{ secret?: string }>(keys.inbound(tenantId, accountId, id));
  return marker?.secret === undefined ? undefined : Buffer.from(marker.secret, 'base64');
}

/** Returns the write that makes the sender's number known to the tenant, once a batch. Requests may then name it in digits alone (phone.ts). */
function wroteWrites(tenantId: string, message: InboundMessage, target: BatchTarget, nowMs: number): Write[] {
  const { phoneNumber } = personOf(message);
  if (phoneNumber === undefined || target.kind === 'open') return [];
  const ttl = ttlAfter(nowMs, contentDays);
  return [{ put: { ...keys.wrote(tenantId, phoneNumber), type: 'wrote', wroteAt: nowMs, ttl } }];
}

function batchGrown(hold: AccountRefs, id: string, message: InboundMessage): Write {
  return {
    key: keys.inboundBatch(hold.tenantId, hold.accountId, id),
    ...patch({ messages: appended([message]) }),
    condition: { exists: present, isOpen: 'attribute_not_exists(closedAt)' },
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
  const open = { ix: finder.inbox, ixs: places.inboundBatch.of(batch.dueAt, tenantId, accountId, id) };
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

/** Closes a batch; the change stream makes its event. Returns false when the batch was closed before, or is gone. */
export async function closeBatch(table: Table, batch: AccountRefs & { id: string }, nowMs: number): Promise<boolean> {
  const { refused } = await table.tryUpdate(keys.inboundBatch(batch.tenantId, batch.accountId, batch.id), {
    ...patch({ closedAt: nowMs, ix: undefined, ixs: undefined }),
    condition: { exists: present, isOpen: 'attribute_not_exists(closedAt)' },
  });
  return refused === undefined;
}

/** Returns the account's open batches, of those opened within the last 15 minutes. */
export async function leftOpenBatches(table: Table, refs: AccountRefs, nowMs: number): Promise<InboundBatch[]> {
  const key = (id: string): Key => keys.inboundBatch(refs.tenantId, refs.accountId, id);
  const from = key(`inb_${ulidTime(nowMs - leftOpenMs)}`);
  const batches = await table.queryAll<InboundBatch>({ pk: from.pk, skBetween: [from.sk, key('inb_~').sk] });
  return batches.filter(({ closedAt }) => closedAt === undefined);
}

/** Returns the batches of all accounts that should have been closed before `untilMs`. */
export async function overdueBatches(table: Table, untilMs: number): Promise<(AccountRefs & { id: string })[]> {
  const found = await table.queryAll<{ ixs: string }>({
    pk: finder.inbox,
    index: finder.index,
    skBetween: places.before(untilMs),
  });
  return found.flatMap(({ ixs }) => places.inboundBatch.read(ixs) ?? []);
}

/** Returns one page of an account's batches, newest first. `before` is the id of the last batch of the previous page. */
export async function listBatches(
  table: Table,
  { tenantId, accountId }: AccountRefs,
  step: ListStep,
): Promise<{ items: InboundBatch[]; more: boolean }> {
  const keyOf = (id: string) => keys.inboundBatch(tenantId, accountId, id);
  const { items, last } = await newestFirst<InboundBatch>(table, keyOf, step);
  return { items, more: last !== undefined };
}

/** Returns when a batch opened at `nowMs` is due at the latest; undefined when messages are not batched. */
export function dueAt(nowMs: number, quietMs: number): number | undefined {
  return quietMs === 0 ? undefined : nowMs + longestOpenMs(quietMs);
}
