import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import {
  type ConnectionPast,
  closeReason,
  followUp,
  reconnectWaitMs,
} from '../../../lib/domain/accounts/disconnect.ts';
import { backoffMs } from '../../../lib/domain/backoff.ts';

const nowMs = 1_000_000;
const linked = { desired: 'connected', status: 'connected', linkedAt: 5 } as const;
const fresh: ConnectionPast = { clientErrors: 0, restartedAtMs: Number.NEGATIVE_INFINITY, clientRenewed: false };

interface Case {
  account?: Partial<Account>;
  past?: Partial<ConnectionPast>;
  expireSec?: number;
}

/** What follows a closing code of WhatsApp's, for an account that was linked long ago. */
function following(code: number | undefined, { account = {}, past = {}, expireSec }: Case = {}) {
  const end = {
    reason: closeReason(code),
    ...(code === undefined ? {} : { code }),
    ...(expireSec === undefined ? {} : { expireSec }),
  };
  return followUp(end, { ...linked, ...account }, { ...fresh, ...past }, nowMs);
}

const halt = (why: object) => ({ kind: 'halt', halt: why });
const linking: Case = { account: { linkedAt: undefined as never } };

describe('each closing reason has its follow-up', () => {
  test.each<[number | undefined, Case, object]>([
    [515, {}, { kind: 'connect' }],
    [515, { past: { restartedAtMs: nowMs - 59_999 } }, { kind: 'retry' }],
    [515, { past: { restartedAtMs: nowMs - 60_000 } }, { kind: 'connect' }],
    [515, { past: { restartedAtMs: nowMs - 1000 }, account: { linkedAt: nowMs - 500 } }, { kind: 'connect' }],
    [408, {}, { kind: 'retry' }],
    [408, linking, halt({ kind: 'link_timeout' })],
    [428, {}, { kind: 'retry' }],
    [428, linking, { kind: 'retry' }],
    [440, {}, { kind: 'take_back' }],
    [440, { account: { replacedAt: nowMs - 600_000 } }, { kind: 'take_back' }],
    [440, { account: { replacedAt: nowMs - 599_999 } }, halt({ kind: 'failed', reason: 'replaced_elsewhere' })],
    [401, {}, halt({ kind: 'logged_out', reason: 'by_whatsapp' })],
    [401, { account: { desired: 'logged_out' } }, halt({ kind: 'logged_out', reason: 'by_request' })],
    [402, { expireSec: 3600 }, halt({ kind: 'restricted', untilMs: 4_600_000 })],
    [402, {}, halt({ kind: 'restricted', untilMs: 87_400_000 })],
    [402, { expireSec: 0 }, halt({ kind: 'restricted', untilMs: 87_400_000 })],
    [402, { expireSec: Number.NaN }, halt({ kind: 'restricted', untilMs: 87_400_000 })],
    [403, {}, halt({ kind: 'banned', code: 403 })],
    [406, {}, halt({ kind: 'banned', code: 406 })],
    [405, {}, { kind: 'renew_client' }],
    [405, { past: { clientRenewed: true } }, halt({ kind: 'failed', reason: 'client_outdated' })],
    [411, {}, halt({ kind: 'failed', reason: 'multidevice_mismatch' })],
    [500, {}, { kind: 'retry' }],
    [501, {}, { kind: 'retry' }],
    [503, {}, { kind: 'retry' }],
    [undefined, {}, { kind: 'retry' }],
    [599, {}, { kind: 'retry' }],
    [500, { past: { clientErrors: 9 } }, { kind: 'retry' }],
  ])('%s %j', (code, more, next) => {
    expect(following(code, more)).toEqual(next);
  });

  test.each([400, 409, 413, 414, 415, 418])('client error %d stops the account at the third in a row', (code) => {
    expect(following(code)).toEqual({ kind: 'retry' });
    expect(following(code, { past: { clientErrors: 1 } })).toEqual({ kind: 'retry' });
    expect(following(code, { past: { clientErrors: 2 } })).toEqual(halt({ kind: 'failed', reason: 'client_error' }));
  });

  test.each<[number, object]>([
    [403, { kind: 'logged_out', reason: 'by_whatsapp' }],
    [411, { kind: 'logged_out', reason: 'by_request' }],
  ])('an account that is deleted is logged out by %d', (code, why) => {
    expect(following(code, { account: { deletedAt: 1 } })).toEqual(halt(why));
  });

  test.each([515, 428, 401])('an account with a number to confirm rests after %d', (code) => {
    expect(following(code, { account: { linkedNumber: '79990000002' } })).toEqual({ kind: 'rest' });
  });

  test('only a logout wipes credentials, whatever else comes', () => {
    fc.assert(
      fc.property(fc.option(fc.integer(), { nil: undefined }), fc.boolean(), fc.nat(5), (code, isNew, clientErrors) => {
        fc.pre(code !== 401);
        const next = following(code, { ...(isNew ? linking : {}), past: { clientErrors } });
        expect(next).not.toMatchObject(halt({ kind: 'logged_out' }));
      }),
    );
  });
});

describe('backoff', () => {
  test.each([
    [0, 2000],
    [1, 2000],
    [2, 4000],
    [3, 8000],
    [4, 16_000],
    [5, 32_000],
    [6, 60_000],
    [10, 60_000],
    [11, 600_000],
    [5000, 600_000],
  ])('attempt %d waits %d ms at least', (attempt, waitMs) => {
    expect(reconnectWaitMs(attempt, { random: () => 0 })).toBe(waitMs);
  });

  test('jitter is below a second, past the tenth attempt the wait ends within 30 minutes', () => {
    expect(reconnectWaitMs(1, { random: () => 0.9999 })).toBe(2999);
    expect(reconnectWaitMs(10, { random: () => 0.9999 })).toBe(60_999);
    expect(reconnectWaitMs(11, { random: () => 0.5 })).toBe(1_200_000);
    expect(reconnectWaitMs(99, { random: () => 0.9999 })).toBe(1_799_880);
  });

  test('the base can be set', () => {
    expect(reconnectWaitMs(1, { baseMs: 5000, random: () => 0 })).toBe(5000);
    expect([0, 1, 2].map((retry) => backoffMs(retry, { baseMs: 5000, capMs: 7000 }))).toEqual([5000, 7000, 7000]);
  });
});
