import { backoffMs } from '../backoff.ts';

/**
 * Limits that keep one tenant's imports from taking the few readers that all tenants share. Reading a file ends after `readingLimitMs`; 100,000
 * rows take about a sixth of that. One file of a tenant is read at a time; the others wait for its lock.
 */
export const readingLimitMs = 120_000;

/** The lock of a reader that was killed ends after this: longer than the function of an import lives. */
export const importLeaseMs = 960_000;

const lockWait = { baseMs: 10_000, capMs: 120_000 };

/** Returns the seconds until a file that has waited `waits` times asks for the lock again: 10, 20, 40, 80, 120. */
export function importWaitSec(waits: number): number {
  return backoffMs(waits, lockWait) / 1000;
}
