import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classify, readRetryAfter, responseText } from '../../../lib/domain/webhooks/answer.ts';
import { admit, type Health, isFailingForTooLong, tripAfter } from '../../../lib/domain/webhooks/breaker.ts';
import { type Endpoint, groupOf, rotated, signingSecrets, wants } from '../../../lib/domain/webhooks/endpoint.ts';
import { endpointView } from '../../../lib/domain/webhooks/endpoint-view.ts';
import { standardScheduleSec, waitMs } from '../../../lib/domain/webhooks/schedule.ts';

const endpoint = (more: Partial<Endpoint> = {}): Endpoint => ({
  id: 'whk_1',
  tenantId: 'ten_1',
  name: 'one',
  url: 'https://example.com/',
  events: ['message'],
  ordered: false,
  active: true,
  secrets: [{ secret: 'whsec_x' }],
  createdAt: 0,
  ...more,
});
const now = 1_800_000_000_000;

describe('what an endpoint wants', () => {
  it.each([
    [['message'], 'message.sent', true],
    [['message.sent'], 'message.sent', true],
    [['message.sent'], 'message.read', false],
    [['account'], 'message.sent', false],
    [['contract', 'message.read'], 'message.read', true],
  ] as const)('%j: %s is %s', (events, type, expected) => {
    expect(wants(endpoint({ events: [...events] }), { type })).toBe(expected);
  });

  it('is nothing while it is not active, and only its accounts where it names some', () => {
    expect(wants(endpoint({ active: false }), { type: 'message.sent' })).toBe(false);
    const one = endpoint({ accountIds: ['acc_1'] });
    expect(wants(one, { type: 'message.sent', accountId: 'acc_1' })).toBe(true);
    expect(wants(one, { type: 'message.sent', accountId: 'acc_2' })).toBe(false);
    expect(wants(one, { type: 'message.sent' })).toBe(false);
  });
});

describe('answers', () => {
  it.each([
    [200, 'delivered'],
    [204, 'delivered'],
    [299, 'delivered'],
    [199, 'failed'],
    [301, 'failed'],
    [302, 'failed'],
    [304, 'failed'],
    [400, 'failed'],
    [401, 'failed'],
    [404, 'failed'],
    [410, 'gone'],
    [429, 'slow_down'],
    [500, 'failed'],
    [502, 'slow_down'],
    [503, 'failed'],
    [504, 'slow_down'],
    [null, 'failed'],
  ])('%s is %s', (status, kind) => {
    expect(classify(status, undefined, now).kind).toBe(kind);
  });

  it.each([
    ['120', 120_000],
    [' 5 ', 5_000],
    ['0', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
    ['999999999', 86_400_000],
    [new Date(now + 90_000).toUTCString(), 90_000],
    [new Date(now - 90_000).toUTCString(), undefined],
    ['2027', 2_027_000],
  ])('Retry-After %j is %s ms', (value, expected) => {
    expect(readRetryAfter(value, now)).toBe(expected);
  });

  it('keeps the first KB as text, whatever it is', () => {
    expect(responseText(new Uint8Array())).toBeNull();
    expect(responseText(Buffer.from('é'.repeat(600)))).toBe('é'.repeat(512));
    // A character cut in two is left out.
    expect(responseText(Buffer.from(`a${'é'.repeat(600)}`))).toBe(`a${'é'.repeat(511)}`);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (body) => {
        expect(Buffer.byteLength(responseText(body) ?? '')).toBeLessThanOrEqual(1024);
      }),
    );
  });
});

describe('the schedule', () => {
  it('is ten attempts with waits that grow, never shorter than planned, at most a tenth longer', () => {
    expect(standardScheduleSec).toEqual([0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
    expect(waitMs(standardScheduleSec, 0, 0.9)).toBe(0);
    expect(waitMs(standardScheduleSec, 1, 0)).toBe(5_000);
    expect(waitMs(standardScheduleSec, 2, 0.5)).toBe(315_000);
    expect(waitMs(standardScheduleSec, 10, 0)).toBeUndefined();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9 }), fc.double({ min: 0, max: 0.999999, noNaN: true }), (slot, random) => {
        const planned = (standardScheduleSec[slot] ?? 0) * 1000;
        const wait = waitMs(standardScheduleSec, slot, random) ?? -1;
        expect(wait).toBeGreaterThanOrEqual(planned);
        expect(wait).toBeLessThanOrEqual(planned * 1.1);
      }),
    );
  });
});

