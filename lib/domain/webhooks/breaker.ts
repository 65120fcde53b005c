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
  /** How often it opened since the last success. */
  trips: number;
  openUntil?: number;
  probeUntil?: number;
}

const failuresToOpen = 5;
const open = { baseMs: 5_000, capMs: 300_000 };
/** Longer than an attempt can take, so that a probe whose worker died does not keep the breaker half-open for ever. */
export const probeMs = 30_000;
/** An endpoint failing for this long is disabled. */
export const failingMs = 5 * 86_400_000;

export type Admission = { kind: 'go' } | { kind: 'probe' } | { kind: 'wait'; until: number };

/** Returns whether an attempt may be made now; the caller must claim a probe first. */
export function admit(health: Health | undefined, nowMs: number): Admission {
  if (health?.openUntil === undefined) return { kind: 'go' };
  if (nowMs < health.openUntil) return { kind: 'wait', until: health.openUntil };
  if (health.probeUntil !== undefined && nowMs < health.probeUntil) return { kind: 'wait', until: health.probeUntil };
  return { kind: 'probe' };
}

/**
 * Returns until when the breaker opens, and under which trip, after a failure that `health` has counted already; undefined when nothing
 * changes. Requests that were under way when it opened do not open it again. `random` is in [0, 1).
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

/** Returns whether the endpoint is to be disabled. */
export function isFailingForTooLong(health: Health, nowMs: number): boolean {
  return nowMs - health.failingSince >= failingMs;
}
