import { expect, it } from 'vitest';
import { backoffMs } from '../../lib/domain/backoff.ts';

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
