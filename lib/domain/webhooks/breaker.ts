/**
 * The breaker of an endpoint: what keeps a dead one from being asked for every delivery.
 *
 *   closed     no openUntil: attempts are made
 *   open       now < openUntil: deliveries wait without an attempt
 *   half-open  openUntil has passed: one delivery is let through as a probe (`probeUntil` keeps the others back)
 *
 *   closed -> open       the fifth failure in a row, or an answer that asks to slow down
 *   half-open -> open    the probe failed; open for twice as long, five minutes at most
 *   any -> closed        an attempt succeeded: nothing is kept of the endpoint's bad days
 */
export interface Health {
  /** Epoch ms of the first failure since the last success. */
  failingSince: number;
  /** Failures in a row. */
  failures: number;
  /** How often it opened since the last success. */
  trips: number;
  openUntil?: number;
  probeUntil?: number;
}

const failuresToOpen = 5;
const firstOpenMs = 5_000;
const longestOpenMs = 300_000;
/** Longer than an attempt can take: a probe whose worker died does not keep the breaker half-open for ever. */
export const probeMs = 30_000;
/** An endpoint failing for this long is disabled. */
export const failingMs = 5 * 86_400_000;

export type Admission = { kind: 'go' } | { kind: 'probe' } | { kind: 'wait'; until: number };

/** Whether an attempt may be made now; a probe must be claimed first. */
export function admit(health: Health | undefined, nowMs: number): Admission {
  if (health?.openUntil === undefined) return { kind: 'go' };
  if (nowMs < health.openUntil) return { kind: 'wait', until: health.openUntil };
  if (health.probeUntil !== undefined && nowMs < health.probeUntil) return { kind: 'wait', until: health.probeUntil };
  return { kind: 'probe' };
}

/**
 * What follows from a failure that `health` has counted already: until when the breaker opens, and under which trip. Undefined: nothing changes.
 * Requests that were under way when it opened do not open it again. `random` is in [0, 1).
 */
export function tripAfter(
  health: Health,
  failure: { startedAt: number; nowMs: number; slowDown: boolean; retryAfterMs?: number; random: number },
): { openUntil: number; trips: number } | undefined {
  const { openUntil, trips } = health;
  const asked = failure.nowMs + (failure.retryAfterMs ?? 0);
  if (openUntil !== undefined && failure.startedAt < openUntil) {
    return asked > openUntil ? { openUntil: asked, trips } : undefined;
  }
  if (openUntil === undefined && health.failures < failuresToOpen && !failure.slowDown) return undefined;
  const openMs = Math.min(longestOpenMs, firstOpenMs * 2 ** Math.min(trips, 20)) * (1 + 0.1 * failure.random);
  return { openUntil: Math.max(asked, Math.round(failure.nowMs + openMs)), trips: trips + 1 };
}

export function isFailingForTooLong(health: Health, nowMs: number): boolean {
  return nowMs - health.failingSince >= failingMs;
}
