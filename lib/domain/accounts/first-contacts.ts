import { longestRetryMs } from '../messages/send-outcome.ts';

/**
 * WhatsApp can refuse an account's messages to people without a chat with it (error ack 463, a "reach-out timelock"). Each further try makes that
 * worse, so such messages are held from the first refusal on. Messages to people with a chat are still sent.
 */

/** The length of a hold for which WhatsApp names no time. A temporary ban without a time is as long (disconnect.ts). */
export const unnamedHoldMs = 24 * 3_600_000;
/** The longest hold, whatever time WhatsApp names. After it, one message tries again. */
export const longestHoldMs = 30 * 24 * 3_600_000;

/** Returns until when (epoch ms) first contacts are held. `namedMs` is the time that WhatsApp names; undefined if it names none. Pure. */
export function heldUntil(namedMs: number | undefined, nowMs: number): number {
  if (namedMs === undefined || !(namedMs > nowMs)) return nowMs + unnamedHoldMs;
  return Math.min(namedMs, nowMs + longestHoldMs);
}

/**
 * Returns whether a message that waits until `notBefore` (epoch ms) may go into its lane. `heldUntilMs`: until when first contacts of its account
 * are held. A message that waits longer than any retry was held; when the hold has ended, it may go earlier than `notBefore`. Pure.
 */
export function isDue(notBefore: number, heldUntilMs: number | undefined, nowMs: number): boolean {
  if (notBefore <= nowMs) return true;
  return !((heldUntilMs ?? 0) > nowMs) && notBefore > nowMs + longestRetryMs;
}

const warningStart = 'WhatsApp refuses messages of this account to people it has no chat with (463)';

/** Returns the account's warnings with the warning about a hold; without it if `untilMs` is undefined. Pure. */
export function withHoldWarning(warnings: string[], untilMs: number | undefined): string[] {
  const others = warnings.filter((warning) => !warning.startsWith(warningStart));
  return untilMs === undefined ? others : [...others, holdWarning(untilMs)];
}

const holdWarning = (untilMs: number): string =>
  `${warningStart}: such messages wait until ${new Date(untilMs).toISOString()} and are tried again then; all others are sent.`;
