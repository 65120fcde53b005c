import { describe, expect, it } from 'vitest';
import type { PacingPolicy } from '../../lib/domain/accounts/pacing.ts';
import { judgePace } from './paces.ts';

const pace: PacingPolicy = {
  perMinute: null,
  gapMs: [1000, 2000],
  restEvery: null,
  restMs: [0, 0],
  dayCap: null,
  warmUp: false,
  delayMs: [0, 0],
};
const verdict = (more: Partial<PacingPolicy>, times: number[], whileCapped = 0) =>
  judgePace({ ...pace, ...more }, times, whileCapped);

describe('the judge of pacing', () => {
  it.each<[string, Partial<PacingPolicy>, number[], boolean]>([
    ['gaps that are kept, a little uneven at the simulator', {}, [0, 1000, 1950, 2950], true],
    ['a gap that is cut', {}, [0, 1000, 1800], false],
    ['nothing sent at all', {}, [], false],
    ['two in a minute and the third after it', { perMinute: 2 }, [0, 30_000, 60_000], true],
    ['a third within the minute', { perMinute: 2 }, [0, 30_000, 59_000], false],
    ['a rest after two', { restEvery: 2, restMs: [5000, 6000] }, [0, 1000, 7000, 8000], true],
    ['a rest sooner than need be', { restEvery: 2, restMs: [5000, 6000] }, [0, 6000, 7000], true],
    ['no rest after two', { restEvery: 2, restMs: [5000, 6000] }, [0, 1000, 6500, 7500, 8500], false],
    ['a rest that is too short', { restEvery: 2, restMs: [5000, 6000] }, [0, 1000, 6000], false],
  ])('%s', (_, more, times, ok) => {
    expect(verdict(more, times).ok).toBe(ok);
  });

  it('a day has its cap', () => {
    expect(verdict({ dayCap: 2 }, [0, 1000, 2000, 3000], 2).ok).toBe(true);
    expect(verdict({ dayCap: 2 }, [0, 1000, 2000, 3000], 3).ok).toBe(false);
    expect(verdict({ dayCap: 2 }, [0, 1000, 2000, 3000], 2).sentence).toBe(
      "pacing: 4 stanzas, least gap 1000 ms of 1000, 2 of the day's 2",
    );
  });
});
