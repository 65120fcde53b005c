import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultPolicy } from '../../../lib/domain/accounts/pacing.ts';
import { type FeedCandidate, planFeed, windowOf } from '../../../lib/domain/contracts/feed.ts';

const empty = { express: 0, bulk: 0 };
const bulk = (id: string, remaining: number, fedAt?: number): FeedCandidate => ({
  id,
  lane: 'bulk',
  remaining,
  ...(fedAt === undefined ? {} : { fedAt }),
});

test('windows: bulk 50 or ten seconds of the pace, express 5', () => {
  expect(windowOf('bulk', defaultPolicy)).toBe(50);
  expect(windowOf('express', defaultPolicy)).toBe(5);
  expect(windowOf('bulk', undefined)).toBe(500);
  expect(windowOf('express', undefined)).toBe(5);
  const fast = { ...defaultPolicy, gapMs: [100, 100] as [number, number], perMinute: null, restEvery: null };
  expect(windowOf('bulk', fast)).toBe(100);
});

describe('planFeed', () => {
  test.each([
    ['nothing runs', empty, [], []],
    ['one contract gets the window', empty, [bulk('con_a', 1000)], [{ contractId: 'con_a', rows: 50 }]],
    ['the rest of the window', { express: 0, bulk: 47 }, [bulk('con_a', 1000)], [{ contractId: 'con_a', rows: 3 }]],
    ['a full lane gets nothing', { express: 0, bulk: 50 }, [bulk('con_a', 1000)], []],
    ['an overfull lane gets nothing', { express: 0, bulk: 80 }, [bulk('con_a', 1000)], []],
    ['the end of a contract', empty, [bulk('con_a', 7)], [{ contractId: 'con_a', rows: 7 }]],
    ['a contract without rows left gets none', empty, [bulk('con_a', 0)], []],
    [
      'two share equally',
      empty,
      [bulk('con_a', 1000, 1), bulk('con_b', 1000, 2)],
      [
        { contractId: 'con_a', rows: 25 },
        { contractId: 'con_b', rows: 25 },
      ],
    ],
    [
      'what a small one leaves goes to the others',
      empty,
      [bulk('con_a', 1000, 1), bulk('con_b', 3, 2), bulk('con_c', 1000, 3)],
      [
        { contractId: 'con_a', rows: 24 },
        { contractId: 'con_b', rows: 3 },
        { contractId: 'con_c', rows: 23 },
      ],
    ],
    [
      'a single place goes to the one that waited longest',
      { express: 0, bulk: 49 },
      [bulk('con_a', 1000, 5), bulk('con_b', 1000, 4), bulk('con_c', 1000, 6)],
      [{ contractId: 'con_b', rows: 1 }],
    ],
    [
      'one never fed comes first, ties go by id',
      { express: 0, bulk: 48 },
      [bulk('con_c', 9, 1), bulk('con_b', 9), bulk('con_a', 9)],
      [
        { contractId: 'con_a', rows: 1 },
        { contractId: 'con_b', rows: 1 },
      ],
    ],
    [
      'lanes do not share',
      { express: 2, bulk: 40 },
      [bulk('con_a', 1000), { id: 'con_x', lane: 'express', remaining: 1000 }],
      [
        { contractId: 'con_x', rows: 3 },
        { contractId: 'con_a', rows: 10 },
      ],
    ],
  ] as const)('%s', (_, queued, contracts, expected) => {
    expect(planFeed({ queued, contracts, policy: defaultPolicy })).toEqual(expected);
  });

  const candidates = fc.uniqueArray(
    fc.record({
      id: fc.integer({ min: 0, max: 99 }).map((n) => `con_${n}`),
      lane: fc.constantFrom('express' as const, 'bulk' as const),
      remaining: fc.oneof(fc.nat(10), fc.nat(100_000)),
      fedAt: fc.nat(10),
    }),
    { selector: ({ id }) => id, maxLength: 60 },
  );
  const queues = fc.record({ express: fc.nat(8), bulk: fc.nat(60) });

  test('fills the window and never more, and nobody gets two rows fewer than another unless it has no more', () => {
    fc.assert(
      fc.property(candidates, queues, (contracts, queued) => {
        const planned = new Map(
          planFeed({ queued, contracts, policy: defaultPolicy }).map(({ contractId, rows }) => [contractId, rows]),
        );
        for (const [lane, window] of [
          ['express', 5],
          ['bulk', 50],
        ] as const) {
          const own = contracts.filter((contract) => contract.lane === lane);
          const total = own.reduce((sum, { id }) => sum + (planned.get(id) ?? 0), 0);
          const wanted = own.reduce((sum, { remaining }) => sum + remaining, 0);
          expect(total).toBe(Math.min(wanted, Math.max(0, window - queued[lane])));
          const most = Math.max(0, ...own.map(({ id }) => planned.get(id) ?? 0));
          for (const { id, remaining } of own) {
            const rows = planned.get(id) ?? 0;
            expect(rows).toBeLessThanOrEqual(remaining);
            if (rows < remaining) expect(most - rows).toBeLessThanOrEqual(1);
          }
        }
      }),
    );
  });

  test('one after the other every running contract is served, however narrow the window', () => {
    let contracts = Array.from({ length: 12 }, (_, i) => bulk(`con_${i}`, 1000));
    const served = new Set<string>();
    for (let round = 0; round < 12; round += 1) {
      for (const { contractId } of planFeed({ queued: { express: 0, bulk: 49 }, contracts, policy: defaultPolicy })) {
        served.add(contractId);
        contracts = contracts.map((contract) =>
          contract.id === contractId ? { ...contract, fedAt: round } : contract,
        );
      }
    }
    expect(served.size).toBe(12);
  });
});
