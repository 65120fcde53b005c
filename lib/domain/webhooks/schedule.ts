/**
 * The waits (s) before the attempts of a delivery, unless `WEBHOOK_SCHEDULE_SEC` sets others. The first counts from the event, each other one from
 * the attempt before: now, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. Ten attempts over about three days (Standard Webhooks 1.0).
 */
export const standardScheduleSec: readonly number[] = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];

/** The largest random part added to a wait. It keeps deliveries that failed together from being repeated together. */
const jitter = 0.1;

/** Returns the milliseconds until the attempt in `slot` (0 is the first); undefined when the schedule has none. `random` is in [0, 1). */
export function waitMs(scheduleSec: readonly number[], slot: number, random: number): number | undefined {
  const seconds = scheduleSec[slot];
  return seconds === undefined ? undefined : Math.round(seconds * 1000 * (1 + jitter * random));
}
