import { describe, expect, test } from 'vitest';
import { defaultPolicy } from '../../../lib/domain/accounts/pacing.ts';
import {
  type ContractAction,
  type ContractState,
  contractStates,
  countsOf,
  estimatedEndAt,
  finalStatusOf,
  maxInlineRows,
  maxRows,
  move,
  statsOf,
  successRate,
} from '../../../lib/domain/contracts/contract.ts';
import { locateRow, pageSize } from '../../../lib/domain/contracts/pages.ts';
import { type Counter, emptyCounter } from '../../../lib/domain/messages/counter.ts';

const hour = 3_600_000;
const day = 24 * hour;
const counter = (some: Partial<Counter>): Counter => ({ ...emptyCounter, ...some });

describe('moves', () => {
  const legal: Partial<Record<ContractAction, Partial<Record<ContractState, unknown>>>> = {
    start: { PENDING: { ok: true, status: 'IN_PROGRESS' }, PAUSED: { ok: true, status: 'IN_PROGRESS' } },
    pause: { IN_PROGRESS: { ok: true, status: 'PAUSED' } },
    cancel: {
      IMPORTING: { ok: true, status: 'CANCELED', job: 'settle' },
      PENDING: { ok: true, status: 'CANCELED', job: 'settle' },
      IN_PROGRESS: { ok: true, status: 'CANCELED', job: 'settle' },
      PAUSED: { ok: true, status: 'CANCELED', job: 'settle' },
    },
    delete: {
      IMPORTING: { ok: true, status: 'DELETED', job: 'remove' },
      PENDING: { ok: true, status: 'DELETED', job: 'remove' },
      IN_PROGRESS: { ok: true, status: 'DELETED', job: 'remove' },
      PAUSED: { ok: true, status: 'DELETED', job: 'remove' },
      COMPLETED: { ok: true, status: 'DELETED', job: 'remove' },
      CANCELED: { ok: true, status: 'DELETED', job: 'remove' },
      FAILED: { ok: true, status: 'DELETED', job: 'remove' },
    },
    retry: {
      IN_PROGRESS: { ok: true, status: 'IN_PROGRESS', job: 'retry' },
      PAUSED: { ok: true, status: 'PAUSED', job: 'retry' },
      COMPLETED: { ok: true, status: 'IN_PROGRESS', job: 'retry' },
      FAILED: { ok: true, status: 'IN_PROGRESS', job: 'retry' },
    },
    clear: {
      IN_PROGRESS: { ok: true, status: 'IN_PROGRESS', job: 'clear' },
      PAUSED: { ok: true, status: 'PAUSED', job: 'clear' },
      COMPLETED: { ok: true, status: 'COMPLETED', job: 'clear' },
      FAILED: { ok: true, status: 'FAILED', job: 'clear' },
      CANCELED: { ok: true, status: 'CANCELED', job: 'clear' },
    },
    imported: { IMPORTING: { ok: true, status: 'PENDING' } },
  };

  test.each(Object.entries(legal))('%s', (action, outcomes) => {
    for (const status of contractStates) {
      const result = move({ status, totalCount: 10 }, action as ContractAction);
      expect(result, status).toEqual(
        outcomes[status] ?? { ok: false, reason: expect.stringMatching(/^(A|The) contract /) },
      );
    }
  });

  test('an import goes into an empty contract that was not started', () => {
    expect(move({ status: 'PENDING', totalCount: 0 }, 'import')).toEqual({ ok: true, status: 'IMPORTING' });
    expect(move({ status: 'PENDING', totalCount: 1 }, 'import').ok).toBe(false);
    expect(move({ status: 'IMPORTING', totalCount: 0 }, 'import').ok).toBe(false);
  });

  test('a refusal says what the contract is', () => {
    expect(move({ status: 'COMPLETED', totalCount: 3 }, 'pause')).toEqual({
      ok: false,
      reason: 'A contract that is COMPLETED cannot be paused.',
    });
    expect(move({ status: 'PENDING', totalCount: 0 }, 'start')).toEqual({
      ok: false,
      reason: 'The contract has no recipients yet.',
    });
  });

  test('retry and clear wait for the job in progress, cancel and delete replace it', () => {
    const busy = { status: 'IN_PROGRESS', totalCount: 3, job: 'retry' } as const;
    expect(move(busy, 'clear')).toEqual({ ok: false, reason: 'The contract is busy (retry); try again in a moment.' });
    expect(move(busy, 'retry').ok).toBe(false);
    expect(move(busy, 'cancel')).toEqual({ ok: true, status: 'CANCELED', job: 'settle' });
    expect(move(busy, 'delete')).toEqual({ ok: true, status: 'DELETED', job: 'remove' });
    expect(move(busy, 'pause')).toEqual({ ok: true, status: 'PAUSED' });
  });
});

