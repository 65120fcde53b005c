import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countsOf, finalStatusOf } from '../../../lib/domain/contracts/contract.ts';
import { addCounter, type Counter, emptyCounter } from '../../../lib/domain/messages/counter.ts';
import { canMove, counterDelta, type MessageState, messageStates } from '../../../lib/domain/messages/message.ts';

/** A contract kept row by row, beside the numbers the table keeps of it. */
interface Model {
  rows: (MessageState | 'UNFED')[];
  contract: { totalCount: number; fedCount: number; atOnce: number };
  counter: Counter;
}

type Step = { kind: 'feed'; rows: number } | { kind: 'move'; row: number; choice: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('feed' as const), rows: fc.integer({ min: 1, max: 5 }) }) },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('move' as const), row: fc.nat(19), choice: fc.nat(9) }),
    },
  ),
  { maxLength: 150, size: 'max' },
);

function created(skips: boolean[]): Model {
  const atOnce = skips.filter(Boolean).length;
  return {
    rows: skips.map((skip) => (skip ? 'FAILED' : 'UNFED')),
    contract: { totalCount: skips.length, fedCount: 0, atOnce },
    counter: { ...emptyCounter, failed: atOnce },
  };
}

function apply(model: Model, step: Step, atOnce: boolean[]): void {
  const { rows, contract } = model;
  if (step.kind === 'feed') {
    for (let fed = 0; fed < step.rows; fed += 1) {
      const row = rows.indexOf('UNFED');
      if (row < 0) return;
      rows[row] = 'QUEUED';
      contract.fedCount += 1;
    }
    return;
  }
  const state = rows[step.row % rows.length];
  // Rows final at once are skipped by retry-failed; one account sends one message at a time.
  if (state === undefined || state === 'UNFED' || atOnce[step.row % rows.length] === true) return;
  const next = messageStates.filter((to) => canMove(state, to) && !(to === 'SENDING' && rows.includes('SENDING')));
  const to = next[step.choice % Math.max(1, next.length)];
  if (to === undefined) return;
  rows[step.row % rows.length] = to;
  model.counter = addCounter(model.counter, counterDelta(state, to));
}

test('after any legal sequence the derived counts are those of the rows, and add up to the total', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), steps, (skips, sequence) => {
      const model = created(skips);
      for (const step of sequence) {
        apply(model, step, skips);
        const count = (...states: string[]) => model.rows.filter((state) => states.includes(state)).length;
        const counts = countsOf(model.contract, model.counter, Number(model.rows.includes('SENDING')));
        expect(counts).toEqual({
          pending: count('UNFED', 'PENDING'),
          queued: count('QUEUED'),
          sending: count('SENDING'),
          sent: count('SENT'),
          delivered: count('DELIVERED'),
          read: count('READ'),
          failed: count('FAILED'),
          canceled: count('CANCELED'),
          suppressed: count('SUPPRESSED'),
          expired: count('EXPIRED'),
        });
        expect(Object.values(counts).reduce((sum, n) => sum + n, 0)).toBe(skips.length);
        const open = count('UNFED', 'PENDING', 'QUEUED', 'SENDING');
        const success = count('SENT', 'DELIVERED', 'READ');
        const expected = open > 0 ? undefined : success > 0 ? 'COMPLETED' : 'FAILED';
        expect(finalStatusOf({ status: 'IN_PROGRESS', totalCount: skips.length }, model.counter)).toBe(expected);
      }
    }),
    { numRuns: 150 },
  );
});

test('counts read at any two moments are never negative and never more than the total', () => {
  const small = fc.nat(30);
  const anyCounter: fc.Arbitrary<Counter> = fc.record({
    sent: small,
    delivered: small,
    read: small,
    failed: small,
    canceled: small,
    suppressed: small,
    expired: small,
    backlog: fc.integer({ min: -5, max: 30 }),
  });
  fc.assert(
    fc.property(small, small, small, anyCounter, small, (totalCount, fedCount, atOnce, counter, sending) => {
      const counts = countsOf({ totalCount, fedCount, atOnce }, counter, sending);
      for (const n of Object.values(counts)) expect(n).toBeGreaterThanOrEqual(0);
      expect(counts.pending + counts.queued + counts.sending).toBeLessThanOrEqual(totalCount);
    }),
  );
});
