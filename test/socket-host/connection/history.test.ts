import { expect, it } from 'vitest';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { ConnectionHistory } from '../../../socket-host/connection/history.ts';
import { createMetrics } from '../../../socket-host/metrics.ts';
import { type ManualClock, manualClock } from '../../harness/manual-clock.ts';
import { silentLogger } from '../../harness/silent-logger.ts';

const restart = { reason: 'restart' as const, code: 515, detail: 'restart required' };

function history(clock: ManualClock, baseMs: number): ConnectionHistory {
  return new ConnectionHistory(
    { clock, random: () => 0, logger: silentLogger, metrics: createMetrics() },
    'acc_1',
    baseMs,
  );
}

function account(more: Partial<Account> = {}): Account {
  return { desired: 'connected', linkedAt: 1_700_000_000_000, ...more } as Account;
}

it('starts anew at once when told so after linking, and again after a minute, but not before', async () => {
  const clock = manualClock(1_800_000_000_000);
  const past = history(clock, 2000);
  const kinds: string[] = [];
  const told = (linkedAt?: number) => kinds.push(past.judge(restart, account({ linkedAt: linkedAt as never })).kind);
  told();
  await clock.advance(30_000);
  told();
  await clock.advance(6_000);
  // Linked since it was told so last.
  told(1_800_000_035_000);
  await clock.advance(59_999);
  told(1_800_000_035_000);
  await clock.advance(60_000);
  told(1_800_000_035_000);
  expect(kinds).toEqual(['connect', 'retry', 'connect', 'retry', 'connect']);
});

it('tries again at once, then after the base it was given, doubling to a minute', () => {
  const waitsMs = (baseMs: number) => {
    const past = history(manualClock(), baseMs);
    return Array.from({ length: 12 }, () => past.nextWaitMs(0));
  };
  expect(waitsMs(5000)).toEqual([
    0, 5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 600_000,
  ]);
  expect(waitsMs(2000).slice(0, 4)).toEqual([0, 2000, 4000, 8000]);
});

it('tries at once again after a connection that lasted a minute, or has sent', async () => {
  const clock = manualClock();
  const past = history(clock, 2000);
  expect([past.nextWaitMs(0), past.nextWaitMs(0)]).toEqual([0, 2000]);
  past.opened();
  await clock.advance(59_999);
  expect(past.nextWaitMs(0)).toBe(4000);
  past.opened();
  await clock.advance(60_000);
  expect(past.nextWaitMs(0)).toBe(0);
  expect(past.nextWaitMs(0)).toBe(2000);
  expect(past.nextWaitMs(1)).toBe(0);
  expect(past.nextWaitMs(1)).toBe(2000);
});
