import type { Counter } from './counter.ts';

/** The states of an outbound message. docs/architecture.md, "Message states", describes them and their moves. */
export const messageStates = [
  'PENDING',
  'QUEUED',
  'SENDING',
  'SENT',
  'DELIVERED',
  'READ',
  'FAILED',
  'CANCELED',
  'SUPPRESSED',
  'EXPIRED',
] as const;
export type MessageState = (typeof messageStates)[number];

/** The two queues of an account. Messages in express are always sent first. */
export const lanes = ['express', 'bulk'] as const;
export type Lane = (typeof lanes)[number];

/** The published, closed list behind `message.error.code`. */
export const messageErrorCodes = [
  'NOT_ON_WHATSAPP',
  'INVALID_NUMBER',
  'REACHOUT_RESTRICTED',
  'RATE_LIMITED',
  'REJECTED',
  'OUTCOME_UNKNOWN',
  'CRASHED_HOST',
  'OPTED_OUT',
] as const;
export type MessageErrorCode = (typeof messageErrorCodes)[number];

export interface MessageError {
  code: MessageErrorCode;
  message: string;
}

/** The error of every message that is SUPPRESSED. */
export const optedOut: Readonly<MessageError> = Object.freeze({
  code: 'OPTED_OUT',
  message: 'The recipient has asked for no more messages.',
});

/** The error of a message that WhatsApp did not accept and whose contract ended before another try. */
export const endedMeanwhile: Readonly<MessageError> = Object.freeze({
  code: 'REJECTED',
  message: 'WhatsApp did not accept the message, and its contract ended before another try.',
});

/** The error of a message that was in hand when `maxCrashes` hosts died. */
export const crashedHost: Readonly<MessageError> = Object.freeze({
  code: 'CRASHED_HOST',
  message:
    'Every host that tried to send this message stopped during the try. It is not tried again; it may have been delivered.',
});

/** The claim of a SENDING message: the epoch of the account's owner, and a nonce that is unique to the claim. */
export interface Claim {
  epoch: number;
  nonce: string;
  /** The time when this sending was first claimed (epoch ms). Later claims of it send the same id again. */
  since: number;
  /** The number of claims of this sending so far. */
  tries: number;
  /** The number of owners that died while the message was in hand. */
  crashes?: number;
}

/** After so many hosts died while a message was in hand, it is not tried again. */
export const maxCrashes = 3;

/** The kinds of orders that a message can come from. So far only contracts make messages. */
export type MessageSource = 'contract' | 'single' | 'trigger' | 'reminder';

/** The fields of all messages. Times are epoch milliseconds; the HTTP API shows them as ISO 8601. */
interface MessageFields {
  id: string;
  tenantId: string;
  accountId: string;
  /** The id of the contract, trigger or reminder that the message comes from; of a single message its own id. */
  sourceId: string;
  to: string;
  /** The number (digits) under which WhatsApp knows the recipient, if it differs from `to`. It is set when the message is sent. */
  sentTo?: string;
  lane: Lane;
  state: MessageState;
  feedSeq: number;
  attempts: number;
  claim?: Claim;
  notBefore?: number;
  externalId?: string;
  createdAt: number;
  queuedAt?: number;
  sentAt?: number;
  deliveredAt?: number;
  readAt?: number;
  error?: MessageError;
  /** Since then (epoch ms) the message may have reached WhatsApp, but no answer came. Kept while it waits for another try. */
  openSince?: number;
  /** The number of times that it was laid aside without an answer. */
  asides?: number;
  /** clear-failed no longer counts this message as a failure of its contract. Its item stays, because its row would look like one never fed. */
  cleared?: boolean;
  /** The time when DynamoDB deletes the item (epoch seconds). Only final messages have it (retention.ts). */
  ttl?: number;
}

/** A message that a row of a contract became. `contractId` is its `sourceId`. */
export interface ContractMessage extends MessageFields {
  source: 'contract';
  contractId: string;
  row: number;
}

/** A message without a contract. */
export interface OwnMessage extends MessageFields {
  source: Exclude<MessageSource, 'contract'>;
  contractId?: never;
  row?: never;
}

export type Message = ContractMessage | OwnMessage;

/**
 * The stored form of a message, and its image in the table's stream. A message of a contract is known by its `contractId` and has neither
 * `source` nor `sourceId`, in items of every release; any other message has both.
 */
export type StoredMessage =
  | (Omit<ContractMessage, 'source' | 'sourceId'> & { source?: undefined; sourceId?: undefined })
  | OwnMessage;

