import type { PacelineEvent } from '../event-types.ts';
import { addressOf, type Person } from '../people/person.ts';

/**
 * The types of inbound messages. `other` is for messages without a type here: polls, votes, pins, events, products, invitations, and view-once
 * messages, which only phones can show.
 */
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

/** The facts about a file from WhatsApp. Paceline does not download the file. */
export interface InboundMedia {
  mimeType?: string;
  fileName?: string;
  sizeBytes?: number;
  durationSec?: number;
  width?: number;
  height?: number;
  /** True for a voice message. */
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

/** The content of an inbound message. */
export interface InboundContent {
  type: InboundType;
  /** The text of a message or an edit, the chosen answer, or a caption. Absent in an edit that removes the text or cannot be decrypted. */
  text?: string;
  media?: InboundMedia;
  location?: InboundLocation;
  contacts?: InboundContact[];
  /** Only in a reaction. Null removes an earlier one. */
  emoji?: string | null;
  /** WhatsApp id of the message that this one reacts to, edits, deletes, votes on, pins or quotes. */
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
  /** The address of the other party: `from`, or `lid:` and the LID if the number is unknown. */
  chat: string;
  from: string;
  fromLid?: string;
  messages: InboundMessage[];
  openedAt: number;
  /** The batch closes at this time at the latest. An owner or sweep that finds it open later closes it. */
  dueAt: number;
  closedAt?: number;
}

/** Returns the sender. A `from` that equals `fromLid` is not taken for a number. */
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

/** Returns how long a batch may stay open in all, ms: five times `quietMs`, the wait after its last message (10 s and 2 s by default). */
export function longestOpenMs(quietMs: number): number {
  return 5 * quietMs;
}

/** Limits of a batch. They keep its item far below DynamoDB's 400 KB, and its event small. */
const maxMessages = 50;
const maxCharacters = 40_000;

/** Returns whether an open batch has room for one more message. Pure. */
export function hasRoom(held: { count: number; characters: number }, next: InboundMessage): boolean {
  return held.count < maxMessages && held.characters + sizeOf(next) <= maxCharacters;
}

/** Returns the length of a message as JSON, in characters. */
export function sizeOf(message: InboundMessage): number {
  return JSON.stringify(message).length;
}

/** Returns the number of inbound messages in an event. */
export function inboundIn({ type, data }: Pick<PacelineEvent, 'type' | 'data'>): number {
  return type === 'message.received' ? (data as { messages: unknown[] }).messages.length : 0;
}
