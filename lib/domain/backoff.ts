/** A wait that doubles with each further try. `random` is in [0, 1). */
export interface Backoff {
  baseMs: number;
  /** The longest wait, before jitter; default: none. */
  capMs?: number;
  /** Added at random, so that callers that failed together do not come back together: up to `mostMs`, or up to this part of the wait. */
  jitter?: { random: () => number; mostMs: number } | { random: () => number; mostPart: number };
}

/** Beyond this many doublings a wait is longer than any cap. */
const mostDoublings = 50;

/** Pure: returns the wait before retry `retry`, counted from 0: base, twice the base, and so on up to the cap. Not rounded. */
export function backoffMs(retry: number, { baseMs, capMs = Number.POSITIVE_INFINITY, jitter }: Backoff): number {
  const waitMs = Math.min(capMs, baseMs * 2 ** Math.min(Math.max(0, retry), mostDoublings));
  if (jitter === undefined) return waitMs;
  return waitMs + jitter.random() * ('mostMs' in jitter ? jitter.mostMs : jitter.mostPart * waitMs);
}

/**
 * Pure: returns the wait (ms) after so many failed steps in a row. Unlike a reconnect, which costs the network something, a step never falls into
 * a slow rhythm: a table that is back is used at once.
 */
export function stepRetryWaitMs(failures: number, random: () => number): number {
  return Math.floor(backoffMs(failures - 1, { baseMs: 500, capMs: 20_000, jitter: { random, mostMs: 1000 } }));
}
