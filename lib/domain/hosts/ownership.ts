import { hash } from 'node:crypto';

/**
 * Time line of a host that falls silent: its last beat at 0, it must have stopped all effects
 * at `leaseMs`, an observer calls it dead at `deadAfterMs` at the earliest. Observers count by their own clock.
 */
export const heartbeatMs = 3000;
export const leaseMs = 7000;
export const deadAfterMs = 10_000;
/** The best host of an account claims it at once, any other after this. */
export const secondChoiceAfterMs = 5000;

/** Accounts one host holds at most, whatever its memory: it works on one core. More need another host. */
export const mostAccounts = 2_000;

/** Seconds between SIGTERM and SIGKILL of a host: its task's stopTimeout, of which Fargate allows 120. */
export const killedAfterSec = 110;
/** Seconds of them in which a host gives its accounts up, DRAIN_SEC; the rest is for removing its heartbeat and wake queue. */
export const drainSec = killedAfterSec - 5;

/** Hosts by their claim to an account, best first; the same on every host, and a lost host moves only its own accounts. */
export function rendezvous(hostIds: readonly string[], accountId: string): string[] {
  return hostIds
    .map((hostId) => ({ hostId, score: hash('sha256', `${hostId}\n${accountId}`) }))
    .sort((a, b) => (a.score === b.score ? order(a.hostId, b.hostId) : order(b.score, a.score)))
    .map(({ hostId }) => hostId);
}

/** What a host gives to others in a minute so that a new one gets its fair part: few enough that nobody notices. */
export const rebalancedPerMinute = 60;
/** A host that joins is given nothing before it has lived so long; nor is anything moved so soon after one went. */
export const fleetSteadyMs = 10_000;

/** Whether a host must stop all effects; the age is the larger of monotonic and wall time since the last beat stood. */
export function leaseLost(lastBeatAgeMs: number): boolean {
  return !(lastBeatAgeMs < leaseMs);
}

/** What an observer knows of a host: its counter, and when, by the observer's clock, it saw it move. */
export interface HostView {
  counter: number;
  movedAtMs: number;
  dead: boolean;
}

/** The view after reading `counter`; a host first seen is alive until its counter has stood still for `deadAfterMs`. */
export function observe(previous: HostView | undefined, counter: number, nowMs: number): HostView {
  if (previous === undefined || previous.counter !== counter) return { counter, movedAtMs: nowMs, dead: false };
  return { ...previous, dead: nowMs - previous.movedAtMs >= deadAfterMs };
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
