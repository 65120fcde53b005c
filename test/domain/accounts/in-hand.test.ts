import { describe, expect, it } from 'vitest';
import { inHandOf, inHandOfContract, type Named, storedInHand } from '../../../lib/domain/accounts/in-hand.ts';

const named = (n: number): Named => ({ messageId: `msg_${n}`, contractId: `con_${n % 2}`, nonce: `n${n}` });
const unique = () => 'tag';

describe('what is in hand is stored', () => {
  it('not at all where there is nothing', () => {
    expect(storedInHand([], unique)).toBeUndefined();
    expect(inHandOf({})).toEqual([]);
  });

  it('as ever where it is one message', () => {
    expect(storedInHand([named(1)], unique)).toEqual({ messageId: 'msg_1', contractId: 'con_1', nonce: 'n1' });
  });

  it('with a nonce of this writing where there are several', () => {
    expect(storedInHand([named(1), named(2)], unique)).toEqual({
      nonce: 'tag',
      messages: [
        { m: 'msg_1', c: 'con_1', n: 'n1' },
        { m: 'msg_2', c: 'con_0', n: 'n2' },
      ],
    });
  });

  it.each([0, 1, 2, 25])('so that %i messages are read as they were', (count) => {
    const all = Array.from({ length: count }, (_, n) => named(n));
    expect(inHandOf({ inHand: storedInHand(all, unique) })).toEqual(all);
  });
});

it('what an earlier version stored is read, with and without the mark of its release', () => {
  const before = { messageId: 'msg_1', contractId: 'con_1', nonce: 'n1' };
  expect(inHandOf({ inHand: before })).toEqual([before]);
  expect(inHandOf({ inHand: { ...before, released: true } })).toEqual([before]);
});

it('a message without a contract is stored and read without one', () => {
  const single = { messageId: 'msg_1', nonce: 'n1' };
  expect(storedInHand([single], unique)).toEqual(single);
  const several = storedInHand([single, named(2)], unique);
  expect(inHandOf({ inHand: several })).toEqual([single, named(2)]);
});

it('messages of one contract are counted', () => {
  const inHand = storedInHand([named(1), named(2), named(3)], unique);
  expect(inHandOfContract({ inHand }, 'con_1')).toBe(2);
  expect(inHandOfContract({ inHand }, 'con_9')).toBe(0);
  expect(inHandOfContract({}, 'con_1')).toBe(0);
  expect(inHandOfContract(undefined, 'con_1')).toBe(0);
});
