import type { PacingPolicy } from '../../lib/domain/accounts/pacing.ts';

const plain: PacingPolicy = {
  perMinute: 40,
  gapMs: [300, 600],
  restEvery: null,
  restMs: [0, 0],
  dayCap: null,
  warmUp: false,
  delayMs: [0, 0],
};

/** Paces a test has time for. A day's cap is used up while things break, and lifted when no more are broken. */
export const chaosPaces: readonly PacingPolicy[] = [
  { ...plain, restEvery: 5, restMs: [4000, 6000] },
  { ...plain, dayCap: 10 },
  plain,
];

/** A message can be this much longer on its way to the simulator than the one after it, on a busy machine. */
const jitterMs = 100;

/**
 * Whether message stanzas at these times, epoch ms in order, kept a pace. Repeats of an id count: they are sends as well. Claims that never
 * came to the wire count for the product alone, which is then slower than it must be. `whileCapped`: of the stanzas, those under the day's cap.
 */
export function judgePace(pace: PacingPolicy, times: readonly number[], whileCapped: number) {
  const between = (apart: number) => times.slice(apart).map((at, index) => at - (times[index] ?? at));
  const gaps = between(1);
  const leastMs = Math.min(...gaps);
  const parts = [`least gap ${leastMs} ms of ${pace.gapMs[0]}`];
  let ok = times.length > 0 && leastMs >= pace.gapMs[0] - jitterMs;
  if (pace.perMinute !== null) {
    const shortestMs = Math.min(...between(pace.perMinute));
    ok &&= shortestMs >= 60_000 - jitterMs;
    parts.push(`${pace.perMinute} a minute took ${shortestMs} ms at least`);
  }
  if (pace.restEvery !== null) {
    const restMs = pace.restMs[0] + pace.gapMs[0] - jitterMs;
    let row = 1;
    let longest = 1;
    for (const gapMs of gaps) {
      row = gapMs < restMs ? row + 1 : 1;
      longest = Math.max(longest, row);
    }
    ok &&= longest <= pace.restEvery;
    parts.push(`${longest} of ${pace.restEvery} without a rest`);
  }
  if (pace.dayCap !== null) {
    ok &&= whileCapped <= pace.dayCap;
    parts.push(`${whileCapped} of the day's ${pace.dayCap}`);
  }
  return { ok, sentence: `pacing: ${times.length} stanzas, ${parts.join(', ')}` };
}
