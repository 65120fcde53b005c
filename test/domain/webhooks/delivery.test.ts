import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { sequenceRank } from '../../../lib/domain/events/events.ts';
import { type Delivery, deliveryId, outcomeOf, postpone } from '../../../lib/domain/webhooks/delivery.ts';
import { standardScheduleSec } from '../../../lib/domain/webhooks/schedule.ts';
import { newSigningSecret, secretProblem, signedHeaders } from '../../../lib/domain/webhooks/signature.ts';

const now = 1_800_000_000_000;
const moment = { nowMs: now, random: 0, scheduleSec: standardScheduleSec };
const delivery = (more: Partial<Delivery> = {}): Delivery => ({
  id: 'dlv_1',
  tenantId: 'ten_1',
  endpointId: 'whk_1',
  at: now,
  eventId: 'evt_1',
  eventType: 'message.sent',
  eventAt: now,
  status: 'pending',
  attempts: [],
  slot: 0,
  nextAttemptAt: now,
  ...more,
});

describe('after an attempt', () => {
  it('2xx is delivered, 410 the end', () => {
    expect(outcomeOf(delivery(), { kind: 'delivered' }, moment)).toEqual({ status: 'delivered', slot: 1 });
    expect(outcomeOf(delivery(), { kind: 'gone' }, moment)).toEqual({ status: 'failed', reason: 'gone', slot: 1 });
  });

  it('a failure takes the next place of the schedule, the last one ends it', () => {
    expect(outcomeOf(delivery(), { kind: 'failed' }, moment)).toEqual({
      status: 'pending',
      slot: 1,
      nextAttemptAt: now + 5_000,
    });
    expect(outcomeOf(delivery({ slot: 8 }), { kind: 'failed' }, moment)).toEqual({
      status: 'pending',
      slot: 9,
      nextAttemptAt: now + 86_400_000,
    });
    expect(outcomeOf(delivery({ slot: 9 }), { kind: 'failed' }, moment)).toEqual({
      status: 'failed',
      reason: 'given_up',
      slot: 10,
    });
    expect(outcomeOf(delivery({ once: true }), { kind: 'failed' }, moment)).toMatchObject({ status: 'failed' });
  });

  it('a linking code, which is not in the log, is tried for ten minutes', () => {
    const code = delivery({ data: '{"code":"x"}', slot: 1 });
    expect(outcomeOf(code, { kind: 'failed' }, moment)).toMatchObject({
      status: 'pending',
      nextAttemptAt: now + 300_000,
    });
    const later = { ...moment, nowMs: now + 305_000 };
    const over = { status: 'failed', reason: 'given_up', slot: 3 };
    expect(outcomeOf({ ...code, slot: 2 }, { kind: 'failed' }, later)).toEqual(over);
    expect(postpone({ ...code, slot: 2 }, now + 700_000, later)).toEqual(over);
  });

  it('keeps Retry-After where it asks for more than the schedule', () => {
    const asked = { kind: 'slow_down', retryAfterMs: 60_000 } as const;
    expect(outcomeOf(delivery(), asked, moment)).toMatchObject({ slot: 1, nextAttemptAt: now + 60_000 });
    expect(outcomeOf(delivery({ slot: 3 }), asked, moment)).toMatchObject({ slot: 4, nextAttemptAt: now + 7_200_000 });
  });
});

describe('while the breaker is open', () => {
  it('a short wait costs nothing, a long one a place in the schedule, the last place is kept', () => {
    expect(postpone(delivery(), now + 20_000, moment)).toEqual({
      status: 'pending',
      slot: 0,
      nextAttemptAt: now + 20_000,
    });
    expect(postpone(delivery(), now + 40_000, moment)).toEqual({
      status: 'pending',
      slot: 1,
      nextAttemptAt: now + 40_000,
    });
    expect(postpone(delivery({ slot: 1 }), now + 40_000, moment)).toEqual({
      status: 'pending',
      slot: 2,
      nextAttemptAt: now + 300_000,
    });
    expect(postpone(delivery({ slot: 9 }), now + 300_000, moment)).toEqual({
      status: 'pending',
      slot: 9,
      nextAttemptAt: now + 300_000,
    });
  });

  it('a delivery at a dead endpoint is never given up without an attempt, and comes to an end', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 40, maxLength: 40 }), (waits) => {
        let slot = 0;
        let nowMs = now;
        for (const wait of waits) {
          const left = postpone(delivery({ slot }), nowMs + wait, { ...moment, nowMs });
          expect(left.status).toBe('pending');
          expect(left.nextAttemptAt).toBeGreaterThanOrEqual(nowMs + wait);
          expect(left.slot).toBeLessThanOrEqual(9);
          slot = left.slot;
          nowMs = left.nextAttemptAt ?? nowMs;
        }
      }),
    );
  });
});

describe('ids', () => {
  it('follow from event, endpoint and replay, and tell their time', () => {
    const id = deliveryId(now, 'evt_1', 'whk_1');
    expect(id).toMatch(/^dlv_[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(deliveryId(now, 'evt_1', 'whk_1')).toBe(id);
    const others = [
      deliveryId(now, 'evt_1', 'whk_2'),
      deliveryId(now, 'evt_2', 'whk_1'),
      deliveryId(now, 'evt_1', 'whk_1', 'r'),
    ];
    expect(new Set([id, ...others]).size).toBe(4);
    expect(others.every((other) => other.slice(0, 14) === id.slice(0, 14))).toBe(true);
  });

  it('rank the steps of a message as it lives', () => {
    const steps = ['message.queued', 'message.sent', 'message.delivered', 'message.read'] as const;
    expect(steps.map(sequenceRank)).toEqual(steps.map(sequenceRank).toSorted((a, b) => a - b));
  });
});

describe('signatures', () => {
  const bytes = (n: number) => new Uint8Array(n).map((_, i) => i * 7);

  it('are verified by the official package, each secret for itself', () => {
    const first = newSigningSecret(bytes);
    const second = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
    const atMs = Date.now();
    const headers = signedHeaders({ id: 'evt_1', atMs, body: '{"a":"ü"}' }, [first, second]);
    expect(headers['webhook-timestamp']).toBe(String(Math.floor(atMs / 1000)));
    for (const secret of [first, second]) {
      expect(new Webhook(secret).verify('{"a":"ü"}', headers)).toEqual({ a: 'ü' });
    }
    expect(() => new Webhook(first).verify('{"a":"u"}', headers)).toThrow('No matching signature');
    expect(() => new Webhook(first).verify('{"a":"ü"}', { ...headers, 'webhook-id': 'evt_2' })).toThrow();
  });

  it('with a secret of the tenant use its UTF-8 bytes', () => {
    const secret = 'grüße aus dem geheimen wald';
    const headers = signedHeaders({ id: 'evt_1', atMs: Date.now(), body: '{}' }, [secret]);
    const raw = new Webhook(new Uint8Array(Buffer.from(secret, 'utf8')), { format: 'raw' });
    expect(raw.verify('{}', headers)).toEqual({});
  });

  it.each([
    ['whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3', true],
    ['whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY=', false],
    [`whsec_${Buffer.alloc(64).toString('base64')}`, true],
    [`whsec_${Buffer.alloc(65).toString('base64')}`, false],
    ['whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3!', false],
    ['0123456789abcdef01234567', true],
    ['0123456789abcdef0123456', false],
    ['é'.repeat(12), true],
    ['é'.repeat(11), false],
    ['x'.repeat(257), false],
  ])('the secret %s is good: %s', (secret, good) => {
    expect(secretProblem(secret) === undefined).toBe(good);
  });
});
