import { isFinal, type Message } from './message.ts';

/** Days that contents of inbound and outbound messages are kept after they were last written. They are written again if they would end too soon. */
export const contentDays = 15;
/** Days that a message is kept after its last move. */
export const resultDays = 90;
/** Days that a lane keeps an entry, the most that SQS allows. A text must be kept longer than the entry of its message. */
export const laneDays = 14;

/** The note to API callers where results may be missing. */
export const notKept = `The result of a message is kept for ${resultDays} days after its last change; the contract's counts stay.`;

const daySec = 24 * 3600;

/** Returns the TTL attribute (epoch seconds) of an item that is kept for `days`. */
export function ttlAfter(nowMs: number, days: number): number {
  return Math.floor(nowMs / 1000) + days * daySec;
}

/** Returns the message with its TTL after a move at `nowMs`: `resultDays` for a final one, none for an open one. Pure. */
export function keptAfterMove(moved: Message, nowMs: number): Message {
  const { ttl: _ttl, ...message } = moved;
  return isFinal(message.state) ? { ...message, ttl: ttlAfter(nowMs, resultDays) } : message;
}

/**
 * Returns whether a text must be written again before its message goes into a lane. `ttl`: undefined if the text is gone. The text must outlive
 * the entry by half a day; a new text does by a whole day, so a message that soon goes into a lane again costs no write.
 */
export function endsTooSoon(ttl: number | undefined, nowMs: number): boolean {
  return (ttl ?? 0) < ttlAfter(nowMs, laneDays) + daySec / 2;
}

/** Returns whether results of a contract may be deleted already. `startedAt`: undefined if it never started. */
export function mayBeGone(startedAt: number | undefined, nowMs: number): boolean {
  return startedAt !== undefined && nowMs >= startedAt + resultDays * daySec * 1000;
}
