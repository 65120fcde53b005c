import type { AccountHot, InHand } from '../../domain/accounts/account.ts';
import type { PaceState } from '../../domain/accounts/pacing.ts';
import type { Content } from '../../domain/content.ts';
import { addCounter, type Contract, type Counter, emptyCounter } from '../../domain/contracts/contract.ts';
import {
  counterDelta,
  isSuccess,
  type Message,
  type MessageError,
  type MessageState,
  mayHaveLeft,
  readStoredMessage,
  type StoredMessage,
  storedMessage,
} from '../../domain/messages/message.ts';
import { keptAfterMove } from '../../domain/messages/retention.ts';
import type { LaneEntry } from '../accounts/lanes.ts';
import { nothingStopped } from '../accounts/stops.ts';
import { ConditionFailed, type Item, type Table, type Write } from '../client/table.ts';
import { type Key, keys, queuedAttribute } from '../keys.ts';
import { contentIn } from './contents.ts';

/** What a move changes beside the state. Times are epoch milliseconds. */
export interface Change {
  error?: MessageError;
  attempts?: number;
  /** For moves to PENDING: not fed before this time. */
  notBefore?: number;
  queuedAt?: number;
  sentAt?: number;
  sentTo?: string;
  deliveredAt?: number;
  readAt?: number;
  openSince?: number;
  asides?: number;
}

/**
 * Moves a message from the state it was read in to another. Beside it only `claim`, `takeSteps` and the feed's first put write a message's state.
 * One transaction carries the message, the contract's counter, the account's count of queued messages, and the backlog entry a PENDING
 * message is found by. A final message is kept for 90 days from `nowMs` on (retention.ts). Throws ConditionFailed: write 0 when the message is
 * no longer as it was read, another one when one of the caller's `checks` of other items did not hold.
 */
export async function moveMessage(
  table: Table,
  message: Message,
  to: MessageState,
  nowMs: number,
  change: Change = {},
  checks: Write[] = [],
): Promise<Message> {
  const { moved, writes } = planMove(message, to, nowMs, change);
  await transactWithoutGoneParts(table, writes, checks);
  return moved;
}

/** A move of a message that WhatsApp takes or has taken: nothing but its state, its times and the counter change. */
export interface Step {
  message: Message;
  to: MessageState;
  change: Change;
  /** When it is taken, epoch ms. */
  nowMs: number;
}

/** Whether all of the message's moves are such steps, as receipts bring them. */
export const takesSteps = ({ state }: Message): boolean => state === 'SENT' || state === 'DELIVERED';

/** Steps that one transaction takes at most; with a counter for each they are within DynamoDB's 100. */
export const maxSteps = 40;

/**
 * Several steps of different messages in one transaction, all or none, in which each counter is written once: at 2 write units a message and
 * 2 a contract about half of what they cost one by one. Throws ConditionFailed when any message is not as it was read, or a counter is gone:
 * then `moveMessage` takes each step by itself.
 */
export async function takeSteps(table: Table, steps: Step[]): Promise<void> {
  await table.transact(stepWrites(steps));
}

/** The message as the step leaves it. Pure. */
export const afterStep = ({ message, to, change, nowMs }: Step): Message =>
  keptAfterMove({ ...message, ...change, state: to }, nowMs);

/** The writes of steps of different messages: each message, then each counter once. Pure. */
function stepWrites(steps: Step[]): Write[] {
  const writes: Write[] = [];
  const deltas = new Map<string, { message: Message; delta: Counter }>();
  for (const step of steps) {
    const { message, to } = step;
    if (!takesSteps(message) && !(message.state === 'SENDING' && isSuccess(to)))
      throw new RangeError(`a message that is ${message.state} takes no step to ${to}`);
    writes.push(messageWrite(message, afterStep(step)));
    const { contractId, accountId } = message;
    if (contractId === undefined) continue;
    const name = `${contractId}#${accountId}`;
    const before = deltas.get(name)?.delta ?? emptyCounter;
    deltas.set(name, { message, delta: addCounter(before, counterDelta(message.state, to)) });
  }
  for (const { message, delta } of deltas.values()) {
    const counter = counterWrite(message, delta);
    if (counter !== undefined) writes.push(counter);
  }
  return writes;
}