/** Returns the form to store. */
export function storedMessage(message: Message): StoredMessage {
  switch (message.source) {
    case 'contract': {
      const { source: _source, sourceId: _sourceId, ...stored } = message;
      return stored;
    }
    case 'single':
    case 'trigger':
    case 'reminder':
      return message;
    default:
      return message satisfies never;
  }
}

/** Returns the message that a stored form holds. */
export function readStoredMessage(stored: StoredMessage): Message {
  if (stored.source !== undefined) return stored;
  return { ...stored, source: 'contract', sourceId: stored.contractId };
}

/** Returns the message as one of a contract. Throws TypeError for any other message. */
export function ofContract(message: Message): ContractMessage {
  if (message.source !== 'contract') throw new TypeError(`message ${message.id} comes from no contract`);
  return message;
}

/** The two receipts that resolve or advance a message. */
export type Receipt = 'delivered' | 'read';

const moves: Record<MessageState, readonly MessageState[]> = {
  // FAILED, and receipts in PENDING and QUEUED: a message that was laid aside without an answer may have reached WhatsApp after all.
  PENDING: ['QUEUED', 'DELIVERED', 'READ', 'FAILED', 'CANCELED', 'SUPPRESSED', 'EXPIRED'],
  QUEUED: ['SENDING', 'PENDING', 'DELIVERED', 'READ', 'FAILED', 'CANCELED', 'SUPPRESSED', 'EXPIRED'],
  SENDING: ['SENT', 'DELIVERED', 'READ', 'PENDING', 'FAILED'],
  SENT: ['DELIVERED', 'READ'],
  DELIVERED: ['READ'],
  READ: [],
  FAILED: ['PENDING'],
  CANCELED: [],
  SUPPRESSED: [],
  EXPIRED: [],
};

/** Returns whether a message may move from one state to another. Staying in a state is not a move. */
export function canMove(from: MessageState, to: MessageState): boolean {
  return moves[from].includes(to);
}

/** Returns whether a message can have reached its recipient. A waiting one can if an earlier try was refused or not answered. */
export function mayHaveLeft({
  state,
  attempts,
  openSince,
}: Pick<Message, 'state' | 'attempts' | 'openSince'>): boolean {
  switch (state) {
    case 'PENDING':
    case 'QUEUED':
      return openSince !== undefined || attempts > 0;
    case 'SENDING':
    case 'SENT':
    case 'DELIVERED':
    case 'READ':
    case 'FAILED':
      return true;
    case 'CANCELED':
    case 'SUPPRESSED':
    case 'EXPIRED':
      return false;
    default:
      return state satisfies never;
  }
}

/** Returns the state after a receipt; undefined if it changes nothing. Receipts only move a message forward. */
export function applyReceipt(state: MessageState, receipt: Receipt): MessageState | undefined {
  const to = receipt === 'read' ? 'READ' : 'DELIVERED';
  return canMove(state, to) ? to : undefined;
}

/** Whether the contract counts the message as done: receipts may still advance it, retry-failed may reopen it. */
export function isFinal(state: MessageState): boolean {
  return counterField(state) !== undefined;
}

/** Whether the message reached WhatsApp's server: SENT, DELIVERED or READ. */
export function isSuccess(state: MessageState): boolean {
  return state === 'SENT' || state === 'DELIVERED' || state === 'READ';
}

/**
 * Returns what a move adds to the counter of its contract and account. Throws RangeError for an illegal move. A PENDING message with an item
 * counts as backlog: items are created as QUEUED, so such a message has come back to PENDING.
 */
export function counterDelta(from: MessageState, to: MessageState): Partial<Counter> {
  if (!canMove(from, to)) throw new RangeError(`a message cannot go from ${from} to ${to}`);
  const delta: Partial<Counter> = {};
  const left = from === 'PENDING' ? 'backlog' : counterField(from);
  const entered = to === 'PENDING' ? 'backlog' : counterField(to);
  if (left !== undefined) delta[left] = -1;
  if (entered !== undefined) delta[entered] = 1;
  return delta;
}

/** Returns the counter field of a final state; undefined for states that are not final. */
export function counterField(state: MessageState): Exclude<keyof Counter, 'backlog'> | undefined {
  switch (state) {
    case 'PENDING':
    case 'QUEUED':
    case 'SENDING':
      return undefined;
    case 'SENT':
      return 'sent';
    case 'DELIVERED':
      return 'delivered';
    case 'READ':
      return 'read';
    case 'FAILED':
      return 'failed';
    case 'CANCELED':
      return 'canceled';
    case 'SUPPRESSED':
      return 'suppressed';
    case 'EXPIRED':
      return 'expired';
    default:
      return state satisfies never;
  }
}
