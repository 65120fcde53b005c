import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sweepDeliveries } from '../../functions/sweep/deliveries.ts';
import { serveDeliveries } from '../../functions/webhook/handler.ts';
import { putEvents } from '../../lib/aws/events/events.ts';
import { finder, keys } from '../../lib/aws/keys.ts';
import { messageOf, planDeliveriesTo } from '../../lib/aws/webhooks/deliveries.ts';
import { dueDeliveries } from '../../lib/aws/webhooks/delivery-outcomes.ts';
import type { DeliveryQueue } from '../../lib/aws/webhooks/delivery-queue.ts';
import { deleteEndpoint, updateEndpoint } from '../../lib/aws/webhooks/endpoints.ts';
import type { Health } from '../../lib/domain/webhooks/breaker.ts';
import type { Endpoint } from '../../lib/domain/webhooks/endpoint.ts';
import { until } from '../harness/until.ts';
import { startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ factor: 1 });
});
afterAll(() => world.stop());
beforeEach(() => world.newTenant());
afterEach(() => expect(world.failures).toEqual([]));

/** A queue that takes everything and gives nothing. */
const silent: DeliveryQueue = {
  send: async () => undefined,
  later: async () => undefined,
  release: async () => undefined,
};
const healthOf = ({ tenantId, id }: Endpoint) =>
  world.table.get<Health & { ttl: number }>(keys.endpointHealth(tenantId, id));

it('a delivery whose time is two seconds off by the clock of who takes it waits, and is not swallowed', async () => {
  const receiver = await world.receiver();
  const endpoint = await world.endpoint(receiver.url);
  const at = world.clock.nowMs() + 2_000;
  await world.publish([world.event('from a clock that is ahead', { at })]);
  await world.runOut();
  expect(receiver.requests).toHaveLength(1);
  expect(receiver.requests[0]?.at).toBeGreaterThanOrEqual(at - 1_000);
  expect(await world.deliveries(endpoint)).toMatchObject([{ status: 'delivered' }]);
});

it('a delivery whose time is hours off by that clock waits in the index, and is found by the sweep', async () => {
  const receiver = await world.receiver();
  const endpoint = await world.endpoint(receiver.url);
  const at = world.clock.nowMs() + 2 * 3_600_000;
  await world.publish([world.event('from a clock that is hours ahead', { at })]);
  await world.runOut();
  expect(receiver.requests).toHaveLength(1);
  expect(receiver.requests[0]?.at).toBeGreaterThanOrEqual(at - 1_000);
  expect(await world.deliveries(endpoint)).toMatchObject([{ status: 'delivered', attempts: [{ status: 200 }] }]);
});

it('a replay in the same batch does not hold up the group of a delivery', async () => {
  const receiver = await world.receiver();
  const endpoint = await world.endpoint(receiver.url);
  await world.publish([world.event('published before')]);
  await world.runOut();
  const event = world.event('beside a replay');
  const [planned] = await planDeliveriesTo({ ...world.deps, deliveries: silent }, endpoint, [event], { at: event.at });
  await putEvents(world.table, [event]);
  if (planned === undefined) throw new Error('not planned');
  const gate = Promise.withResolvers<void>();
  const released: string[] = [];
  const table: typeof world.table = Object.create(world.table);
  table.query = async (query) => {
    if (query.pk.includes('#EV#')) await gate.promise;
    return await world.table.query(query);
  };
  const deliveries = { ...silent, release: async (handles: string[]) => void released.push(...handles) };
  const range = { since: event.at - 60_000, until: event.at + 1, onlyFailed: false, at: event.at };
  const replay = { replay: 'rep_beside', t: endpoint.tenantId, w: endpoint.id, ...range };
  const record = (messageId: string, message: object) => ({
    messageId,
    receiptHandle: messageId,
    body: JSON.stringify(message),
    attributes: { MessageGroupId: messageId },
  });
  const Records = [record('replay', replay), record('delivery', messageOf(planned, endpoint))];
  const served = serveDeliveries({ Records } as never, { ...world.deps, table, deliveries }, Number.POSITIVE_INFINITY);
  await until('the release', async () => released.length > 0).finally(() => gate.resolve());
  expect(released).toEqual(['delivery']);
  expect(await served).toEqual({ batchItemFailures: [] });
  expect(receiver.requests).toHaveLength(2);
});

