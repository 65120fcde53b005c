import { lidForm, spellingsOf } from '../people/person.ts';
import { applyReceipt, type Message, type MessageState, mayHaveLeft, type Receipt } from './message.ts';

/**
 * A receipt, when the phone gave it (epoch ms; WhatsApp counts in whole seconds, cut off), and every address of its giver that is known:
 * numbers as digits, LIDs as `lid:` and digits.
 */
export interface TimedReceipt {
  kind: Receipt;
  at: number;
  from: readonly string[];
}

/**
 * Returns whether a person with these addresses is the recipient of a message: by its number in any spelling, or by the number that WhatsApp
 * answered with. Anybody can name any message in a receipt or a retry request; only the recipient's count.
 */
export function isRecipient({ to, sentTo }: Pick<Message, 'to' | 'sentTo'>, addresses: readonly string[]): boolean {
  const known = [to, ...(sentTo === undefined ? [] : [sentTo])].flatMap(spellingsOf);
  return addresses.some((address) => known.includes(address));
}

/** What receipts make of a message: a state, and the times that go with it. */
export interface AfterReceipts {
  to: MessageState;
  change: Pick<Message, 'attempts'> & { sentAt?: number; sentTo?: string; deliveredAt?: number; readAt?: number };
}

/**
 * Returns the move that several receipts of one message come to, in the order they came; undefined when they change nothing. Receipts of others
 * than the recipient are passed over, and so are all of a message that has never left. Receipts only move forward, so one that is late is
 * passed over too. Times of skipped steps are filled in; a receipt that resolves a send is its definite answer.
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

/** No step comes before the one it follows. */
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
