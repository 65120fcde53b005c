import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  afterReconnect,
  defaultPolicy,
  initialPace,
  leadMs,
  nextWireAt,
  type PaceState,
  type PacingPolicy,
  plan,
} from '../../../lib/domain/accounts/pacing.ts';

const dayMs = 86_400_000;

const range = (max: number) =>
  fc.tuple(fc.nat(max), fc.nat(max)).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);

const anyPolicy: fc.Arbitrary<PacingPolicy> = fc.record({
  perMinute: fc.option(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 26, max: 110 }))),
  gapMs: fc.oneof(range(10), range(2000), range(10_000), fc.constant(defaultPolicy.gapMs)),
  restEvery: fc.option(fc.integer({ min: 1, max: 8 })),
  restMs: fc.oneof(range(1000), range(120_000)),
  dayCap: fc.option(fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 1500 }))),
  warmUp: fc.boolean(),
  delayMs: range(3000),
});

/** What happens before a send: how long nothing is to do, how late the caller is, a reconnect, a restart. */
interface Step {
  idleMs: number;
  lateMs: number;
  textLength: number;
  reconnect: boolean;
}

const step = (late: boolean): fc.Arbitrary<Step> =>
  fc.record({
    idleMs: late
      ? fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat(20_000), fc.nat(2 * dayMs))
      : fc.constant(0),
    lateMs: late ? fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(3000)) : fc.constant(0),
    textLength: fc.nat(4096),
    reconnect: late ? fc.boolean() : fc.constant(false),
  });

const history = (late: boolean) =>
  fc.record({
    policy: anyPolicy,
    ageDays: fc.oneof(fc.nat(12), fc.nat(120)),
    seed: fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1, maxLength: 7 }),
    steps: fc.array(step(late), { minLength: 1, maxLength: 120, size: 'max' }),
  });

interface Sent {
  wireAt: number;
  dueAt: number;
  askedAt: number;
  day: number;
}

/** Sends through the policy; every state passes through JSON, as it does between two hosts. */
function replay(input: { policy: PacingPolicy; ageDays: number; seed: number[]; steps: Step[] }): Sent[] {
  const { policy, seed, steps } = input;
  const linkedAtMs = 1_700_000_000_000;
  let nowMs = linkedAtMs + input.ageDays * dayMs + 12_345_678;
  let state: PaceState = initialPace;
  let draws = 0;
  const random = () => seed[draws++ % seed.length] ?? 0;
  return steps.map(({ idleMs, lateMs, textLength, reconnect }) => {
    nowMs += idleMs;
    if (reconnect) state = afterReconnect(policy, state, { nowMs, random });
    const dueAt = nextWireAt(policy, state, { nowMs, linkedAtMs });
    nowMs = Math.max(nowMs, dueAt - leadMs(policy)) + lateMs;

    const askedAt = nowMs;
    const drawsBefore = draws;
    const planned = plan(policy, state, { nowMs, linkedAtMs, textLength, random });
    draws = drawsBefore;
    const restarted: PaceState = JSON.parse(JSON.stringify(state));
    expect(nextWireAt(policy, restarted, { nowMs, linkedAtMs })).toBe(nextWireAt(policy, state, { nowMs, linkedAtMs }));
    expect(plan(policy, restarted, { nowMs, linkedAtMs, textLength, random })).toEqual(planned);

    expect(planned.startAt).toBeGreaterThanOrEqual(nowMs);
    expect(planned.startAt + planned.delayMs + planned.typingMs).toBe(planned.wireAt);
    expect(planned.delayMs + planned.typingMs).toBeLessThanOrEqual(leadMs(policy));
    expect(planned.wireAt).toBeGreaterThanOrEqual(dueAt);
    expect(JSON.stringify(planned.next).length).toBeLessThan(520);
    state = planned.next;
    nowMs = planned.wireAt;
    return { wireAt: planned.wireAt, dueAt, askedAt, day: Math.floor((planned.wireAt - linkedAtMs) / dayMs) };
  });
}

