import { expect, it } from 'vitest';
import { judgeWait } from '../../../lib/domain/accounts/connection-check.ts';

it.each([
  [0, false, 'wait'],
  [9_999, false, 'wait'],
  [10_000, false, 'lost'],
  [10_000, true, 'wait'],
  [19_999, true, 'wait'],
  [20_000, true, 'failed'],
  [60_000, false, 'lost'],
] as const)('a question asked %i ms ago, with something heard since: %s, means %s', (askedForMs, heard, meaning) => {
  expect(judgeWait(askedForMs, heard)).toBe(meaning);
});
