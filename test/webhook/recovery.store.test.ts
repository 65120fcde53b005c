import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { serveDeliveries } from '../../functions/webhook/handler.ts';
import { keys } from '../../lib/aws/keys.ts';
import { planDeliveriesTo } from '../../lib/aws/webhooks/deliveries.ts';
import { deleteEndpoint } from '../../lib/aws/webhooks/endpoints.ts';
import { startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ factor: 1 });
});
afterAll(() => world.stop());
beforeEach(() => {
  world.newTenant();
  world.failures.length = 0;
});

describe('a worker that fails', () => {
  it('at the table: the delivery is tried again, and its group goes on', async () => {
    const receiver = await world.receiver();
    const endpoint = await world.endpoint(receiver.url);
    const { table } = world;
    const update = table.tryUpdate.bind(table);
    let broken = 2;
    table.tryUpdate = (async (...args: Parameters<typeof update>) => {
      broken -= 1;
      if (broken >= 0) throw new Error('the table is away');
      return await update(...args);
    }) as typeof update;
    await world.publish([world.event('away')]);
    await world.runOut();
    table.tryUpdate = update;
    const [delivery] = await world.deliveries(endpoint);
    expect(delivery).toMatchObject({ status: 'delivered' });
    // The answer of the first attempts was lost with the table: at least once, under one id.
    expect(new Set(receiver.requests.map(({ id }) => id)).size).toBe(1);
    expect(world.failures).toHaveLength(2);
  });

  it('between its attempt and the next: the message that comes again goes on from what is stored', async () => {
    const receiver = await world.receiver();
    receiver.behave((_, count) => ({ status: count === 1 ? 500 : 200 }));
    const endpoint = await world.endpoint(receiver.url);
    const { queue } = world.queues;
    const later = queue.later;
    let lost = 1;
    queue.later = async (message, delayMs) => {
      lost -= 1;
      if (lost >= 0) throw new Error('the queue is away');
      await later(message, delayMs);
    };
    await world.publish([world.event('between')]);
    await world.runOut();
    queue.later = later;
    expect(await world.deliveries(endpoint)).toMatchObject([
      { status: 'delivered', attempts: [{ status: 500 }, { status: 200 }] },
    ]);
  });
});

it('a message of an unknown form, or of a deleted endpoint, is dropped', async () => {
  const receiver = await world.receiver();
  const endpoint = await world.endpoint(receiver.url);
  receiver.behave(() => ({ status: 500 }));
  await world.publish([world.event('deleted')]);
  await world.runOut(world.clock.nowMs());
  const writer = { table: world.table, nowMs: world.clock.nowMs, randomBytes: (n: number) => new Uint8Array(n) };
  const origin = { tenantId: endpoint.tenantId, keyId: 'k', ip: '-', requestId: '-', at: world.clock.nowMs() };
  expect(await deleteEndpoint(writer, origin, endpoint)).toBe(true);
  await world.runOut();
  expect(receiver.requests).toHaveLength(1);
  const record = {
    messageId: 'x',
    receiptHandle: 'x',
    body: '{"no": "json of ours"}',
    attributes: { MessageGroupId: 'g' },
  };
  const answer = await serveDeliveries({ Records: [record] } as never, world.deps, Number.POSITIVE_INFINITY);
  expect(answer).toEqual({ batchItemFailures: [] });
  expect(world.failures).toHaveLength(1);
});

it('what is not in the log travels with its delivery, and is gone afterwards', async () => {
  const receiver = await world.receiver();
  const endpoint = await world.endpoint(receiver.url, { events: ['account.qr'] });
  const event = world.event('qr', { type: 'account.qr', logged: false, data: { code: 'secret-code' } });
  await world.publish([event]);
  await world.runOut();
  expect(receiver.requests[0]?.body.data).toEqual({ code: 'secret-code' });
  expect(JSON.stringify(await world.deliveries(endpoint))).not.toContain('secret-code');
});

it('an event that is no longer kept ends its delivery with that reason', async () => {
  const receiver = await world.receiver();
  const endpoint = await world.endpoint(receiver.url);
  await planDeliveriesTo(world.deps, endpoint, [world.event('never stored')], { at: world.clock.nowMs() });
  await world.runOut();
  expect(receiver.requests).toHaveLength(0);
  expect(await world.deliveries(endpoint)).toMatchObject([{ status: 'failed', reason: 'content_gone' }]);
});

it('an event that is no longer kept leaves the probe of a failing endpoint to the next delivery', async () => {
  const receiver = await world.receiver();
  const endpoint = await world.endpoint(receiver.url);
  const key = keys.endpointHealth(endpoint.tenantId, endpoint.id);
  const openUntil = world.clock.nowMs() - 1;
  await world.table.put({
    ...key,
    type: 'endpointHealth',
    failingSince: openUntil - 1,
    failures: 5,
    trips: 1,
    openUntil,
  });
  await planDeliveriesTo(world.deps, endpoint, [world.event('never stored')], { at: world.clock.nowMs() });
  await world.runOut();
  expect(await world.deliveries(endpoint)).toMatchObject([{ status: 'failed', reason: 'content_gone' }]);
  expect(await world.table.get(key)).not.toHaveProperty('probeUntil');
});

describe('a replay', () => {
  const ask = (endpoint: { tenantId: string; id: string }, onlyFailed: boolean, replay: string) =>
    world.queues.queue.send([
      {
        message: {
          replay,
          t: endpoint.tenantId,
          w: endpoint.id,
          since: 0,
          until: world.clock.nowMs() + 1,
          onlyFailed,
          at: world.clock.nowMs(),
        },
        key: replay,
      },
    ]);

  it('of what failed sends exactly that, under the ids of its events', async () => {
    const receiver = await world.receiver();
    receiver.behave(({ body }) => ({ status: JSON.stringify(body).includes('bad') ? 422 : 200 }));
    const endpoint = await world.endpoint(receiver.url);
    const events = ['good', 'bad 1', 'bad 2'].map((name) => world.event(`replay ${name}`));
    await world.publish(events);
    await world.runOut();
    receiver.behave(() => ({ status: 200 }));
    receiver.requests.length = 0;
    await ask(endpoint, true, 'rep_1');
    await ask(endpoint, true, 'rep_1');
    await world.runOut();
    expect(receiver.requests.map(({ id }) => id).sort()).toEqual(
      events
        .slice(1)
        .map(({ id }) => id)
        .sort(),
    );
    const replays = (await world.deliveries(endpoint)).filter(({ replay }) => replay === true);
    expect(replays.map(({ status }) => status)).toEqual(['delivered', 'delivered']);
  });

  it('of everything sends what the endpoint wants of the log, published before it existed or not', async () => {
    const receiver = await world.receiver();
    const early = Array.from({ length: 130 }, (_, i) => world.event(`early ${i}`));
    await world.publish([...early, world.event('unwanted', { type: 'contract.started' })]);
    const endpoint = await world.endpoint(receiver.url);
    await ask(endpoint, false, 'rep_2');
    await world.runOut();
    expect(new Set(receiver.requests.map(({ id }) => id))).toEqual(new Set(early.map(({ id }) => id)));
    expect(receiver.requests).toHaveLength(130);
    const item = await world.table.get<{ ttl: number }>(
      keys.delivery(
        endpoint.tenantId,
        endpoint.id,
        (await world.deliveries(endpoint))[0]?.at ?? 0,
        (await world.deliveries(endpoint))[0]?.id ?? '',
      ),
    );
    expect(item?.ttl).toBeGreaterThan(world.clock.nowMs() / 1000 + 29 * 86_400);
  });
});
