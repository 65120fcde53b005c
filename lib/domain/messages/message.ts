import type { Counter } from './counter.ts';

/** One outbound message to one recipient. States and moves: docs/architecture.md, Message states. */
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

/** The two queues of an account; express is always taken first. */
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

/** The error of a message that WhatsApp did not take and whose contract ended before another try. */
export const endedMeanwhile: Readonly<MessageError> = Object.freeze({
  code: 'REJECTED',
  message: 'WhatsApp did not take the message, and its contract ended before it could be tried again.',
});

/** The error of a message that was in hand when `maxCrashes` hosts ended without a word. */
export const crashedHost: Readonly<MessageError> = Object.freeze({
  code: 'CRASHED_HOST',
  message:
    'Every host that tried to send this message ended while it did. It is not tried again; it may have been delivered.',
});

/** The claim that holds a SENDING message: the epoch of the account's owner, and a nonce of this claim alone. */
export interface Claim {
  epoch: number;
  nonce: string;
  /** The first claim of this sending, epoch milliseconds; later ones send the same id again. */
  since: number;
  /** Claims of this sending so far. */
  tries: number;
  /** Owners that ended without a word while they held it. */
  crashes?: number;
}

/** A message that was in hand when so many hosts ended without a word is not tried again. */
export const maxCrashes = 3;

/** What a message comes from. Only messages of contracts are made so far. */
export const messageSources = ['contract', 'single', 'trigger', 'reminder'] as const;
export type MessageSource = (typeof messageSources)[number];

/** What all messages have. Times are epoch milliseconds; the HTTP surface shows them as ISO 8601. */
interface MessageFields {
  id: string;
  tenantId: string;
  accountId: string;
  /** The id of the contract, trigger or reminder that the message comes from; of a single message its own id. */
  sourceId: string;
  to: string;
  /** The number (digits) that WhatsApp knows the recipient by, where it is another than `to`; known once the message was sent. */
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
  /** It may have reached WhatsApp since then (epoch ms), but no answer came; kept while it waits to be tried again. */
  openSince?: number;
  /** How often it was laid aside without an answer. */
  asides?: number;
  /** Taken off the contract's failures by clear-failed; the item stays so that its row is not taken for one without a message. */
  cleared?: boolean;
  /** Epoch seconds at which DynamoDB removes it; only of a final one (retention.ts). */
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

/** Returns the same message where a row of a contract is expected; throws for any other. */
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

/** Whether a message may go from one state to the other; staying is no move. */
export function canMove(from: MessageState, to: MessageState): boolean {
  return moves[from].includes(to);
}

/** Whether a message can have reached its recipient: one that waits has been on its way before, refused or without an answer. */
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

/** The state a receipt leads to; undefined when it changes nothing: receipts only move forward. */
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
 * What a legal move adds to the counter of (contract, account). A message that has an item and is PENDING is backlog:
 * items are made QUEUED, so whatever leaves PENDING had come back to it. Throws on an illegal move.
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

/** The counter field of messages in this final state. */
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
