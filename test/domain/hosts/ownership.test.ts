import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  deadAfterMs,
  type HostView,
  heartbeatMs,
  leaseLost,
  leaseMs,
  observe,
  rendezvous,
  secondChoiceAfterMs,
} from '../../../lib/domain/hosts/ownership.ts';

describe('rendezvous', () => {
  const hosts = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 8 });

  test('every host computes the same order, whatever order it lists the hosts in', () => {
    fc.assert(
      fc.property(hosts, fc.string(), (ids, accountId) => {
        const order = rendezvous(ids, accountId);
        expect([...order].sort()).toEqual([...ids].sort());
        expect(rendezvous([...ids].reverse(), accountId)).toEqual(order);
      }),
    );
  });

  test('a host that goes leaves the order of the others as it was', () => {
    fc.assert(
      fc.property(hosts, fc.string(), fc.nat(), (ids, accountId, index) => {
        const gone = ids[index % ids.length];
        const before = rendezvous(ids, accountId).filter((id) => id !== gone);
        expect(
          rendezvous(
            ids.filter((id) => id !== gone),
            accountId,
          ),
        ).toEqual(before);
      }),
    );
  });

  test('accounts spread evenly', () => {
    const first: Record<string, number> = {};
    for (let i = 0; i < 3000; i += 1) {
      const best = rendezvous(['hst_a', 'hst_b', 'hst_c'], `acc_${i}`)[0] ?? 'none';
      first[best] = (first[best] ?? 0) + 1;
    }
    expect(Object.keys(first).sort()).toEqual(['hst_a', 'hst_b', 'hst_c']);
    for (const share of Object.values(first)) expect(share).toBeGreaterThan(900);
  });
});

test('a lease is lost before any observer may call the host dead', () => {
  expect([heartbeatMs, secondChoiceAfterMs, leaseMs, deadAfterMs]).toEqual([3000, 5000, 7000, 10_000]);
  expect(leaseLost(0)).toBe(false);
  expect(leaseLost(6999)).toBe(false);
  expect(leaseLost(7000)).toBe(true);
  expect(leaseLost(Number.NaN)).toBe(true);
});

describe('an observer', () => {
  test('calls a host dead when its counter has stood still for ten seconds of the observer’s clock', () => {
    let view: HostView | undefined;
    const seen: boolean[] = [];
    for (const [counter, nowMs] of [
      [5, 1000],
      [5, 10_999],
      [6, 11_000],
      [6, 20_999],
      [6, 21_000],
      [6, 25_000],
      [7, 26_000],
    ] as const) {
      view = observe(view, counter, nowMs);
      seen.push(view.dead);
    }
    expect(seen).toEqual([false, false, false, false, true, true, false]);
    expect(view).toEqual({ counter: 7, movedAtMs: 26_000, dead: false });
  });

  test('takes a restarted counter for a sign of life', () => {
    expect(observe({ counter: 90, movedAtMs: 0, dead: true }, 1, 50_000).dead).toBe(false);
  });
});