/** Day caps written down anew, so that the code's own table is not its judge. */
function allowedOn(policy: PacingPolicy, day: number): number {
  const warmUp = [20, 28, 39, 54, 76, 107, 150, 210, 295, 413];
  const byAge = day >= 90 ? Infinity : day >= 30 ? 750 : ((policy.warmUp ? warmUp[day] : undefined) ?? 500);
  return policy.dayCap === null ? Infinity : Math.min(byAge, policy.dayCap);
}

describe('over any history and any policy', () => {
  test('no 60 seconds hold more than the minute cap, no period more than the day cap, no gap is too short', () => {
    fc.assert(
      fc.property(history(true), (input) => {
        const { policy } = input;
        const sent = replay(input);
        const perDay = new Map<number, number>();
        let oldest = 0;
        for (const [i, { wireAt, day }] of sent.entries()) {
          while ((sent[oldest]?.wireAt ?? wireAt) <= wireAt - 60_000) oldest += 1;
          expect(i - oldest + 1).toBeLessThanOrEqual(policy.perMinute ?? Infinity);
          perDay.set(day, (perDay.get(day) ?? 0) + 1);
          const before = sent[i - 1];
          if (before === undefined) continue;
          const rested = policy.restEvery !== null && i % policy.restEvery === 0;
          expect(wireAt - before.wireAt).toBeGreaterThanOrEqual(policy.gapMs[0] + (rested ? policy.restMs[0] : 0));
        }
        for (const [day, count] of perDay) expect(count).toBeLessThanOrEqual(allowedOn(policy, day));
      }),
      { numRuns: 300 },
    );
  });

  test('a caller that is on time sends exactly when it may, and gaps never exceed their range unless a cap holds', () => {
    fc.assert(
      fc.property(history(false), (input) => {
        const policy = { ...input.policy, perMinute: null, dayCap: null };
        const sent = replay({ ...input, policy });
        for (const [i, { wireAt, dueAt, askedAt }] of sent.entries()) {
          const before = sent[i - 1];
          if (before === undefined) continue;
          if (askedAt < dueAt) expect(wireAt).toBe(dueAt);
          const rested = policy.restEvery !== null && i % policy.restEvery === 0;
          expect(wireAt - before.wireAt).toBeLessThanOrEqual(policy.gapMs[1] + (rested ? policy.restMs[1] : 0));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('a cap delays to the moment it allows again, and never longer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 25 }), fc.nat(50), (perMinute, extra) => {
        const policy: PacingPolicy = { ...defaultPolicy, perMinute, gapMs: [0, 0], restEvery: null, dayCap: null };
        const steps = Array.from({ length: perMinute + extra }, () => ({
          idleMs: 0,
          lateMs: 0,
          textLength: 1,
          reconnect: false,
        }));
        const sent = replay({ policy, ageDays: 0, seed: [0], steps });
        const first = sent[0]?.wireAt ?? 0;
        const last = sent.at(-1)?.wireAt ?? 0;
        expect(last - first).toBe(Math.floor((perMinute + extra - 1) / perMinute) * 60_000);
      }),
    );
  });

  test('claiming the same send twice from one state never gains a send', () => {
    fc.assert(
      fc.property(history(true), fc.nat(5000), (input, laterMs) => {
        const linkedAtMs = 0;
        const nowMs = 50 * dayMs;
        const random = () => input.seed[0] ?? 0;
        const at = { linkedAtMs, textLength: 10, random };
        const first = plan(input.policy, initialPace, { ...at, nowMs });
        const second = plan(input.policy, first.next, { ...at, nowMs: nowMs + laterMs });
        expect(second.wireAt).toBeGreaterThanOrEqual(first.wireAt + input.policy.gapMs[0]);
        expect(second.next.dayCount).toBe(2 - (second.next.day - first.next.day));
      }),
    );
  });
});
