import { backoffMs, quickAttempts } from '../../lib/domain/accounts/disconnect.ts';

/**
 * Pure: the wait after so many failed steps in a row, in ms. Never the slow rhythm of reconnects past their quick attempts: those cost
 * WhatsApp something, while a table that is back is used at once.
 */
export function retryWaitMs(failures: number, random: () => number): number {
  return backoffMs(Math.min(failures, quickAttempts), { baseMs: 500, capMs: 20_000, random });
}
