import type { PacelineEvent } from '../event-types.ts';
import { addressOf, type Person } from '../people/person.ts';

/** The kinds of messages that people send to an account. `other`: a kind without a name of its own (a poll, a vote, a pin, an order, a view-once message that only phones show). */
export const inboundTypes = [
  'text',
  'image',
  'video',
  'audio',
  'document',
  'sticker',
  'location',
  'contact',
  'reaction',
  'edit',
  'delete',
  'other',
] as const;
export type InboundType = (typeof inboundTypes)[number];

/** What WhatsApp says of a file; the file itself is not fetched. */
export interface InboundMedia {
  mimeType?: string;
  fileName?: string;
  sizeBytes?: number;
  durationSec?: number;
  width?: number;
  height?: number;
  /** Recorded with the microphone. */
  voice?: boolean;
}

export interface InboundLocation {
  latitude: number;
  longitude: number;
  name?: string;
  address?: string;
}

export interface InboundContact {
  name: string;
  vcard?: string;
}

/** `text`: of a text or an edit, the chosen answer, or a caption. An edit has none where it removes it, or is encrypted and cannot be read. */
export interface InboundContent {
  type: InboundType;
  text?: string;
  media?: InboundMedia;
  location?: InboundLocation;
  contacts?: InboundContact[];
  /** Of a reaction; null takes an earlier one away. */
  emoji?: string | null;
  /** WhatsApp id of the message that is reacted to, edited, deleted, voted on, pinned, or answered with a quote. */
  target?: string;
}

/**
 * A message as it came. `from` is the sender's number as digits, or the digits of the LID where WhatsApp gives no number: then it equals
 * `fromLid`. `at` is epoch milliseconds, whole seconds.
 */
export interface InboundMessage extends InboundContent {
  id: string;
  from: string;
  fromLid?: string;
  at: number;
}

/** Messages of one chat that came in quick succession, published as one event. Times are epoch milliseconds. */
export interface InboundBatch {
  id: string;
  tenantId: string;
  accountId: string;
  /** `from`, or `lid:` and the LID where the number is not known. */
  chat: string;
  from: string;
  fromLid?: string;
  messages: InboundMessage[];
  openedAt: number;
  /** Whoever finds it open after this closes it. */
  dueAt: number;
  closedAt?: number;
}

/** Who wrote it. A `from` that is the LID is no number. */
export function personOf({ from, fromLid }: Pick<InboundMessage, 'from' | 'fromLid'>): Person {
  return {
    ...(from === fromLid || from === '' ? {} : { phoneNumber: from }),
    ...(fromLid === undefined ? {} : { lid: fromLid }),
  };
}

/** Returns the sender as answers print it: digits of the number, or `lid:` and the LID where WhatsApp gives no number. Empty without either. */
export function senderOf(message: Pick<InboundMessage, 'from' | 'fromLid'>): string {
  return message.from === '' ? '' : addressOf(personOf(message));
}

/** How long a batch may stay open: `quietMs` after its last message, five times that in all (2 s and 10 s by default). 0: closed at once. */
export function longestOpenMs(quietMs: number): number {
  return 5 * quietMs;
}

/** A batch takes no more than this, so that its item stays far below DynamoDB's 400 KB and an event stays small. */
const maxMessages = 50;
const maxCharacters = 40_000;

/** Pure: whether one more message still goes into an open batch. */
export function hasRoom(held: { count: number; characters: number }, next: InboundMessage): boolean {
  return held.count < maxMessages && held.characters + sizeOf(next) <= maxCharacters;
}

/** Characters of a message as JSON. */
export function sizeOf(message: InboundMessage): number {
  return JSON.stringify(message).length;
}

/** Returns the number of inbound messages in an event. */
export function inboundIn({ type, data }: Pick<PacelineEvent, 'type' | 'data'>): number {
  return type === 'message.received' ? (data as { messages: unknown[] }).messages.length : 0;
}
