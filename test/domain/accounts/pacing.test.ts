import { describe, expect, test } from 'vitest';
import {
  afterReconnect,
  checkPolicy,
  dayCapOn,
  defaultPolicy,
  initialPace,
  leadMs,
  meanIntervalMs,
  nextWireAt,
  type PaceState,
  type PacingPolicy,
  plan,
  policyOf,
  sendsAhead,
  wentOut,
} from '../../../lib/domain/accounts/pacing.ts';

const hour = 3_600_000;
const day = 24 * hour;
/** Linked so long ago that the whole day cap of 1,000 is there. */
const linkedAtMs = 0;
const start = 100 * day;
const low = () => 0;
const high = () => 0.999999;

const policy = (own: Partial<PacingPolicy>): PacingPolicy => ({ ...defaultPolicy, ...own });

/** Wire times of a caller that asks `reactionMs` after each wire, and receives `leadMs` before the next. */
function run(own: PacingPolicy | undefined, sends: number, random: () => number, reactionMs = 100): number[] {
  let state: PaceState = initialPace;
  let nowMs = start;
  const wires: number[] = [];
  for (let i = 0; i < sends; i += 1) {
    const dueAt = nextWireAt(own, state, { nowMs, linkedAtMs });
    nowMs = Math.max(nowMs, dueAt - leadMs(own));
    const planned = plan(own, state, { nowMs, linkedAtMs, textLength: 100, random });
    wires.push(planned.wireAt - start);
    state = planned.next;
    nowMs = planned.wireAt + reactionMs;
  }
  return wires;
}

const gaps = (wires: number[]) => wires.slice(1).map((wire, i) => wire - (wires[i] ?? 0));

describe('default pacing, wire to wire', () => {
  test('the shortest gaps are 3 s, and 33 s after each fifth', () => {
    expect(gaps(run(defaultPolicy, 12, low))).toEqual([
      3000, 3000, 3000, 3000, 33_000, 3000, 3000, 3000, 3000, 33_000, 3000,
    ]);
  });

  test('the longest are 8 s, and 128 s after each fifth', () => {
    expect(gaps(run(defaultPolicy, 12, high))).toEqual([
      8000, 8000, 8000, 8000, 128_000, 8000, 8000, 8000, 8000, 128_000, 8000,
    ]);
  });

  test('175 messages take about an hour at the mean', () => {
    const wires = run(defaultPolicy, 176, () => 0.5);
    expect((wires.at(-1) ?? 0) / hour).toBeGreaterThan(0.99);
    expect((wires.at(-1) ?? 0) / hour).toBeLessThan(1.01);
  });
});

describe('one send', () => {
  const at = { nowMs: start, linkedAtMs, textLength: 50, random: low };

  test('waits half a second, then types 40 ms a character', () => {
    expect(plan(defaultPolicy, initialPace, at)).toEqual({
      startAt: start,
      delayMs: 500,
      typingMs: 2000,
      wireAt: start + 2500,
      next: { lastAt: start + 2500, nextAt: start + 5500, sinceRest: 1, minute: [], day: 100, dayCount: 1 },
    });
  });

  test('types one second at least and five at most', () => {
    expect(plan(defaultPolicy, initialPace, { ...at, textLength: 1 }).typingMs).toBe(1000);
    expect(plan(defaultPolicy, initialPace, { ...at, textLength: 4096 }).typingMs).toBe(5000);
    expect(plan(defaultPolicy, initialPace, { ...at, textLength: 4096, random: high }).delayMs).toBe(2000);
    expect(leadMs(defaultPolicy)).toBe(7000);
  });

  test('starts late enough when the caller is early', () => {
    const state = { ...initialPace, lastAt: start - 1000, nextAt: start + 60_000 };
    const planned = plan(defaultPolicy, state, at);
    expect([planned.startAt - start, planned.delayMs, planned.typingMs, planned.wireAt - start]).toEqual([
      57_500, 500, 2000, 60_000,
    ]);
  });

  test('shortens delay and typing rather than stretch the gap', () => {
    const state = { ...initialPace, lastAt: start - 1500, nextAt: start + 1500 };
    const planned = plan(defaultPolicy, state, at);
    expect([planned.startAt - start, planned.delayMs, planned.typingMs, planned.wireAt - start]).toEqual([
      0, 300, 1200, 1500,
    ]);
  });

  test('a caller a little late keeps inside the range of the gap', () => {
    const state = { ...initialPace, lastAt: start - 7000, nextAt: start - 4000 };
    expect(plan(defaultPolicy, state, { ...at, textLength: 4096 }).wireAt - start).toBe(4000);
    const tight = { ...initialPace, lastAt: start - 4000, nextAt: start - 1000 };
    expect(plan(defaultPolicy, tight, { ...at, textLength: 4096, random: high }).wireAt - start).toBe(4000);
  });

  test('after a long silence it has its whole delay and typing', () => {
    const state = { ...initialPace, lastAt: start - hour, nextAt: start - hour + 3000 };
    expect(plan(defaultPolicy, state, { ...at, textLength: 4096 }).wireAt - start).toBe(5500);
  });
});

