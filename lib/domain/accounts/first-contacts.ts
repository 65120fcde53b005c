import { longestRetryMs } from '../messages/send-outcome.ts';

/**
 * WhatsApp refuses an account's messages to people it has no chat with (error ack 463, a "reach-out timelock"). Each further try makes that
 * worse, so such messages are held from the first refusal on; people with a chat are still written to.
 */

/** For so long first contacts are held where WhatsApp names no time: as long as a temporary ban without one (lib/domain/accounts/disconnect.ts). */
export const unnamedHoldMs = 24 * 3_600_000;
/** No longer than this at once, whatever WhatsApp names: then one message tries again. */
export const longestHoldMs = 30 * 24 * 3_600_000;

/** Pure: until when (epoch ms) first contacts are held. `namedMs` is what WhatsApp says, undefined where it names no time to come. */
export function heldUntil(namedMs: number | undefined, nowMs: number): number {
  if (namedMs === undefined || !(namedMs > nowMs)) return nowMs + unnamedHoldMs;
  return Math.min(namedMs, nowMs + longestHoldMs);
}

/**
 * Pure: whether a message that waits until `notBefore` (epoch ms) may go into its lane. `heldUntilMs`: until when first contacts of its account
 * are held, if they are. A message that waits for longer than any retry was held; once the hold has ended, its time does not count.
 */
export function isDue(notBefore: number, heldUntilMs: number | undefined, nowMs: number): boolean {
  if (notBefore <= nowMs) return true;
  return !((heldUntilMs ?? 0) > nowMs) && notBefore > nowMs + longestRetryMs;
}

const warningStart = 'WhatsApp refuses messages of this account to people it has no chat with (463)';

/** Pure: the account's warnings with the one of a hold, or without it where `untilMs` is undefined. */
export function withHoldWarning(warnings: string[], untilMs: number | undefined): string[] {
  const others = warnings.filter((warning) => !warning.startsWith(warningStart));
  return untilMs === undefined ? others : [...others, holdWarning(untilMs)];
}

const holdWarning = (untilMs: number): string =>
  `${warningStart}: such messages wait until ${new Date(untilMs).toISOString()} and are tried again then; all others are sent.`;