/** A move and the writes it takes, the message's own first. Pure. */
function planMove(
  message: Message,
  to: MessageState,
  nowMs: number,
  change: Change,
): { moved: Message; writes: Write[] } {
  const moved = keptAfterMove({ ...message, ...change, state: to }, nowMs);
  if (to === 'QUEUED') moved.feedSeq = message.feedSeq + 1;
  if (to !== 'PENDING') delete moved.notBefore;
  if (to === 'PENDING') {
    moved.notBefore = change.notBefore ?? 0;
    delete moved.claim;
  }
  if (to === 'PENDING' || to === 'QUEUED') delete moved.error;
  const writes: Write[] = [messageWrite(message, moved)];
  const counter = counterWrite(message, counterDelta(message.state, to));
  if (counter !== undefined) writes.push(counter);
  const queued = Number(to === 'QUEUED') - Number(message.state === 'QUEUED');
  if (queued !== 0) {
    writes.push({
      update: `ADD ${queuedAttribute[message.lane]} :n`,
      key: keys.accountHot(message.tenantId, message.accountId),
      // Clause: the account still exists; without it the count would bring half an item back.
      condition: 'attribute_exists(pk)',
      values: { ':n': queued },
    });
  }
  const [left, entered] = [backlogKey(message), backlogKey(moved)];
  if (message.state === 'PENDING' && left !== undefined) writes.push({ delete: left });
  if (to === 'PENDING' && entered !== undefined)
    writes.push({ put: { ...entered, type: 'backlog', messageId: message.id, accountId: message.accountId } });
  return { moved, writes };
}

/** The move of the message itself, fenced by state, feedSeq and, while it is held, by the holder's nonce. */
function messageWrite(message: Message, moved: Message): Write {
  return {
    put: messageItem(moved),
    // Clauses: same state; same feeding; same claim.
    condition:
      message.claim === undefined ? '#s = :s AND feedSeq = :q' : '#s = :s AND feedSeq = :q AND claim.nonce = :n',
    names: { '#s': 'state' },
    values: {
      ':s': message.state,
      ':q': message.feedSeq,
      ...(message.claim === undefined ? {} : { ':n': message.claim.nonce }),
    },
  };
}

function counterWrite(message: Message, fields: Partial<Counter>): Write | undefined {
  const delta = Object.entries(fields).filter(([, by]) => by !== 0);
  if (delta.length === 0 || message.contractId === undefined) return undefined;
  return {
    update: `ADD ${delta.map(([name], i) => `#${name} :c${i}`).join(', ')}`,
    key: keys.counter(message.tenantId, message.contractId, message.accountId),
    // Clause: counters exist only while their contract does.
    condition: 'attribute_exists(pk)',
    names: Object.fromEntries(delta.map(([name]) => [`#${name}`, name])),
    values: Object.fromEntries(delta.map(([, by], i) => [`:c${i}`, by])),
  };
}

/** Returns where a PENDING message of a contract is found again; undefined for other messages. */
const backlogKey = ({ tenantId, contractId, notBefore = 0, id }: Message): Key | undefined =>
  contractId === undefined ? undefined : keys.backlog(tenantId, contractId, notBefore, id);

/** A removed contract or account takes its counter and counts along; the message's own outcome must be written all the same. */
async function transactWithoutGoneParts(table: Table, writes: Write[], checks: Write[]): Promise<void> {
  try {
    await table.transact([...writes, ...checks]);
  } catch (error) {
    if (!(error instanceof ConditionFailed) || error.failed[0] === true) throw error;
    if (checks.some((_, index) => error.failed[writes.length + index] === true)) throw error;
    await table.transact([...writes.filter((_, index) => error.failed[index] !== true), ...checks]);
  }
}