describe('other paces by configuration', () => {
  test('one message a second', () => {
    const everySecond = policy({ gapMs: [1000, 1000], perMinute: 60, restEvery: null, dayCap: null });
    expect(gaps(run(everySecond, 70, () => 0.7))).toEqual(Array(69).fill(1000));
  });

  test('batches of 50 a second apart', () => {
    const batches = policy({ gapMs: [0, 0], perMinute: null, restEvery: 50, restMs: [1000, 1000], dayCap: null });
    const found = gaps(run(batches, 151, () => 0.7, 0));
    expect(found.filter((gap) => gap !== 0)).toEqual([1000, 1000, 1000]);
    expect([found[49], found[99], found[149]]).toEqual([1000, 1000, 1000]);
  });

  test('no gap, but 20 a minute: twenty at once, then a minute of silence', () => {
    const burst = policy({ gapMs: [0, 0], restEvery: null, dayCap: null });
    expect(run(burst, 41, low, 0)).toEqual([...Array(20).fill(0), ...Array(20).fill(60_000), 120_000]);
  });

  test('500 a minute without gaps reaches 500 a minute', () => {
    const fast = policy({ gapMs: [0, 0], perMinute: 500, restEvery: null, dayCap: null });
    const wires = run(fast, 1001, low, 0);
    expect([wires[499], wires[500], wires[999], wires[1000]]).toEqual([0, 60_000, 60_000, 120_000]);
  });

  test('a cap that does not divide into 25 entries is kept from below', () => {
    const odd = policy({ gapMs: [0, 0], perMinute: 55, restEvery: null, dayCap: null });
    const wires = run(odd, 109, low, 0);
    expect([wires[53], wires[54], wires[107], wires[108]]).toEqual([0, 60_000, 60_000, 120_000]);
  });

  test('a cap that the gap all but implies is kept too', () => {
    const close = policy({ gapMs: [3000, 3000], perMinute: 19, restEvery: null, dayCap: null });
    const wires = run(close, 20, low);
    expect([wires[18], wires[19]].map((wire) => (wire ?? 0) - (wires[0] ?? 0))).toEqual([54_000, 60_000]);
  });

  test('a send is remembered for the whole of its minute', () => {
    const three = policy({ gapMs: [0, 0], perMinute: 3, restEvery: null, delayMs: [0, 0] });
    const at = { nowMs: start, linkedAtMs, textLength: 1, random: low };
    const minute = (oldest: number) =>
      plan(three, { ...initialPace, lastAt: start - 10, minute: [oldest, start - 10] }, at).next.minute;
    expect(minute(start - 59_999)).toEqual([start - 59_999, start - 10, start]);
    expect(minute(start - 60_000)).toEqual([start - 10, start]);
  });

  test('useLimits:false goes at once, without delay or typing, and still counts', () => {
    expect(policyOf({ useLimits: false, pacing: { perMinute: 1 } })).toBeUndefined();
    expect(plan(undefined, initialPace, { nowMs: start, linkedAtMs, textLength: 4096, random: high })).toEqual({
      startAt: start,
      delayMs: 0,
      typingMs: 0,
      wireAt: start,
      next: { lastAt: start, sinceRest: 0, minute: [], day: 100, dayCount: 1 },
    });
    expect(run(undefined, 3, low, 0)).toEqual([0, 0, 0]);
    expect(leadMs(undefined)).toBe(0);
  });

  test('limits switched on again keep the shortest gap to the last send', () => {
    const state = { lastAt: start, sinceRest: 0, minute: [], day: 100, dayCount: 900 };
    expect(nextWireAt(defaultPolicy, state, { nowMs: start + 10, linkedAtMs }) - start).toBe(3000);
  });

  test('an account’s own numbers stand over the defaults', () => {
    expect(policyOf({ useLimits: true, pacing: { perMinute: null, gapMs: [1, 2] } })).toEqual({
      perMinute: null,
      gapMs: [1, 2],
      restEvery: 5,
      restMs: [30_000, 120_000],
      dayCap: 1000,
      warmUp: true,
      delayMs: [500, 2000],
    });
  });

  test('the mean interval counts rests and the minute cap', () => {
    expect(meanIntervalMs(defaultPolicy)).toBe(20_500);
    expect(meanIntervalMs(policy({ gapMs: [0, 0], restEvery: null }))).toBe(3000);
    expect(meanIntervalMs(undefined)).toBe(20);
  });
});

