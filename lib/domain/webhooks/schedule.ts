/**
 * When the attempts of a delivery are made: each value is the wait (s) after the attempt before it, the first after the event: now, 5 s, 5 min,
 * 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h (Standard Webhooks 1.0, "retry schedule"). Ten attempts over about three days.
 */
export const standardScheduleSec: readonly number[] = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];

/** Up to this part of a wait is added at random, so that what failed together does not come back together. */
const jitter = 0.1;

/** Milliseconds until the attempt in `slot` (0 is the first); undefined when the schedule has none. `random` is in [0, 1). */
export function waitMs(scheduleSec: readonly number[], slot: number, random: number): number | undefined {
  const seconds = scheduleSec[slot];
  return seconds === undefined ? undefined : Math.round(seconds * 1000 * (1 + jitter * random));
}
