import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { disableEndpoint } from '../../lib/aws/webhooks/endpoints.ts';
import type { Receiver } from './receiver.ts';
import { otherTenant, signingSecret, startWorld, type World } from './world.ts';

let world: World;
let receiver: Receiver;
beforeAll(async () => {
  world = await startWorld({ factor: 1 });
});
afterAll(() => world.stop());
beforeEach(() => world.newTenant());
afterEach(() => expect(world.failures).toEqual([]));

const hour = 3_600_000;

describe('an endpoint that answers', () => {
  it('gets a signed POST of type, timestamp and data, once', async () => {
    receiver = await world.receiver();
    const endpoint = await world.endpoint(receiver.url, { headers: { 'X-Env': 'prod' } });
    const event = world.event('first');
    await world.publish([event]);
    await world.publish([event]);
    await world.runOut();

    expect(receiver.requests).toHaveLength(1);
    const [request] = receiver.requests;
    expect(request).toMatchObject({
      id: event.id,
      verified: true,
      headers: { 'x-env': 'prod', 'content-type': 'application/json', 'user-agent': 'Paceline/test' },
      body: { type: 'message.sent', timestamp: new Date(event.at).toISOString(), data: { message: { name: 'first' } } },
    });
    expect(Object.keys(request?.body ?? {})).toEqual(['type', 'timestamp', 'data']);
    const [delivery] = await world.deliveries(endpoint);
    expect(delivery).toMatchObject({
      eventId: event.id,
      eventType: 'message.sent',
      status: 'delivered',
      attempts: [{ status: 200, response: 'thanks' }],
    });
    expect(delivery).not.toHaveProperty('nextAttemptAt');
  });

  it('is asked for its groups, its types and its accounts only, and never for another tenant', async () => {
    receiver = await world.receiver();
    await world.endpoint(receiver.url, { events: ['account', 'message.read'], accountIds: ['acc_1'] });
    await world.publish([
      world.event('a', { type: 'account.connected', accountId: 'acc_1' }),
      world.event('b', { type: 'account.connected', accountId: 'acc_2' }),
      world.event('c', { type: 'message.sent', accountId: 'acc_1' }),
      world.event('d', { type: 'message.read', accountId: 'acc_1' }),
      world.event('e', { type: 'message.read' }),
      world.event('f', { type: 'message.read', accountId: 'acc_1', tenantId: otherTenant }),
    ]);
    await world.runOut();
    expect(receiver.requests.map(({ body }) => body.type).sort()).toEqual(['account.connected', 'message.read']);
  });

  it('is given both signatures while its secret changes, and secrets of its own as their bytes', async () => {
    const old = await world.receiver();
    const own = 'a secret of my own, 24 bytes or more: é';
    await world.endpoint(old.url, {
      secrets: [{ secret: own }, { secret: signingSecret, until: world.clock.nowMs() + hour }],
    });
    const fresh = await world.receiver({ secret: own, raw: true });
    // The package reads a string as Latin-1: the bytes are those of UTF-8 only up to ASCII.
    const ascii = 'a secret of my own, long enough';
    const plain = await world.receiver({ secret: ascii, raw: true });
    await world.endpoint(plain.url, { secrets: [{ secret: ascii }] });
    const expired = await world.receiver();
    await world.endpoint(expired.url, {
      secrets: [{ secret: ascii }, { secret: signingSecret, until: world.clock.nowMs() - 1 }],
    });
    await world.publish([world.event('rotating')]);
    await world.runOut();
    expect(old.requests.map(({ verified }) => verified)).toEqual([true]);
    expect(old.requests[0]?.headers['webhook-signature']?.split(' ')).toHaveLength(2);
    expect(plain.requests.map(({ verified }) => verified)).toEqual([true]);
    expect(expired.requests.map(({ verified }) => verified)).toEqual([false]);
    await fresh.stop();
  });
});