describe('day caps by age', () => {
  test.each([
    [0, 20],
    [1, 28],
    [2, 39],
    [3, 54],
    [4, 76],
    [5, 107],
    [6, 150],
    [7, 210],
    [8, 295],
    [9, 413],
    [10, 500],
    [29, 500],
    [30, 750],
    [89, 750],
    [90, 1000],
    [5000, 1000],
  ])('on day %d: %d', (dayIndex, cap) => {
    expect(dayCapOn(defaultPolicy, dayIndex)).toBe(cap);
  });

  test('without warm-up, with own caps, without a cap', () => {
    const caps = (own: Partial<PacingPolicy>) => [0, 3, 30, 90].map((index) => dayCapOn(policy(own), index));
    expect(caps({ warmUp: false })).toEqual([500, 500, 750, 1000]);
    expect(caps({ dayCap: 40 })).toEqual([20, 40, 40, 40]);
    expect(caps({ dayCap: 5000 })).toEqual([20, 54, 750, 5000]);
    expect(caps({ dayCap: null })).toEqual([Infinity, Infinity, Infinity, Infinity]);
  });

  test('a new account with endless work sends its cap each day, the next day from its first moment on', () => {
    let state: PaceState = initialPace;
    let nowMs = 5 * hour;
    const perDay: number[] = [];
    while (nowMs < 5 * hour + 12 * day) {
      const at = { nowMs, linkedAtMs: 5 * hour };
      const planned = plan(defaultPolicy, state, { ...at, textLength: 20, random: () => 0.5 });
      const index = Math.floor((planned.wireAt - 5 * hour) / day);
      perDay[index] = (perDay[index] ?? 0) + 1;
      state = planned.next;
      nowMs = planned.wireAt;
    }
    expect(perDay.slice(0, 12)).toEqual([20, 28, 39, 54, 76, 107, 150, 210, 295, 413, 500, 500]);
  });

  test('a full day delays to the start of the next period', () => {
    const state = {
      lastAt: start + hour,
      nextAt: start + hour + 3000,
      sinceRest: 0,
      minute: [],
      day: 100,
      dayCount: 1000,
    };
    expect(nextWireAt(defaultPolicy, state, { nowMs: start + hour, linkedAtMs })).toBe(start + day);
    expect(nextWireAt(policy({ dayCap: null }), state, { nowMs: start + hour, linkedAtMs })).toBe(start + hour + 3000);
  });
});

