import { backoffMs } from '../backoff.ts';

/**
 * Limits of imports, because all tenants share a few readers. Reading a file ends after `readingLimitMs`; 100,000 rows take about a sixth of it. One
 * file of a tenant is read at a time. Its other files wait for the import lock.
 */
export const readingLimitMs = 120_000;

/** After this time the import lock of a killed reader ends. Longer than the timeout of the import function. */
export const importLeaseMs = 960_000;

const lockWait = { baseMs: 10_000, capMs: 120_000 };

/** Returns the seconds until a file that has waited `waits` times tries again to get the lock: 10, 20, 40, 80, then 120. */
export function importWaitSec(waits: number): number {
  return backoffMs(waits, lockWait) / 1000;
}
