import { backoffMs } from '../backoff.ts';

/**
 * The breaker of an endpoint: it keeps deliveries from being tried against an endpoint that is down.
 *
 *   closed     no openUntil: attempts are made
 *   open       now < openUntil: deliveries wait without an attempt
 *   half-open  openUntil has passed: one delivery is let through as a probe (`probeUntil` keeps the others back)
 *
 *   closed -> open       the fifth failure in a row, or an answer that asks to slow down
 *   half-open -> open    the probe failed; open for twice as long, five minutes at most
 *   any -> closed        an attempt succeeded: the health item is removed
 */
export interface Health {
  /** Epoch ms of the first failure since the last success. */
  failingSince: number;
  /** Failures in a row. */
  failures: number;
  /** The number of times that it opened since the last success. */
  trips: number;
  openUntil?: number;
  probeUntil?: number;
}

const failuresToOpen = 5;
const open = { baseMs: 5_000, capMs: 300_000 };
/** The time for which a probe holds the others back. Longer than an attempt can take. A probe whose worker died must not block for ever. */
export const probeMs = 30_000;
/** An endpoint that has failed for this long is disabled. */
export const failingMs = 5 * 86_400_000;

export type Admission = { kind: 'go' } | { kind: 'probe' } | { kind: 'wait'; until: number };

/** Returns whether an attempt may be made now. For `probe` the caller must claim the probe first. */
export function admit(health: Health | undefined, nowMs: number): Admission {
  if (health?.openUntil === undefined) return { kind: 'go' };
  if (nowMs < health.openUntil) return { kind: 'wait', until: health.openUntil };
  if (health.probeUntil !== undefined && nowMs < health.probeUntil) return { kind: 'wait', until: health.probeUntil };
  return { kind: 'probe' };
}

/**
 * Returns until when the breaker is open after a failure, and its trips; undefined if nothing changes. `health` counts the failure already. A
 * request that began before the breaker opened does not open it again, but its Retry-After can keep it open longer. `random` is in [0, 1).
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
  const openMs = backoffMs(trips, { ...open, jitter: { random: () => failure.random, mostPart: 0.1 } });
  return { openUntil: Math.max(asked, Math.round(failure.nowMs + openMs)), trips: trips + 1 };
}

/** Returns whether the endpoint has failed for so long that it must be disabled. */
export function isFailingForTooLong(health: Health, nowMs: number): boolean {
  return nowMs - health.failingSince >= failingMs;
}