describe('the breaker', () => {
  const failing = (more: Partial<Health>): Health => ({ failingSince: now - 1000, failures: 1, trips: 0, ...more });
  const failure = { startedAt: now - 100, nowMs: now, slowDown: false, random: 0 };

  it('opens with the fifth failure in a row', () => {
    expect(tripAfter(failing({ failures: 4 }), failure)).toBeUndefined();
    expect(tripAfter(failing({ failures: 5 }), failure)).toEqual({ openUntil: now + 5_000, trips: 1 });
  });

  it('opens at once for who asks to slow down, for as long as it says', () => {
    expect(tripAfter(failing({}), { ...failure, slowDown: true })).toEqual({ openUntil: now + 5_000, trips: 1 });
    const asked = { ...failure, slowDown: true, retryAfterMs: 120_000 };
    expect(tripAfter(failing({}), asked)).toEqual({ openUntil: now + 120_000, trips: 1 });
    // Said by another request that was under way: the later of both holds.
    expect(tripAfter(failing({ openUntil: now + 5_000, trips: 1 }), asked)).toEqual({
      openUntil: now + 120_000,
      trips: 1,
    });
  });

  it('is not opened wider by requests that were under way when it opened', () => {
    expect(tripAfter(failing({ failures: 9, openUntil: now + 4_000, trips: 1 }), failure)).toBeUndefined();
  });

  it('opens for twice as long after each failed probe, five minutes at most', () => {
    let health = failing({ failures: 5 });
    const opens: number[] = [];
    for (let probe = 0; probe < 9; probe++) {
      const trip = tripAfter(health, { ...failure, startedAt: (health.openUntil ?? now) + 1 });
      opens.push((trip?.openUntil ?? 0) - now);
      health = { ...health, ...trip, failures: health.failures + 1 };
    }
    expect(opens).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
  });

  it('lets one probe through when its time is over', () => {
    expect(admit(undefined, now)).toEqual({ kind: 'go' });
    expect(admit(failing({ failures: 4 }), now)).toEqual({ kind: 'go' });
    expect(admit(failing({ openUntil: now + 1 }), now)).toEqual({ kind: 'wait', until: now + 1 });
    expect(admit(failing({ openUntil: now }), now)).toEqual({ kind: 'probe' });
    expect(admit(failing({ openUntil: now - 1, probeUntil: now + 9 }), now)).toEqual({ kind: 'wait', until: now + 9 });
    expect(admit(failing({ openUntil: now - 1, probeUntil: now }), now)).toEqual({ kind: 'probe' });
  });

  it('has failed for too long after five days', () => {
    expect(isFailingForTooLong(failing({ failingSince: now - 432_000_000 + 1 }), now)).toBe(false);
    expect(isFailingForTooLong(failing({ failingSince: now - 432_000_000 }), now)).toBe(true);
  });
});

describe('secrets and groups', () => {
  it('a rotation keeps the old secret for 24 h, and those before it for as long as they had', () => {
    const once = rotated([{ secret: 'a' }], 'b', now);
    expect(once).toEqual([{ secret: 'b' }, { secret: 'a', until: now + 86_400_000 }]);
    const twice = rotated(once, 'c', now + 3_600_000);
    expect(twice).toEqual([
      { secret: 'c' },
      { secret: 'b', until: now + 90_000_000 },
      { secret: 'a', until: now + 86_400_000 },
    ]);
    expect(signingSecrets({ secrets: twice }, now + 86_400_000)).toEqual(['c', 'b']);
    expect(rotated(twice, 'd', now + 90_000_000)).toEqual([{ secret: 'd' }, { secret: 'c', until: now + 176_400_000 }]);
    expect(rotated([{ secret: 'a' }], 'a', now)).toEqual([{ secret: 'a' }]);
    let many = [{ secret: '0' }];
    for (let i = 1; i < 20; i++) many = rotated(many, String(i), now);
    expect(many).toHaveLength(5);
  });

  it('a chat has one group of four, a limited endpoint one group', () => {
    const groups = new Set(Array.from({ length: 200 }, (_, i) => groupOf({}, { eventId: `evt_${i}` })));
    expect([...groups].sort()).toEqual([0, 1, 2, 3]);
    expect(new Set(Array.from({ length: 50 }, (_, i) => groupOf({}, { chat: '7999', eventId: `evt_${i}` }))).size).toBe(
      1,
    );
    expect(groupOf({ rateLimitPerSec: 5 }, { eventId: 'evt_1' })).toBe(0);
  });

  it('what is shown of an endpoint holds neither secrets nor what its headers say', () => {
    const shown = endpointView(endpoint({ headers: { Authorization: 'hush' }, secrets: [{ secret: 'hush' }] }));
    expect(JSON.stringify(shown)).not.toContain('hush');
    expect(shown.headers).toEqual({ Authorization: '***' });
  });
});
