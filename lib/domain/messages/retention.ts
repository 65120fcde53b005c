import { isFinal, type Message } from './message.ts';

/** Days that content is kept, theirs and ours: from the last time it was put, and again before its message goes into a lane. */
export const contentDays = 15;
/** Days that a message is kept after its last move. */
export const resultDays = 90;
/** Days that a lane keeps an entry: the most SQS allows. A text must outlive the entry of its message. */
export const laneDays = 14;

/** What is said where results may be missing. */
export const notKept = `The result of a message is kept for ${resultDays} days after its last change; the contract's counts stay.`;

const daySec = 24 * 3600;

/** The TTL attribute (epoch seconds) of what is kept for so many days from now on. */
export function ttlAfter(nowMs: number, days: number): number {
  return Math.floor(nowMs / 1000) + days * daySec;
}

/** The message as a move at `nowMs` leaves it: a final one is kept for `resultDays` more, an open one without an end. Pure. */
export function keptAfterMove(moved: Message, nowMs: number): Message {
  const { ttl: _ttl, ...message } = moved;
  return isFinal(message.state) ? { ...message, ttl: ttlAfter(nowMs, resultDays) } : message;
}

/** Whether a text that ends at `ttl` (absent: it is gone) is put anew before its message goes into a lane. Half a day keeps quick returns free. */
export function endsTooSoon(ttl: number | undefined, nowMs: number): boolean {
  return (ttl ?? 0) < ttlAfter(nowMs, laneDays) + daySec / 2;
}

/** Whether results of a contract that started then (undefined: never) may be gone by now. */
export function mayBeGone(startedAt: number | undefined, nowMs: number): boolean {
  return startedAt !== undefined && nowMs >= startedAt + resultDays * daySec * 1000;
}
