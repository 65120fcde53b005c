import { applyReceipt, type Message, type MessageState, type Receipt } from './message.ts';

/** A receipt and when the phone gave it, epoch ms; WhatsApp counts in whole seconds, cut off. */
export interface TimedReceipt {
  kind: Receipt;
  at: number;
}

/** What receipts make of a message: a state, and the times that go with it. */
export interface AfterReceipts {
  to: MessageState;
  change: Pick<Message, 'attempts'> & { sentAt?: number; deliveredAt?: number; readAt?: number };
}

/**
 * Pure: the move that several receipts of one message come to, in the order they came; undefined when they change nothing. Receipts only move
 * forward, so one that is late is passed over. Times of skipped steps are filled in; a receipt that settles a send is its definite answer.
 */
export function afterReceipts(message: Message, receipts: readonly TimedReceipt[]): AfterReceipts | undefined {
  let now = message;
  for (const receipt of receipts) {
    const state = applyReceipt(now.state, receipt.kind);
    if (state !== undefined) now = { ...now, ...timesOf(now, receipt), state };
  }
  if (now === message) return undefined;
  const { state: to, attempts, sentAt, deliveredAt, readAt } = now;
  return {
    to,
    change: {
      attempts,
      ...(sentAt === undefined ? {} : { sentAt }),
      ...(deliveredAt === undefined ? {} : { deliveredAt }),
      ...(readAt === undefined ? {} : { readAt }),
    },
  };
}

/** No step comes before the one it follows. */
function timesOf(message: Message, receipt: TimedReceipt) {
  const sentAt = message.sentAt ?? receipt.at;
  const deliveredAt = message.deliveredAt ?? Math.max(receipt.at, sentAt);
  return {
    sentAt,
    deliveredAt,
    ...(receipt.kind === 'read' ? { readAt: Math.max(receipt.at, deliveredAt) } : {}),
    attempts: message.attempts + (message.state === 'SENDING' ? 1 : 0),
  };
}