export type ClaimResult =
  | { kind: 'claimed'; message: Message }
  /** The message is not what the lane entry said: already sent, canceled, or fed again since. */
  | { kind: 'stale'; state: MessageState | undefined }
  /** Another host owns the account now. */
  | { kind: 'fenced' }
  | { kind: 'suppressed' }
  /** A contract of the account has been stopped, perhaps the message's: whether it runs is to be asked anew. `stops` is the number now. */
  | { kind: 'stopped'; stops: number }
  /** Claim and steps did not go together; nothing has changed. Each must be written on its own, the claim under the same nonce. */
  | { kind: 'apart' };

export interface ClaimRequest {
  message: Message;
  host: string;
  epoch: number;
  nonce: string;
  pace: PaceState;
  /** Outcomes since the last claim, added to the account's totals for free. */
  totals: { messages: number; errors: number };
  /** The account's number of stops from before the contract was seen to run (lib/aws/accounts/stops.ts). */
  stops: number;
  /** Noted in the account's item, see AccountHot; it must not be lower than what is there. */
  authHead?: number | undefined;
  /** Owners that ended without a word over this message, the last one included; 0 for most. */
  crashes: number;
  nowMs: number;
}

/**
 * QUEUED (or SENDING under an older epoch, when a new owner takes over) -> SENDING, in one transaction:
 *   message    as it was read (state, feedSeq, old claim's nonce)
 *   account    owner and epoch are ours; no contract of it stopped since the message's was read; pacing advanced; inHand = this message
 *   recipient  has not opted out
 * Pacing advances here, before the send, so that a crash can only make us slower. `together`: the outcome of the message which has been in
 * hand, and receipts of others, in the same transaction; a call less for each message that follows another at once.
 */
export async function claim(table: Table, request: ClaimRequest, together: Step[] = []): Promise<ClaimResult> {
  const { message } = request;
  const sending: Message = {
    ...message,
    state: 'SENDING',
    claim: {
      epoch: request.epoch,
      nonce: request.nonce,
      since: message.claim?.since ?? message.openSince ?? request.nowMs,
      tries: (message.claim?.tries ?? 0) + 1,
      ...(request.crashes > 0 ? { crashes: request.crashes } : {}),
    },
  };
  const claimed = keptAfterMove(sending, request.nowMs);
  const { contractId } = message;
  const inHand: InHand = {
    messageId: message.id,
    ...(contractId === undefined ? {} : { contractId }),
    nonce: request.nonce,
  };
  const leavesLane = message.state === 'QUEUED';
  const nothing = nothingStopped(request.stops);
  const head = request.authHead === undefined ? undefined : { ':head': request.authHead };
  const counts = `messageCount :m, errorCount :e${leavesLane ? `, ${queuedAttribute[message.lane]} :less` : ''}`;
  const writes: Write[] = [
    messageWrite(message, claimed),
    {
      update: `SET pace = :pace, inHand = :hand, lastActivity = :now${head === undefined ? '' : ', authHead = :head'} ADD ${counts}`,
      key: keys.accountHot(message.tenantId, message.accountId),
      // Clauses: we own the account; nobody has claimed it since; no contract of it has been stopped since.
      condition: `#o = :host AND epoch = :epoch AND ${nothing.clause}`,
      names: { '#o': 'owner' },
      values: {
        ':pace': request.pace,
        ':hand': inHand,
        ':now': request.nowMs,
        ':m': request.totals.messages,
        ':e': request.totals.errors,
        ':host': request.host,
        ':epoch': request.epoch,
        ...nothing.values,
        ...head,
        ...(leavesLane ? { ':less': -1 } : {}),
      },
    },
    // Clause: not opted out. The item may not exist.
    { check: keys.recipient(message.tenantId, message.to), condition: 'attribute_not_exists(suppressedAt)' },
  ];
  writes.push(...stepWrites(together));
  try {
    await table.transact(writes);
    return { kind: 'claimed', message: claimed };
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    const now = error.olds[0] as Message | undefined;
    // The answer of the first try was lost and the second found our own work.
    if (now?.state === 'SENDING' && now.claim?.nonce === request.nonce) return { kind: 'claimed', message: claimed };
    if (together.length > 0) return { kind: 'apart' };
    const account = error.olds[1] as AccountHot | undefined;
    const ours = account?.owner === request.host && account.epoch === request.epoch;
    if (error.failed[1] === true && !ours) return { kind: 'fenced' };
    if (error.failed[0] === true) return { kind: 'stale', state: now?.state };
    if (error.failed[1] === true) return { kind: 'stopped', stops: account?.stops ?? 0 };
    return { kind: 'suppressed' };
  }
}

