import { backoffMs } from '../../lib/domain/backoff.ts';

/**
 * Pure: returns the wait (ms) after so many failed steps in a row. Unlike reconnects, which cost WhatsApp something, it never falls into a
 * slow rhythm: a table that is back is used at once.
 */
export function retryWaitMs(failures: number, random: () => number): number {
  return Math.floor(backoffMs(failures - 1, { baseMs: 500, capMs: 20_000, jitter: { random, mostMs: 1000 } }));
}
