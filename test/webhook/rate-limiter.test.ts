import { expect, it } from 'vitest';
import { RateLimiter } from '../../functions/webhook/rate-limiter.ts';
import type { Clock } from '../../lib/runtime/clock.ts';

/** Time passes in sleeps only. */
function sleepingClock(): Clock {
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += Math.max(0, ms);
    },
  };
}

it('a limited endpoint is left alone for a whole gap after the last request, also by the next invocation', async () => {
  const clock = sleepingClock();
  const limited = { id: 'whk_1', rateLimitPerSec: 0.1 };
  const limiter = new RateLimiter(clock, 35_000);
  const startedAt: number[] = [];
  const later: number[] = [];
  for (let i = 0; i < 6; i++) {
    const permit = await limiter.take(limited);
    if (permit.kind === 'now') startedAt.push(clock.nowMs());
    else later.push(permit.afterMs);
    await limiter.gapPassed('whk_1');
  }
  expect(startedAt).toEqual([0, 10_000, 20_000, 30_000]);
  expect(clock.nowMs()).toBe(40_000);
  // One after the other again when they come back.
  expect(later).toEqual([0, 10_000]);
});

it('others have their permit at once, as long as there is time', async () => {
  const clock = sleepingClock();
  const limiter = new RateLimiter(clock, 1_000);
  expect(await limiter.take({ id: 'whk_2' })).toEqual({ kind: 'now' });
  expect(await limiter.take({ id: 'whk_2' })).toEqual({ kind: 'now' });
  expect(clock.nowMs()).toBe(0);
  await clock.sleep(1_001);
  expect(await limiter.take({ id: 'whk_2' })).toEqual({ kind: 'later', afterMs: 0 });
});