it('what the sweep has sent is left to the queue for ten minutes, so that a backlog hides nobody else’s deliveries', async () => {
  const receiver = await world.receiver();
  receiver.behave(() => ({ status: 500 }));
  await world.endpoint(receiver.url);
  const startMs = world.clock.nowMs();
  await world.publish([world.event('waits too')]);
  await world.runOut(startMs + 15 * 60_000);
  const dueAt = startMs + 50 * 60_000;
  const sentAt = async (nowMs: number) => {
    const swept = { deliveriesSent: 0 };
    await sweepDeliveries({ table: world.table, deliveries: silent, nowMs: () => nowMs }, swept);
    return swept.deliveriesSent;
  };
  expect(await sentAt(dueAt)).toBe(1);
  expect(await sentAt(dueAt + 60_000)).toBe(0);
  expect(await sentAt(dueAt + 9 * 60_000)).toBe(0);
  // It was not worked off: the message is lost, or waits for its permit.
  expect(await sentAt(dueAt + 10 * 60_000)).toBe(1);
  receiver.behave(() => ({ status: 200 }));
  await world.runOut();
  expect(receiver.requests).toHaveLength(4);
});

describe('an endpoint that is deleted', () => {
  it('leaves nothing behind that the sweep would find again and again', async () => {
    const receiver = await world.receiver();
    receiver.behave(() => ({ status: 500 }));
    const endpoint = await world.endpoint(receiver.url);
    const startMs = world.clock.nowMs();
    await world.publish([world.event('waits for half an hour')]);
    // Three attempts: the fourth is too far away for a queue.
    await world.runOut(startMs + 15 * 60_000);
    expect(receiver.requests).toHaveLength(3);
    const waiting = async () => {
      const parts = finder.deliveries.map((part) => dueDeliveries(world.table, part, startMs + 1e9, 10));
      return (await Promise.all(parts)).flat().length;
    };
    expect(await waiting()).toBe(1);
    expect(await deleteEndpoint(world.writer, world.origin(), endpoint)).toBe(true);
    await world.runOut(startMs + 60 * 60_000);
    expect(await waiting()).toBe(0);
    expect(receiver.requests).toHaveLength(3);
    expect(await world.deliveries(endpoint)).toMatchObject([{ status: 'failed', reason: 'endpoint_disabled' }]);
  });
});

describe('an answer to a request that began before', () => {
  it('its endpoint was deleted leaves nothing that is kept for ever', async () => {
    const receiver = await world.receiver();
    receiver.behave(() => ({ status: 500, delayMs: 400 }));
    const endpoint = await world.endpoint(receiver.url);
    await world.publish([world.event('deleted under way')]);
    await until('the request', async () => receiver.requests.length === 1);
    await deleteEndpoint(world.writer, world.origin(), endpoint);
    await world.runOut();
    const health = await healthOf(endpoint);
    expect(health?.ttl).toBeGreaterThan(world.clock.nowMs() / 1000 + 29 * 86_400);
  });

  it('its URL was changed does not disable the endpoint', async () => {
    const old = await world.receiver();
    const fresh = await world.receiver();
    old.behave(() => ({ status: 410, delayMs: 400 }));
    const endpoint = await world.endpoint(old.url);
    await world.publish([world.event('to the old URL')]);
    await until('the request', async () => old.requests.length === 1);
    await updateEndpoint(world.writer, world.origin(), endpoint, { url: fresh.url });
    await world.runOut();
    expect(await world.read(endpoint)).toMatchObject({ active: true, url: fresh.url });
    await world.publish([world.event('to the new URL')]);
    await world.runOut();
    expect(fresh.requests).toHaveLength(1);
  });

  it('the endpoint asked to be left alone does not end its pause', async () => {
    const receiver = await world.receiver();
    const startMs = world.clock.nowMs();
    receiver.behave((_, count) => {
      if (count === 1) return { status: 500 };
      if (count === 2) return { status: 200, delayMs: 500 };
      return count === 3 ? { status: 429, headers: { 'retry-after': '600' } } : { status: 200 };
    });
    const endpoint = await world.endpoint(receiver.url);
    // One failure, so that a success has something to forget.
    await world.publish([world.event('fails')]);
    await until('the failure', async () => (await healthOf(endpoint)) !== undefined);
    await world.publish([world.event('slow and good')]);
    await until('the slow one', async () => receiver.requests.length === 2);
    await world.publish([world.event('too much')]);
    await world.runOut(world.clock.nowMs());
    expect((await healthOf(endpoint))?.openUntil).toBeGreaterThanOrEqual(startMs + 600_000);
    await world.runOut(startMs + 500_000);
    expect(receiver.requests).toHaveLength(3);
    await world.runOut();
    expect(await world.deliveries(endpoint)).toMatchObject([
      { status: 'delivered' },
      { status: 'delivered' },
      { status: 'delivered' },
    ]);
    expect(await healthOf(endpoint)).toBeUndefined();
  });
});