describe('what the plan could not know', () => {
  const sent = {
    lastAt: start,
    nextAt: start + 3000,
    sinceRest: 1,
    minute: [start - 10, start],
    day: 100,
    dayCount: 1,
  };

  test('a send that left late moves the gap and the minute along', () => {
    expect(wentOut(sent, start + 400)).toEqual({
      ...sent,
      lastAt: start + 400,
      nextAt: start + 3400,
      minute: [start - 10, start + 400],
    });
    expect(wentOut(sent, start)).toBe(sent);
    expect(wentOut(sent, start - 5)).toBe(sent);
    expect(wentOut(initialPace, start)).toBe(initialPace);
  });

  test('after a reconnect the first send waits a gap, and a longer rest stands', () => {
    const at = { nowMs: start + 60_000, random: low };
    expect(afterReconnect(defaultPolicy, sent, at).nextAt).toBe(start + 63_000);
    const resting = { ...sent, nextAt: start + 100_000 };
    expect(afterReconnect(defaultPolicy, resting, at).nextAt).toBe(start + 100_000);
    expect(afterReconnect(undefined, sent, at)).toBe(sent);
  });

  test('a clock set back does not open the gap again', () => {
    expect(nextWireAt(defaultPolicy, sent, { nowMs: start - hour, linkedAtMs })).toBe(start + 3000);
  });
});

describe('checkPolicy', () => {
  test.each([
    {},
    { perMinute: null, restEvery: null, dayCap: null },
    { gapMs: [0, 0], restMs: [0, 0], delayMs: [0, 0] },
    { perMinute: 6000, gapMs: [1, 3_600_000], warmUp: false },
  ] as Partial<PacingPolicy>[])('accepts %j', (own) => {
    expect(checkPolicy(own)).toEqual([]);
  });

  test.each([
    ['perMinute', { perMinute: 0 }],
    ['perMinute', { perMinute: 1.5 }],
    ['gapMs', { gapMs: [5, 4] }],
    ['gapMs', { gapMs: [-1, 4] }],
    ['gapMs', { gapMs: [1] as unknown as [number, number] }],
    ['gapMs', { gapMs: [0, 3_600_001] }],
    ['restEvery', { restEvery: -5 }],
    ['restMs', { restMs: [0.5, 1] }],
    ['dayCap', { dayCap: 0 }],
    ['warmUp', { warmUp: 'yes' as unknown as boolean }],
    ['delayMs', { delayMs: [0, 60_001] }],
  ] as [string, Partial<PacingPolicy>][])('names %s in %j', (field, own) => {
    expect(checkPolicy(own).map((problem) => problem.field)).toEqual([field]);
  });
});

describe('how many messages are taken from a lane at once', () => {
  const within = 16_000;
  const after = (sinceRest: number) => ({ ...initialPace, sinceRest });

  test('ten without limits', () => {
    expect(sendsAhead(undefined, initialPace, within)).toBe(10);
  });

  test('those of default pacing that go out before the next rest, even with the longest gaps', () => {
    expect([0, 1, 2, 3, 4].map((sent) => sendsAhead(defaultPolicy, after(sent), within))).toEqual([3, 3, 3, 2, 1]);
  });

  test('one where gaps are long, ten at most where they are short', () => {
    const hourly = { ...defaultPolicy, gapMs: [3_600_000, 3_600_000] as [number, number], restEvery: null };
    expect(sendsAhead(hourly, initialPace, within)).toBe(1);
    const quick = { ...defaultPolicy, gapMs: [0, 100] as [number, number], restEvery: null, perMinute: null };
    expect(sendsAhead(quick, initialPace, within)).toBe(10);
  });

  test('the cap a minute counts as a gap', () => {
    const capped = { ...defaultPolicy, gapMs: [0, 0] as [number, number], restEvery: null, perMinute: 6 };
    expect(sendsAhead(capped, initialPace, within)).toBe(2);
  });
});
