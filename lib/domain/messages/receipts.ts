import { lidForm, spellingsOf } from '../people/person.ts';
import { applyReceipt, type Message, type MessageState, mayHaveLeft, type Receipt } from './message.ts';

/**
 * A receipt. `at` is when the phone sent it (epoch ms; WhatsApp gives whole seconds, rounded down). `from` has all known addresses of its
 * sender: numbers as digits, LIDs as `lid:` and digits.
 */
export interface TimedReceipt {
  kind: Receipt;
  at: number;
  from: readonly string[];
}

/**
 * Returns whether one of the addresses belongs to the recipient of a message: its number in any spelling, or the number under which WhatsApp
 * knows it. Any person can name any message in a receipt or retry request, so those of other people must be ignored.
 */
export function isRecipient({ to, sentTo }: Pick<Message, 'to' | 'sentTo'>, addresses: readonly string[]): boolean {
  const known = [to, ...(sentTo === undefined ? [] : [sentTo])].flatMap(spellingsOf);
  return addresses.some((address) => known.includes(address));
}

/** The change of a message by receipts: its new state, and its times. */
export interface AfterReceipts {
  to: MessageState;
  change: Pick<Message, 'attempts'> & { sentAt?: number; sentTo?: string; deliveredAt?: number; readAt?: number };
}

/**
 * Returns the move of a message after several receipts, in their order; undefined if they change nothing. Ignored are receipts of other people,
 * receipts of a message that has never left, and late ones, because receipts only move forward. Times of skipped steps are filled in. A receipt
 * in SENDING counts as the definite answer to the send.
 */
export function afterReceipts(message: Message, receipts: readonly TimedReceipt[]): AfterReceipts | undefined {
  if (!mayHaveLeft(message)) return undefined;
  let now = message;
  for (const receipt of receipts) {
    if (!isRecipient(message, receipt.from)) continue;
    const state = applyReceipt(now.state, receipt.kind);
    if (state !== undefined) now = { ...now, ...timesOf(now, receipt), state };
  }
  if (now === message) return undefined;
  const { state: to, attempts, sentAt, sentTo, deliveredAt, readAt } = now;
  return {
    to,
    change: {
      attempts,
      ...(sentAt === undefined ? {} : { sentAt }),
      ...(sentTo === undefined ? {} : { sentTo }),
      ...(deliveredAt === undefined ? {} : { deliveredAt }),
      ...(readAt === undefined ? {} : { readAt }),
    },
  };
}

/** Returns the fields that a receipt changes. No step is earlier than the step before it. */
function timesOf(message: Message, receipt: TimedReceipt) {
  const sentAt = message.sentAt ?? receipt.at;
  const deliveredAt = message.deliveredAt ?? Math.max(receipt.at, sentAt);
  // No ack has said where the message went. The receipt comes from the number of its giver.
  const [giver] = receipt.from.filter((address) => !lidForm.test(address));
  const unknown = message.sentAt === undefined && giver !== undefined && giver !== message.to;
  return {
    sentAt,
    ...(unknown ? { sentTo: giver } : {}),
    deliveredAt,
    ...(receipt.kind === 'read' ? { readAt: Math.max(receipt.at, deliveredAt) } : {}),
    attempts: message.attempts + (message.state === 'SENDING' ? 1 : 0),
  };
}
