import { expect, it } from 'vitest';
import { backoffMs, stepRetryWaitMs } from '../../lib/domain/backoff.ts';

it('a wait doubles from its base to its cap', () => {
  expect([0, 1, 2, 3, 4].map((retry) => backoffMs(retry, { baseMs: 500, capMs: 3000 }))).toEqual([
    500, 1000, 2000, 3000, 3000,
  ]);
  expect(backoffMs(3, { baseMs: 10 })).toBe(80);
  expect(backoffMs(-1, { baseMs: 10 })).toBe(10);
  expect(backoffMs(5000, { baseMs: 10, capMs: 60_000 })).toBe(60_000);
});

it('jitter is added to the wait, of a fixed size or as a part of it', () => {
  const random = () => 0.5;
  expect(backoffMs(1, { baseMs: 1000, jitter: { random, mostMs: 100 } })).toBe(2050);
  expect(backoffMs(9, { baseMs: 1000, capMs: 4000, jitter: { random, mostPart: 0.1 } })).toBe(4200);
});

it('tries the table again after 20 s at the latest, however long it was away', () => {
  const waits = [1, 2, 3, 6, 7, 10, 11, 12, 500].map((failures) => stepRetryWaitMs(failures, () => 0));
  expect(waits).toEqual([500, 1000, 2000, 16_000, 20_000, 20_000, 20_000, 20_000, 20_000]);
});
