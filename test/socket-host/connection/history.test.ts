import { expect, it } from 'vitest';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { ConnectionHistory } from '../../../socket-host/connection/history.ts';
import { manualClock } from '../../harness/manual-clock.ts';

const restart = { code: 515, detail: 'restart required' };

function account(more: Partial<Account> = {}): Account {
  return { desired: 'connected', linkedAt: 1_700_000_000_000, ...more } as Account;
}

it('starts anew at once when told so after linking, and again after a minute, but not before', async () => {
  const clock = manualClock(1_800_000_000_000);
  const history = new ConnectionHistory(clock, { baseMs: 2000, random: () => 0 });
  const kinds: string[] = [];
  const told = (linkedAt?: number) => kinds.push(history.judge(restart, account({ linkedAt: linkedAt as never })).kind);
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
  expect(kinds).toEqual(['reconnect_now', 'backoff', 'reconnect_now', 'backoff', 'reconnect_now']);
});

it('tries again at once, then after the base it was given, doubling to a minute', () => {
  const waitsMs = (baseMs: number) => {
    const history = new ConnectionHistory(manualClock(), { baseMs, random: () => 0 });
    return Array.from({ length: 12 }, () => history.nextWaitMs(false));
  };
  expect(waitsMs(5000)).toEqual([
    0, 5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 600_000,
  ]);
  expect(waitsMs(2000).slice(0, 4)).toEqual([0, 2000, 4000, 8000]);
});