/** What an owner needs to know to send a message. */
export interface ForSend {
  message: Message | undefined;
  content: Content | undefined;
  contract: Contract | undefined;
  /** Whether the message may be sent as far as its source goes, see `isRunning`. */
  running: boolean;
}

/** What an entry of a lane names. */
type Named = Omit<LaneEntry, 'seq'>;

/** Messages of one account, their contents and contracts as they are now, in one strongly consistent read for up to ten. */
export async function readForSend(table: Table, wanted: Named[]): Promise<ForSend[]> {
  const contracts = [...new Map(wanted.flatMap(({ t, a, c }) => (c === undefined ? [] : [[c, { t, a, c }]]))).values()];
  const items = await table.getMany<Item>([
    ...wanted.flatMap(({ t, m }) => [keys.message(t, m), keys.text(t, m)]),
    ...contracts.flatMap(({ t, a, c }) => [keys.contract(t, c), keys.running(t, a, c)]),
  ]);
  const ofContracts = items.splice(wanted.length * 2);
  return wanted.map(({ c }, index) => {
    const [message, content] = items.slice(index * 2, index * 2 + 2);
    const at = contracts.findIndex((one) => one.c === c) * 2;
    const [contract, running] = ofContracts.slice(at, at + 2);
    return {
      message: message === undefined ? undefined : toMessage(message),
      content: contentIn(content),
      contract: at < 0 ? undefined : (contract as unknown as Contract | undefined),
      running: at < 0 || running !== undefined,
    };
  });
}

/** Returns whether the message may be sent as far as its source goes: its contract is IN_PROGRESS at this moment, or it needs none. */
export async function isRunning(table: Table, { source, sourceId, tenantId, accountId }: Message): Promise<boolean> {
  switch (source) {
    case 'contract':
      return (await table.get(keys.running(tenantId, accountId, sourceId))) !== undefined;
    case 'single':
    case 'trigger':
    case 'reminder':
      return true;
    default:
      return source satisfies never;
  }
}

export async function readMessage(table: Table, t: string, m: string): Promise<Message | undefined> {
  const item = await table.get<Item>(keys.message(t, m));
  return item === undefined ? undefined : toMessage(item);
}

/** What was sent under an id, and to whom. */
export type Sent = Pick<Message, 'to' | 'sentTo'> & { content: Content };

/**
 * A message of this account as it was sent, to answer a retry request with; undefined when it is another account's, its content is gone, or it
 * has never left: such a request must not get it past pacing and opt-out. A confirmation of an opt-out has no message item: its content item
 * says whose it is.
 */
export async function readSent(table: Table, t: string, a: string, m: string): Promise<Sent | undefined> {
  const [message, item] = await table.getMany<Item>([keys.message(t, m), keys.text(t, m)]);
  const { accountId, to, sentTo } = (message ?? item ?? {}) as Partial<Message>;
  const content = contentIn(item);
  if (content === undefined || accountId !== a || to === undefined) return undefined;
  if (message !== undefined && !mayHaveLeft(toMessage(message))) return undefined;
  return { to, ...(sentTo === undefined ? {} : { sentTo }), content };
}

/** Returns the message that an item holds. */
export function toMessage(item: Item): Message {
  const { pk: _pk, sk: _sk, type: _type, ...stored } = item;
  return readStoredMessage(stored as unknown as StoredMessage);
}

/** Returns the item to put for a message. */
export function messageItem(message: Message): Item & Key {
  return { ...keys.message(message.tenantId, message.id), type: 'message', ...storedMessage(message) };
}

export async function readHot(table: Table, t: string, a: string): Promise<AccountHot | undefined> {
  return await table.get<AccountHot>(keys.accountHot(t, a));
}
