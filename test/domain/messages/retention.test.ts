import { describe, expect, it } from 'vitest';
import { stateWithoutItem } from '../../../lib/domain/contracts/row-message.ts';
import type { Message, MessageState } from '../../../lib/domain/messages/message.ts';
import { endsTooSoon, keptAfterMove, mayBeGone } from '../../../lib/domain/messages/retention.ts';
import { messageIn } from '../../factories.ts';

/** 2026-11-20T12:00:00Z. */
const noon = 1_795_176_000_000;
const dayMs = 86_400_000;
const message = (state: MessageState, ttl?: number): Message =>
  messageIn(state, { createdAt: 0, ...(ttl === undefined ? {} : { ttl }) });

describe('a message', () => {
  it.each(['PENDING', 'QUEUED', 'SENDING'] as const)('that is %s has no end', (state) => {
    expect(keptAfterMove(message(state, 5), noon)).toEqual(message(state));
  });

  it.each(['SENT', 'DELIVERED', 'READ', 'FAILED', 'CANCELED', 'SUPPRESSED', 'EXPIRED'] as const)(
    'that becomes %s is kept for 90 days from then on',
    (state) => {
      // 2027-02-18T12:00:00Z.
      expect(keptAfterMove(message(state), noon).ttl).toBe(1_802_952_000);
      expect(keptAfterMove(message(state, 5), noon).ttl).toBe(1_802_952_000);
    },
  );
});

it('a text is put anew where an entry in a lane, kept for 14 days, could outlive it', () => {
  expect(endsTooSoon(undefined, noon)).toBe(true);
  expect(endsTooSoon(noon / 1000 + 14 * 86_400, noon)).toBe(true);
  expect(endsTooSoon(noon / 1000 + 15 * 86_400, noon)).toBe(false);
});

it('results may be gone 90 days after the contract started', () => {
  expect(mayBeGone(undefined, noon)).toBe(false);
  expect(mayBeGone(noon - 90 * dayMs + 1, noon)).toBe(false);
  expect(mayBeGone(noon - 90 * dayMs, noon)).toBe(true);
});

describe('a row without an item', () => {
  const fresh = noon - dayMs;
  const old = noon - 91 * dayMs;
  it.each([
    // Not fed yet, or never: the contract says so, whenever it is asked.
    ['IN_PROGRESS', fresh, { row: 7 }, 'PENDING'],
    ['PAUSED', old, { row: 7 }, 'PENDING'],
    ['PENDING', undefined, { row: 7 }, 'PENDING'],
    ['CANCELED', old, { row: 7, unfedFrom: 6, nextRow: 10, openFrom: 10 }, 'CANCELED'],
    ['FAILED', old, { row: 7 }, 'CANCELED'],
    // In the feed's hands.
    ['IN_PROGRESS', old, { row: 4 }, 'QUEUED'],
    ['CANCELED', fresh, { row: 4 }, 'CANCELED'],
    // Read a moment too early.
    ['IN_PROGRESS', fresh, { row: 1 }, 'QUEUED'],
    // Made once, and ended: nobody knows how.
    ['IN_PROGRESS', old, { row: 1 }, undefined],
    ['PAUSED', old, { row: 1 }, undefined],
    ['COMPLETED', old, { row: 1, nextRow: 10, openFrom: 10 }, undefined],
    ['COMPLETED', fresh, { row: 1, nextRow: 10, openFrom: 10 }, undefined],
    ['CANCELED', old, { row: 1, unfedFrom: 6, nextRow: 10, openFrom: 10 }, undefined],
    // Canceled by a version that did not note where the feed had stopped.
    ['CANCELED', fresh, { row: 7, nextRow: 10, openFrom: 10 }, 'CANCELED'],
    ['CANCELED', undefined, { row: 7, nextRow: 10, openFrom: 10 }, 'CANCELED'],
    ['CANCELED', old, { row: 7, nextRow: 10, openFrom: 10 }, undefined],
  ] as const)(
    'of a contract that is %s, started at %s, with %j is %s',
    (status, startedAt, { row, ...more }, state) => {
      const contract = { status, nextRow: 6, openFrom: 3, ...(startedAt === undefined ? {} : { startedAt }), ...more };
      expect(stateWithoutItem(contract, row, noon)).toBe(state);
    },
  );
});