describe('counts', () => {
  const none = { sent: 0, delivered: 0, read: 0, failed: 0, canceled: 0, suppressed: 0, expired: 0 };

  test('a contract not started is pending, apart from what was final at once', () => {
    const contract = { totalCount: 10, fedCount: 0, atOnce: 3 };
    expect(countsOf(contract, counter({ failed: 2, suppressed: 1 }), 0)).toEqual({
      ...none,
      pending: 7,
      queued: 0,
      sending: 0,
      failed: 2,
      suppressed: 1,
    });
  });

  test('a running one has fed rows queued, one sending, and some that came back', () => {
    const contract = { totalCount: 100, fedCount: 60, atOnce: 4 };
    const counted = counter({ sent: 5, delivered: 10, read: 20, failed: 5, backlog: 3 });
    expect(countsOf(contract, counted, 1)).toEqual({
      ...none,
      pending: 39,
      queued: 20,
      sending: 1,
      sent: 5,
      delivered: 10,
      read: 20,
      failed: 5,
    });
    expect(countsOf(contract, counted, 0)).toMatchObject({ pending: 39, queued: 21, sending: 0 });
  });

  test('what was read at different moments is bounded', () => {
    const behind = { totalCount: 10, fedCount: 2, atOnce: 0 };
    expect(countsOf(behind, counter({ sent: 5 }), 1)).toEqual({
      ...none,
      pending: 5,
      queued: 0,
      sending: 0,
      sent: 5,
    });
    const ahead = { totalCount: 10, fedCount: 10, atOnce: 0 };
    expect(countsOf(ahead, counter({ sent: 9, backlog: -4 }), 0)).toEqual({
      ...none,
      pending: 0,
      queued: 1,
      sending: 0,
      sent: 9,
    });
    expect(countsOf(ahead, counter({ sent: 11 }), 1)).toEqual({
      ...none,
      pending: 0,
      queued: 0,
      sending: 0,
      sent: 11,
    });
  });
});

describe('the end of a contract', () => {
  const running = { status: 'IN_PROGRESS', totalCount: 4 } as const;
  test.each([
    [{ sent: 3 }, undefined],
    [{ sent: 1, failed: 3 }, 'COMPLETED'],
    [{ read: 4 }, 'COMPLETED'],
    [{ failed: 4 }, 'FAILED'],
    [{ suppressed: 3, canceled: 1 }, 'FAILED'],
    [{ sent: 3, backlog: 1 }, undefined],
  ] as const)('with %j it is %s', (counted, expected) => {
    expect(finalStatusOf(running, counter(counted))).toBe(expected);
  });

  test('a job in progress or another status keeps it as it is; a pause does not', () => {
    const all = counter({ sent: 4 });
    expect(finalStatusOf({ ...running, job: 'retry' }, all)).toBeUndefined();
    expect(finalStatusOf({ status: 'CANCELED', totalCount: 4 }, all)).toBeUndefined();
    expect(finalStatusOf({ status: 'PENDING', totalCount: 4 }, all)).toBeUndefined();
    expect(finalStatusOf({ status: 'PAUSED', totalCount: 4 }, all)).toBe('COMPLETED');
  });
});

test.each([
  [95, 5, '95.00%'],
  [0, 0, '0.00%'],
  [0, 7, '0.00%'],
  [7, 0, '100.00%'],
  [2, 1, '66.67%'],
])('success rate of %d and %d is %s', (success, failed, expected) => {
  expect(successRate(success, failed)).toBe(expected);
});

test('statistics count success and failure, and the others apart', () => {
  const counted = counter({ sent: 1, delivered: 2, read: 16, failed: 1, suppressed: 3, canceled: 4, expired: 5 });
  expect(statsOf({ status: 'IN_PROGRESS', totalCount: 40 }, counted)).toEqual({
    status: 'IN_PROGRESS',
    total: 40,
    success: 19,
    failed: 1,
    suppressed: 3,
    canceled: 4,
    expired: 5,
    pending: 8,
    successRate: '95.00%',
  });
});

test('a row is found in its page', () => {
  const pages = [{ rows: 500 }, { rows: 0 }, { rows: 3 }];
  expect(locateRow(pages, 0)).toEqual({ page: 0, offset: 0 });
  expect(locateRow(pages, 499)).toEqual({ page: 0, offset: 499 });
  expect(locateRow(pages, 500)).toEqual({ page: 2, offset: 0 });
  expect(locateRow(pages, 502)).toEqual({ page: 2, offset: 2 });
  expect(locateRow(pages, 503)).toBeUndefined();
  expect(locateRow(pages, -1)).toBeUndefined();
  expect(locateRow([], 0)).toBeUndefined();
  expect([pageSize, maxInlineRows, maxRows]).toEqual([500, 5000, 100_000]);
});

describe('the estimated end', () => {
  test('175 messages an hour by default, 50 a second unpaced', () => {
    expect(estimatedEndAt(175, defaultPolicy, 1_000_000)).toBe(1_000_000 + 3_587_500);
    expect(estimatedEndAt(1000, undefined, 1_000_000)).toBe(1_020_000);
    expect(estimatedEndAt(0, defaultPolicy, 1_000_000)).toBe(1_000_000);
  });

  test('counts in the caps of a new account: 20, 28 and 2 on the third day', () => {
    const account = { linkedAtMs: 0, pace: { day: 0, dayCount: 0 } };
    expect(estimatedEndAt(50, defaultPolicy, hour, account)).toBe(2 * day + 2 * 20_500);
    const busy = { linkedAtMs: 0, pace: { day: 0, dayCount: 15 } };
    expect(estimatedEndAt(50, defaultPolicy, hour, busy)).toBe(2 * day + 17 * 20_500);
  });

  test('ends even where a rest is longer than a day', () => {
    const slow = { ...defaultPolicy, restEvery: 1, restMs: [day, day] as [number, number] };
    const end = estimatedEndAt(100_000, slow, 0, { linkedAtMs: 0, pace: { day: 0, dayCount: 0 } });
    expect(end / day).toBeGreaterThan(100_000);
  });
});
