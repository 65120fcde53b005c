import { hash } from 'node:crypto';

/**
 * Time line of a host that stops beating, from its last beat at 0: at `leaseMs` it must have stopped all effects; at `deadAfterMs` an observer
 * calls it dead, at the earliest. Observers count by their own clock.
 */
export const heartbeatMs = 3000;
export const leaseMs = 7000;
export const deadAfterMs = 10_000;
/** The best host for an account claims it at once; any other host waits this long. */
export const secondChoiceAfterMs = 5000;

/** Most accounts of one host, whatever its memory: a host uses one core. More accounts need another host. */
export const mostAccounts = 2_000;

/** Seconds between SIGTERM and SIGKILL of a host: the stopTimeout of its task. Fargate allows up to 120. */
export const killedAfterSec = 110;
/** Seconds of these in which a host hands its accounts over (DRAIN_SEC). In the rest it removes its heartbeat and wake queue. */
export const drainSec = killedAfterSec - 5;

/** Returns the hosts by their rank for an account, best first. All hosts compute the same order. When a host is lost, only its accounts move. */
export function rendezvous(hostIds: readonly string[], accountId: string): string[] {
  return hostIds
    .map((hostId) => ({ hostId, score: hash('sha256', `${hostId}\n${accountId}`) }))
    .sort((a, b) => (a.score === b.score ? order(a.hostId, b.hostId) : order(b.score, a.score)))
    .map(({ hostId }) => hostId);
}

/** Most accounts that a host hands to other hosts per minute, after a host joined. So few moves do not disturb sending. */
export const rebalancedPerMinute = 60;
/** Accounts are moved only when no host has joined or left for this long. */
export const fleetSteadyMs = 10_000;

/** Returns whether a host must stop all effects. The age is the larger of monotonic and wall time since its last stored beat. */
export function leaseLost(lastBeatAgeMs: number): boolean {
  return !(lastBeatAgeMs < leaseMs);
}

/** An observer's view of a host: the counter of its beats, and the time when it last changed, by the observer's clock. */
export interface HostView {
  counter: number;
  movedAtMs: number;
  dead: boolean;
}

/** Returns the view after `counter` was read. A host is dead once its counter has not changed for `deadAfterMs`; a new host starts as alive. */
export function observe(previous: HostView | undefined, counter: number, nowMs: number): HostView {
  if (previous === undefined || previous.counter !== counter) return { counter, movedAtMs: nowMs, dead: false };
  return { ...previous, dead: nowMs - previous.movedAtMs >= deadAfterMs };
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
