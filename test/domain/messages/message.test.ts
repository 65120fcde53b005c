import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyReceipt,
  canMove,
  counterDelta,
  isFinal,
  isSuccess,
  type MessageState,
  messageStates,
} from '../../../lib/domain/messages/message.ts';

const legal: [MessageState, MessageState, Record<string, number>][] = [
  ['PENDING', 'QUEUED', { backlog: -1 }],
  ['PENDING', 'CANCELED', { backlog: -1, canceled: 1 }],
  ['PENDING', 'SUPPRESSED', { backlog: -1, suppressed: 1 }],
  ['PENDING', 'EXPIRED', { backlog: -1, expired: 1 }],
  ['PENDING', 'DELIVERED', { backlog: -1, delivered: 1 }],
  ['PENDING', 'READ', { backlog: -1, read: 1 }],
  ['PENDING', 'FAILED', { backlog: -1, failed: 1 }],
  ['QUEUED', 'DELIVERED', { delivered: 1 }],
  ['QUEUED', 'READ', { read: 1 }],
  ['QUEUED', 'FAILED', { failed: 1 }],
  ['QUEUED', 'SENDING', {}],
  ['QUEUED', 'PENDING', { backlog: 1 }],
  ['QUEUED', 'CANCELED', { canceled: 1 }],
  ['QUEUED', 'SUPPRESSED', { suppressed: 1 }],
  ['QUEUED', 'EXPIRED', { expired: 1 }],
  ['SENDING', 'SENT', { sent: 1 }],
  ['SENDING', 'DELIVERED', { delivered: 1 }],
  ['SENDING', 'READ', { read: 1 }],
  ['SENDING', 'PENDING', { backlog: 1 }],
  ['SENDING', 'FAILED', { failed: 1 }],
  ['SENT', 'DELIVERED', { sent: -1, delivered: 1 }],
  ['SENT', 'READ', { sent: -1, read: 1 }],
  ['DELIVERED', 'READ', { delivered: -1, read: 1 }],
  ['FAILED', 'PENDING', { failed: -1, backlog: 1 }],
];

test.each(legal)('%s -> %s is legal and counts %j', (from, to, delta) => {
  expect(canMove(from, to)).toBe(true);
  expect(counterDelta(from, to)).toEqual(delta);
});

test('every other move is illegal and cannot be counted', () => {
  const allowed = new Set(legal.map(([from, to]) => `${from} ${to}`));
  let illegal = 0;
  for (const from of messageStates) {
    for (const to of messageStates) {
      if (allowed.has(`${from} ${to}`)) continue;
      illegal += 1;
      expect(canMove(from, to), `${from} -> ${to}`).toBe(false);
      expect(() => counterDelta(from, to)).toThrow(`a message cannot go from ${from} to ${to}`);
    }
  }
  expect(illegal).toBe(76);
});

describe('receipts only move forward', () => {
  test.each([
    ['SENDING', 'delivered', 'DELIVERED'],
    ['SENDING', 'read', 'READ'],
    ['SENT', 'delivered', 'DELIVERED'],
    ['SENT', 'read', 'READ'],
    ['DELIVERED', 'delivered', undefined],
    ['DELIVERED', 'read', 'READ'],
    ['READ', 'delivered', undefined],
    ['READ', 'read', undefined],
    ['PENDING', 'delivered', 'DELIVERED'],
    ['QUEUED', 'read', 'READ'],
    ['FAILED', 'delivered', undefined],
    ['CANCELED', 'read', undefined],
  ] as const)('%s and %s: %s', (state, receipt, expected) => {
    expect(applyReceipt(state, receipt)).toBe(expected);
  });
});

test.each([
  ['PENDING', false, false],
  ['QUEUED', false, false],
  ['SENDING', false, false],
  ['SENT', true, true],
  ['DELIVERED', true, true],
  ['READ', true, true],
  ['FAILED', true, false],
  ['CANCELED', true, false],
  ['SUPPRESSED', true, false],
  ['EXPIRED', true, false],
] as const)('%s: final %s, success %s', (state, final, success) => {
  expect(isFinal(state)).toBe(final);
  expect(isSuccess(state)).toBe(success);
});

test('along any path the counter holds the present state only', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 30 }), (choices) => {
      let state: MessageState = 'QUEUED';
      const counter: Record<string, number> = {};
      for (const choice of choices) {
        const next = messageStates.filter((to) => canMove(state, to));
        const to = next[choice % Math.max(1, next.length)];
        if (to === undefined) break;
        for (const [field, n] of Object.entries(counterDelta(state, to))) counter[field] = (counter[field] ?? 0) + n;
        state = to;
      }
      const standing = Object.entries(counter).filter(([, n]) => n !== 0);
      if (state === 'QUEUED' || state === 'SENDING') expect(standing).toEqual([]);
      else expect(standing).toEqual([[state === 'PENDING' ? 'backlog' : state.toLowerCase(), 1]]);
    }),
  );
});
