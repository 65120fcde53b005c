import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classifyDisconnect, reconnectWaitMs } from '../../../lib/domain/accounts/disconnect.ts';
import { backoffMs } from '../../../lib/domain/backoff.ts';

const context = { linking: false, consecutiveClientErrors: 0, nowMs: 1_000_000 };

describe('each closing reason has its reaction', () => {
  test.each([
    [515, {}, { kind: 'reconnect_now' }],
    [515, { restartedRecently: true }, { kind: 'backoff' }],
    [408, {}, { kind: 'backoff' }],
    [408, { linking: true }, { kind: 'await_user', reason: 'link_timeout' }],
    [428, {}, { kind: 'backoff' }],
    [428, { linking: true }, { kind: 'backoff' }],
    [440, {}, { kind: 'replaced' }],
    [440, { replacedRecently: true }, { kind: 'failed', reason: 'replaced_elsewhere' }],
    [401, {}, { kind: 'logged_out', byUs: false }],
    [401, { loggedOutByUs: true }, { kind: 'logged_out', byUs: true }],
    [402, { expireSec: 3600 }, { kind: 'restricted', untilMs: 4_600_000 }],
    [402, {}, { kind: 'restricted', untilMs: 87_400_000 }],
    [402, { expireSec: 0 }, { kind: 'restricted', untilMs: 87_400_000 }],
    [402, { expireSec: Number.NaN }, { kind: 'restricted', untilMs: 87_400_000 }],
    [403, {}, { kind: 'banned' }],
    [406, {}, { kind: 'banned' }],
    [405, {}, { kind: 'refresh_version' }],
    [405, { versionRefreshed: true }, { kind: 'failed', reason: 'client_outdated' }],
    [411, {}, { kind: 'failed', reason: 'multidevice_mismatch' }],
    [500, {}, { kind: 'backoff' }],
    [501, {}, { kind: 'backoff' }],
    [503, {}, { kind: 'backoff' }],
    [undefined, {}, { kind: 'backoff' }],
    [599, {}, { kind: 'backoff' }],
    [500, { consecutiveClientErrors: 9 }, { kind: 'backoff' }],
  ] as const)('%s %j', (code, more, reaction) => {
    expect(classifyDisconnect(code, { ...context, ...more })).toEqual(reaction);
  });

  test.each([400, 409, 413, 414, 415, 418])('client error %d stops the account at the third in a row', (code) => {
    const react = (consecutiveClientErrors: number) =>
      classifyDisconnect(code, { ...context, consecutiveClientErrors });
    expect(react(0)).toEqual({ kind: 'backoff', clientError: true });
    expect(react(1)).toEqual({ kind: 'backoff', clientError: true });
    expect(react(2)).toEqual({ kind: 'failed', reason: 'client_error' });
  });

  test('only a logout wipes credentials, whatever else comes', () => {
    fc.assert(
      fc.property(fc.option(fc.integer(), { nil: undefined }), fc.boolean(), fc.nat(5), (code, linking, errors) => {
        fc.pre(code !== 401);
        const reaction = classifyDisconnect(code, { linking, consecutiveClientErrors: errors, nowMs: 0 });
        expect(reaction.kind).not.toBe('logged_out');
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
