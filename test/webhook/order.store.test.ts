import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { replay } from '../../functions/webhook/replay.ts';
import type { DeliveryQueue, ReplayMessage } from '../../lib/aws/webhooks/delivery-queue.ts';
import { updateEndpoint } from '../../lib/aws/webhooks/endpoints.ts';
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
    // All in the same millisecond, published backwards.
    life.toReversed().map((type) => world.event(`${chat} ${type}`, { type, at, chat, data: { chat } })),
  );
  await world.publish(events);
  await world.runOut(at + 2_000);
  const soFar = receiver.requests.map(({ body }) => `${body.data.chat} ${body.type}`);
  for (const chat of ['b', 'c']) {
    expect(soFar.filter((line) => line.startsWith(chat))).toEqual(life.map((type) => `${chat} ${type}`));
  }
  expect(soFar.filter((line) => line.startsWith('a'))).toEqual(['a message.queued']);

  await world.runOut();
  const arrived = receiver.requests.map(({ body }) => `${body.data.chat} ${body.type}`);
  expect(arrived.filter((line, i) => line.startsWith('a') && arrived.lastIndexOf(line) === i)).toEqual(
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
  await world.publish(life.map((type) => world.event(`given up ${type}`, { type, at, chat: 'x' })));
  await world.runOut();
  const statuses = (await world.deliveries(endpoint)).map(({ eventType, status }) => `${eventType} ${status}`).sort();
  expect(statuses).toEqual([
    'message.delivered delivered',
    'message.queued failed',
    'message.read delivered',
    'message.sent delivered',
  ]);
});

/** A replay whose invocations have time for one page, each of which arrives before the next is planned. */
async function pageByPage(asked: ReplayMessage): Promise<void> {
  let next: ReplayMessage | undefined = asked;
  while (next !== undefined) {
    const message: ReplayMessage = next;
    next = undefined;
    const send: DeliveryQueue['send'] = async (messages) => {
      for (const one of messages) {
        if ('replay' in one.message) next = one.message;
        else await world.queues.queue.send([one]);
      }
    };
    await replay({ ...world.deps, deliveries: { ...world.queues.queue, send } }, message, Number.NEGATIVE_INFINITY);
    await world.runOut();
  }
}

it.each([false, true])(
  'a replay of a range keeps the order too, over several pages (only what failed: %s)',
  async (onlyFailed) => {
    const receiver = await world.receiver();
    const endpoint = await world.endpoint(receiver.url, { ordered: true });
    const startMs = world.clock.nowMs() - 10_000;
    const steps = life.map((type, i) =>
      world.event(`${onlyFailed} ${type}`, { type, at: startMs + 1000 * i, chat: 'x' }),
    );
    const others = Array.from({ length: 120 }, (_, i) =>
      world.event(`${onlyFailed} other ${i}`, { at: startMs + 10 * i, chat: `other ${i}`, data: {} }),
    );
    receiver.behave(() => ({ status: 410 }));
    await world.publish([...steps, ...others]);
    await world.runOut();
    await updateEndpoint(world.writer, world.origin(), endpoint, { active: true });
    receiver.behave(() => ({ status: 200 }));
    receiver.requests.length = 0;
    const at = world.clock.nowMs();
    const range = { since: startMs, until: at + 1, onlyFailed, at };
    const message = { replay: `rep_${onlyFailed}`, t: endpoint.tenantId, w: endpoint.id, ...range };
    await pageByPage(message);
    expect(receiver.requests).toHaveLength(124);
    const arrived = receiver.requests.map(({ id }) => id).filter((id) => steps.some((step) => step.id === id));
    expect(arrived).toEqual(steps.map(({ id }) => id));
  },
);
