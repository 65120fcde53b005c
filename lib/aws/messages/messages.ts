import type { AccountHot } from '../../domain/accounts/account.ts';
import type { Content } from '../../domain/content.ts';
import type { Contract } from '../../domain/contracts/contract.ts';
import { addCounter, type Counter, emptyCounter } from '../../domain/messages/counter.ts';
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
import { type Item, present, type RefusedTransaction, type Table, type Write } from '../client/table.ts';
import { type Key, keys, queuedAttribute } from '../keys.ts';
import { contentIn } from './contents.ts';

/** The attributes that a move changes beside the state. Times are epoch milliseconds. */
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

/** Why a move was refused: `message`, it is not as it was read; `checks`, one of the caller's checks of other items did not hold. */
export type MoveRefused = RefusedTransaction<'message' | 'counter' | 'account' | 'backlog' | 'checks'>;

/**
 * Moves a message from the state it was read in to another, in one transaction: the message, the contract's counter, the account's count of
 * queued messages, and the backlog entry that a PENDING message is found by. Beside it only `claim`, `takeSteps` and the feed's first put
 * write a message's state. A final message is kept for 90 days from `nowMs` on (retention.ts).
 */
export async function tryMove(
  table: Table,
  message: Message,
  to: MessageState,
  nowMs: number,
  change: Change = {},
  checks: Write[] = [],
): Promise<{ moved: Message; refused?: undefined } | { moved?: undefined; refused: MoveRefused }> {
  const { moved, writes } = planMove(message, to, nowMs, change);
  let refused = await table.tryTransact({ ...writes, checks });
  if (refused !== undefined && !refused.by('message') && !refused.by('checks')) {
    // A removed contract or account takes its counter and counts along. The outcome of the message must be written all the same.
    const counter = refused.by('counter') ? undefined : writes.counter;
    const account = refused.by('account') ? undefined : writes.account;
    refused = await table.tryTransact({ ...writes, counter, account, checks });
  }
  return refused === undefined ? { moved } : { refused };
}

/** A move of a message that WhatsApp takes or has taken: nothing but its state, its times and the counter change. */
export interface Step {
  message: Message;
  to: MessageState;
  change: Change;
  /** The time of the step, epoch ms. */
  nowMs: number;
}

/** Returns whether every further move of the message is such a step, as receipts bring them. */
export const takesSteps = ({ state }: Message): boolean => state === 'SENT' || state === 'DELIVERED';

/** The most steps of one transaction. With a counter for each they are within DynamoDB's 100. */
export const maxSteps = 40;

/**
 * Takes several steps of different messages in one transaction, all or none. Each counter is written once, so it costs 2 write units a message and
 * 2 a contract, about half of single moves. Returns false when any message is not as it was read, or a counter is gone: take each step by
 * `tryMove` then.
 */
export async function takeSteps(table: Table, steps: Step[]): Promise<boolean> {
  return (await table.tryTransact(stepWrites(steps))) === undefined;
}

/** Pure: returns the message after the step. */
export const afterStep = ({ message, to, change, nowMs }: Step): Message =>
  keptAfterMove({ ...message, ...change, state: to }, nowMs);

/** Pure: returns the writes of steps of different messages: each message, and each counter once. */
export function stepWrites(steps: Step[]): { steps: Write[]; counters: Write[] } {
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
  const counters = [...deltas.values()].flatMap(({ message, delta }) => counterWrite(message, delta) ?? []);
  return { steps: writes, counters };
}

interface MoveWrites {
  message: Write;
  counter: Write | undefined;
  account: Write | undefined;
  backlog: Write[];
}

/** Pure: returns a move and the writes that it needs. */
function planMove(
  message: Message,
  to: MessageState,
  nowMs: number,
  change: Change,
): { moved: Message; writes: MoveWrites } {
  const moved = keptAfterMove({ ...message, ...change, state: to }, nowMs);
  if (to === 'QUEUED') moved.feedSeq = message.feedSeq + 1;
  if (to !== 'PENDING') delete moved.notBefore;
  if (to === 'PENDING') {
    moved.notBefore = change.notBefore ?? 0;
    delete moved.claim;
  }
  if (to === 'PENDING' || to === 'QUEUED') delete moved.error;
  const queued = Number(to === 'QUEUED') - Number(message.state === 'QUEUED');
  const backlog: Write[] = [];
  const [left, entered] = [backlogKey(message), backlogKey(moved)];
  if (message.state === 'PENDING' && left !== undefined) backlog.push({ delete: left });
  if (to === 'PENDING' && entered !== undefined) {
    backlog.push({ put: { ...entered, type: 'backlog', messageId: message.id, accountId: message.accountId } });
  }
  return {
    moved,
    writes: {
      message: messageWrite(message, moved),
      counter: counterWrite(message, counterDelta(message.state, to)),
      account: queued === 0 ? undefined : queuedWrite(message, queued),
      backlog,
    },
  };
}

/** Returns the write that changes the account's count of queued messages. */
function queuedWrite({ tenantId, accountId, lane }: Message, by: number): Write {
  return {
    update: `ADD ${queuedAttribute[lane]} :n`,
    key: keys.accountHot(tenantId, accountId),
    // Without this clause the count would create half an item for an account that is gone.
    condition: { accountThere: present },
    values: { ':n': by },
  };
}

/** Returns the write of the message itself. */
export function messageWrite(message: Message, moved: Message): Write {
  const { claim } = message;
  return {
    put: messageItem(moved),
    condition: {
      sameState: { is: '#s = :s', names: { '#s': 'state' }, values: { ':s': message.state } },
      sameFeeding: { is: 'feedSeq = :q', values: { ':q': message.feedSeq } },
      sameClaim: claim === undefined ? undefined : { is: 'claim.nonce = :n', values: { ':n': claim.nonce } },
    },
  };
}

function counterWrite(message: Message, fields: Partial<Counter>): Write | undefined {
  const delta = Object.entries(fields).filter(([, by]) => by !== 0);
  if (delta.length === 0 || message.contractId === undefined) return undefined;
  return {
    update: `ADD ${delta.map(([name], i) => `#${name} :c${i}`).join(', ')}`,
    key: keys.counter(message.tenantId, message.contractId, message.accountId),
    // A counter exists only while its contract does.
    condition: { contractThere: present },
    names: Object.fromEntries(delta.map(([name]) => [`#${name}`, name])),
    values: Object.fromEntries(delta.map(([, by], i) => [`:c${i}`, by])),
  };
}

/** Returns where a PENDING message of a contract is found again; undefined for other messages. */
const backlogKey = ({ tenantId, contractId, notBefore = 0, id }: Message): Key | undefined =>
  contractId === undefined ? undefined : keys.backlog(tenantId, contractId, notBefore, id);

/** Everything that an owner needs to send a message. */
export interface ForSend {
  message: Message | undefined;
  content: Content | undefined;
  contract: Contract | undefined;
  /** True when the source of the message allows the send, see `isRunning`. */
  running: boolean;
}

/** The message that an entry of a lane names. */
type Named = Omit<LaneEntry, 'seq'>;

/** Returns messages of one account with their contents and contracts, in one strongly consistent read for up to ten. */
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

/** The content that was sent under an id, and its recipient. */
export type Sent = Pick<Message, 'to' | 'sentTo'> & { content: Content };

/**
 * Returns a message of this account as it was sent, for the answer to a retry request. Undefined when the message is another account's, its content
 * is gone, or it has never left: a retry request must not send it past pacing and opt-out. A confirmation of an opt-out has no message item. Its
 * content item names its account.
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
