import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { planDeliveriesTo } from '../../lib/aws/webhooks/deliveries.ts';
import type { PacelineEvent } from '../../lib/domain/events/events.ts';
import { startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ factor: 1 });
});
afterAll(() => world.stop());
beforeEach(() => {
  world.newTenant();
  world.counted.clear();
});

const received = (count: number): PacelineEvent => ({
  ...world.event(randomBytes(8).toString('hex')),
  type: 'message.received',
  chat: '79991234567',
  data: { messages: Array.from({ length: count }, (_, index) => ({ id: `3A${index}`, type: 'text' })) },
});
const counts = () => [world.counted.get('InboundTaken') ?? 0, world.counted.get('InboundDelivered') ?? 0];

it('inbound messages count once for each endpoint, when taken in hand and when they arrived', async () => {
  const receiver = await world.receiver();
  await world.endpoint(receiver.url);
  await world.endpoint(receiver.url, { ordered: true });
  await world.publish([received(2), { ...received(3), chat: '79997654321' }, world.event('another kind')]);
  await world.runOut();
  expect(counts()).toEqual([10, 10]);
});

it('a receiver that fails lets only the second count behind, and tries again do not count twice', async () => {
  const receiver = await world.receiver();
  receiver.behave(() => ({ status: 500 }));
  await world.endpoint(receiver.url);
  await world.publish([received(4)]);
  await world.runOut(world.clock.nowMs() + 600_000);
  expect(receiver.requests.length).toBeGreaterThan(1);
  expect(counts()).toEqual([4, 0]);
  receiver.behave(() => ({ status: 200 }));
  await world.runOut();
  expect(counts()).toEqual([4, 4]);
});

it('a replay does not count', async () => {
  const receiver = await world.receiver();
  const endpoint = await world.endpoint(receiver.url);
  const event = received(2);
  await world.publish([event]);
  await world.runOut();
  await planDeliveriesTo(world.deps, endpoint, [event], { at: world.clock.nowMs(), replayId: 'again' });
  await world.runOut();
  expect(receiver.requests).toHaveLength(2);
  expect(counts()).toEqual([2, 2]);
});