describe('an endpoint that fails', () => {
  it('500: is asked ten times by the schedule, then given up', async () => {
    receiver = await world.receiver();
    receiver.behave(() => ({ status: 500, body: 'x'.repeat(5000) }));
    const endpoint = await world.endpoint(receiver.url);
    const event = world.event('500');
    await world.publish([event]);
    await world.runOut();

    const [delivery] = await world.deliveries(endpoint);
    expect(delivery).toMatchObject({ status: 'failed', reason: 'given_up' });
    expect(delivery?.attempts).toHaveLength(10);
    expect(delivery?.attempts[0]).toMatchObject({ status: 500, response: 'x'.repeat(1024) });
    const gapsSec = receiver.requests.slice(1).map(({ at }, i) => (at - (receiver.requests[i]?.at ?? 0)) / 1000);
    const planned = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
    for (const [index, gap] of gapsSec.entries()) {
      expect(gap).toBeGreaterThanOrEqual(planned[index] ?? 0);
      expect(gap).toBeLessThan((planned[index] ?? 0) + 10);
    }
    expect(new Set(receiver.requests.map(({ id }) => id))).toEqual(new Set([event.id]));
    expect(receiver.requests.every(({ verified }) => verified)).toBe(true);
  });

  it('down for a while: everything arrives once it is back', async () => {
    receiver = await world.receiver();
    const backAt = world.clock.nowMs() + 20_000;
    receiver.behave(() => (world.clock.nowMs() < backAt ? 'reset' : { status: 204 }));
    const endpoint = await world.endpoint(receiver.url);
    await world.publish(Array.from({ length: 30 }, (_, i) => world.event(`down ${i}`)));
    await world.runOut(backAt + 10 * 60_000);
    const deliveries = await world.deliveries(endpoint);
    expect(deliveries.map(({ status }) => status)).toEqual(Array(30).fill('delivered'));
    expect(
      deliveries.flatMap(({ attempts }) => attempts).filter(({ error }) => error === 'reset').length,
    ).toBeGreaterThan(0);
    // The breaker kept most of the thirty from being tried in vain.
    expect(receiver.requests.length).toBeLessThan(30 + 20);
  });

  it('302: is a failure, and where it leads is never asked', async () => {
    const private_ = await world.receiver();
    receiver = await world.receiver();
    receiver.behave(() => ({ status: 302, headers: { location: private_.url } }));
    const endpoint = await world.endpoint(receiver.url);
    await world.publish([world.event('302')]);
    await world.runOut(world.clock.nowMs() + 1000);
    expect(receiver.requests).toHaveLength(1);
    expect(private_.requests).toHaveLength(0);
    const [delivery] = await world.deliveries(endpoint);
    expect(delivery).toMatchObject({ status: 'pending', attempts: [{ status: 302 }] });
    await world.runOut();
  });

  it('410: is disabled at once, and what waits for it fails with that reason', async () => {
    receiver = await world.receiver();
    receiver.behave((_, count) => ({ status: count === 1 ? 500 : 410 }));
    const endpoint = await world.endpoint(receiver.url);
    await world.publish([world.event('before')]);
    await world.runOut(world.clock.nowMs());
    await world.publish([world.event('gone')]);
    await world.runOut();
    expect(await world.read(endpoint)).toMatchObject({ active: false, disabledReason: 'gone' });
    const deliveries = await world.deliveries(endpoint);
    expect(deliveries.map(({ status, reason }) => [status, reason])).toEqual([
      ['failed', 'gone'],
      ['failed', 'endpoint_disabled'],
    ]);
    expect(receiver.requests).toHaveLength(2);
    await world.publish([world.event('after')]);
    expect(await world.deliveries(endpoint)).toHaveLength(2);
  });

  it('429: is left alone for as long as it asked, all of it', async () => {
    receiver = await world.receiver();
    const startMs = world.clock.nowMs();
    receiver.behave((_, count) => (count === 1 ? { status: 429, headers: { 'retry-after': '120' } } : { status: 200 }));
    const endpoint = await world.endpoint(receiver.url);
    await world.publish([world.event('limited')]);
    await world.runOut(startMs + 1_000);
    await world.publish([world.event('limited too')]);
    await world.runOut(startMs + 110_000);
    expect(receiver.requests).toHaveLength(1);
    await world.runOut();
    const deliveries = await world.deliveries(endpoint);
    expect(deliveries.map(({ status, attempts }) => [status, attempts.length])).toEqual([
      ['delivered', 1],
      ['delivered', 2],
    ]);
    for (const { at } of receiver.requests.slice(1)) expect(at - startMs).toBeGreaterThanOrEqual(120_000);
  });

  it('failing for five days: is disabled', async () => {
    receiver = await world.receiver();
    receiver.behave(() => ({ status: 503 }));
    const endpoint = await world.endpoint(receiver.url);
    const startMs = world.clock.nowMs();
    for (let day = 1; day <= 6; day++) {
      await world.publish([world.event(`day ${day}`)]);
      await world.runOut(startMs + day * 24 * hour);
      world.clock.jumpTo(startMs + day * 24 * hour);
      if (day === 4) expect(await world.read(endpoint)).toMatchObject({ active: true });
    }
    expect(await world.read(endpoint)).toMatchObject({ active: false, disabledReason: 'failing' });
    await world.runOut();
  });

  it('deleted or disabled by its tenant: is not asked any more', async () => {
    receiver = await world.receiver();
    receiver.behave(() => ({ status: 500 }));
    const endpoint = await world.endpoint(receiver.url);
    await world.publish([world.event('then disabled')]);
    await world.runOut(world.clock.nowMs());
    await disableEndpoint(world.table, endpoint, 'failing', world.clock.nowMs());
    await world.runOut();
    expect(receiver.requests).toHaveLength(1);
    expect((await world.deliveries(endpoint))[0]).toMatchObject({ status: 'failed', reason: 'endpoint_disabled' });
  });
});
