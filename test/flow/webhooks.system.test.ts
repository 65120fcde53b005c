import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DeliveryView } from '../../lib/domain/webhooks/delivery-view.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { numbers, startWorld, type World } from '../harness/local-stack.ts';
import { until } from '../harness/until.ts';
import { type Receiver, startReceiver } from '../webhook/receiver.ts';

const secret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
const phones = 15;

let world: World;
let receiver: Receiver;
beforeAll(async () => {
  world = await startWorld();
  receiver = await startReceiver(systemClock, { secret });
});
afterAll(async () => {
  await receiver.stop();
  await world.stop();
});

const countOf = (type: string) => receiver.requests.filter(({ body }) => body.type === type).length;

it('a receiver gets every event of a contract, each once, each verifiable', async () => {
  const hook = { name: 'all', url: receiver.url, events: ['account', 'contract', 'message'], secret };
  await world.api('POST', '/v1/webhooks', hook);
  const test = await world.api<DeliveryView>('POST', '/v1/webhooks/all/test', {});
  expect(test).toMatchObject({ type: 'webhook.test', status: 'delivered', attempts: [{ status: 200 }] });

  const account = await world.linked('12125559999');
  for (const number of numbers(phones)) await world.simulator('POST', '/phones', { number });
  const recipients = numbers(phones).map((phoneNumber) => ({ phoneNumber, message: `Hello ${phoneNumber}` }));
  const contract = await world.contract(account, recipients);
  await world.ended(contract.id);
  const steps = ['message.queued', 'message.sent', 'message.delivered', 'message.read'];
  // The endpoint does not ask for order: the last to arrive may be any of them.
  for (const type of steps) await until(`each ${type}`, async () => countOf(type) >= phones);
  await until('the end of the contract', async () => countOf('contract.completed') >= 1);

  for (const type of steps) {
    const received = receiver.requests.filter(({ body }) => body.type === type);
    expect([type, new Set(received.map(({ id }) => id)).size]).toEqual([type, phones]);
    const texts = received.map(({ body }) => (body.data.message as { text: string }).text);
    expect(texts.toSorted()).toEqual(recipients.map(({ message }) => message).toSorted());
  }
  expect(countOf('account.connected')).toBe(1);
  expect(countOf('account.qr')).toBeGreaterThanOrEqual(1);
  expect(receiver.requests.every(({ verified }) => verified)).toBe(true);
});

it('a delivery that fails is tried again, in a replay under the id of its event', async () => {
  const { items } = await world.api<{ items: DeliveryView[] }>('GET', '/v1/webhooks/all/deliveries?status=delivered');
  const delivery = items.find(({ type }) => type === 'message.read');
  receiver.requests.length = 0;
  // Others may still be on their way.
  const tries = () => receiver.requests.filter(({ id }) => id === delivery?.eventId);
  receiver.behave(() => ({ status: tries().length === 1 ? 500 : 200 }));
  await world.api('POST', `/v1/deliveries/${delivery?.id}/replay`, {});
  await until('the second attempt', async () => tries().length === 2);
  const [first, second] = tries();
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(5_000);
});
