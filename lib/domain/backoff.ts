/** A wait that doubles with each further try. `random` returns a number in [0, 1). */
export interface Backoff {
  baseMs: number;
  /** The longest wait, before jitter; default: none. */
  capMs?: number;
  /** Random time added to the wait: up to `mostMs`, or up to `mostPart` of the wait. It keeps callers that failed together from retrying together. */
  jitter?: { random: () => number; mostMs: number } | { random: () => number; mostPart: number };
}

/** More doublings do not count: the wait is longer than any cap by then. */
const mostDoublings = 50;

/** Returns the wait (ms, not rounded) before a retry. Retries count from 0: the base, twice the base, and so on up to the cap. Pure. */
export function backoffMs(retry: number, { baseMs, capMs = Number.POSITIVE_INFINITY, jitter }: Backoff): number {
  const waitMs = Math.min(capMs, baseMs * 2 ** Math.min(Math.max(0, retry), mostDoublings));
  if (jitter === undefined) return waitMs;
  return waitMs + jitter.random() * ('mostMs' in jitter ? jitter.mostMs : jitter.mostPart * waitMs);
}

/**
 * Returns the wait (ms) after this many failed steps in a row: half a second, doubling up to 20 s, plus up to a second of jitter. Waits never grow to
 * minutes as those before a reconnect do, so that a table that is back is used soon. Pure.
 */
export function stepRetryWaitMs(failures: number, random: () => number): number {
  return Math.floor(backoffMs(failures - 1, { baseMs: 500, capMs: 20_000, jitter: { random, mostMs: 1000 } }));
}
