import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ factor: 1 });
});
afterAll(() => world.stop());
beforeEach(() => world.newTenant());

const life = ['message.queued', 'message.sent', 'message.delivered', 'message.read'] as const;

it('events of a chat arrive in their order, a failure holds back its own chat only', async () => {
  const receiver = await world.receiver();
  receiver.behave(({ body }, count) => ({
    status: body.data.chat === 'a' && body.type === 'message.queued' && count < 12 ? 500 : 200,
  }));
  const endpoint = await world.endpoint(receiver.url, { ordered: true });
  const at = world.clock.nowMs();
  const events = ['a', 'b', 'c'].flatMap((chat) =>
    // All in the same millisecond, told backwards.
    life.toReversed().map((type) => world.event(`${chat} ${type}`, { type, at, chat, data: { chat } })),
  );
  await world.tell(events);
  await world.runOut(at + 2_000);
  const soFar = receiver.requests.map(({ body }) => `${body.data.chat} ${body.type}`);
  for (const chat of ['b', 'c']) {
    expect(soFar.filter((line) => line.startsWith(chat))).toEqual(life.map((type) => `${chat} ${type}`));
  }
  expect(soFar.filter((line) => line.startsWith('a'))).toEqual(['a message.queued']);

  await world.runOut();
  const told = receiver.requests.map(({ body }) => `${body.data.chat} ${body.type}`);
  expect(told.filter((line, i) => line.startsWith('a') && told.lastIndexOf(line) === i)).toEqual(
    life.map((type) => `a ${type}`),
  );
  const deliveries = await world.deliveries(endpoint);
  expect(deliveries.map(({ status }) => status)).toEqual(Array(12).fill('delivered'));
});

it('one that is given up lets the next go', async () => {
  const receiver = await world.receiver();
  receiver.behave(({ body }) => ({ status: body.type === 'message.queued' ? 400 : 200 }));
  const endpoint = await world.endpoint(receiver.url, { ordered: true });
  const at = world.clock.nowMs();
  await world.tell(life.map((type) => world.event(`given up ${type}`, { type, at, chat: 'x' })));
  await world.runOut();
  const statuses = (await world.deliveries(endpoint)).map(({ eventType, status }) => `${eventType} ${status}`).sort();
  expect(statuses).toEqual([
    'message.delivered delivered',
    'message.queued failed',
    'message.read delivered',
    'message.sent delivered',
  ]);
});
