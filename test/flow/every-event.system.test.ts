import { afterAll, beforeAll, expect, it } from 'vitest';
import { inParallel } from '../../lib/aws/client/table.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { numbers, startWorld, type World } from '../harness/local-stack.ts';
import { until } from '../harness/until.ts';
import { type ReceivedRequest, type Receiver, startReceiver } from '../webhook/receiver.ts';

const secret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
/** More than a page of rows. */
const count = 600;
const phones = numbers(count);
const steps = ['message.queued', 'message.sent', 'message.delivered', 'message.read'];

let world: World;
let receiver: Receiver;
let account: string;
beforeAll(async () => {
  world = await startWorld();
  receiver = await startReceiver(systemClock, { secret });
  const events = ['account', 'contract', 'message'];
  await world.api('POST', '/v1/webhooks', { name: 'everything', url: receiver.url, events, secret });
  account = await world.linked('12125559999');
  await inParallel(8, phones, async (number) => {
    await world.simulator('POST', '/phones', { number });
  });
});
afterAll(async () => {
  await receiver?.stop();
  await world?.stop();
});

interface Message {
  to: string;
  text: string;
  status: string;
  sentAt: string;
}
const messageOf = ({ body }: ReceivedRequest) => body.data.message as Message;
const ofType = (type: string) => receiver.requests.filter(({ body }) => body.type === type);

it('a contract of more than a page: every event arrives, each verifiable, none under two ids', async () => {
  const recipients = phones.map((phoneNumber) => ({ phoneNumber, message: `Hello ${phoneNumber}` }));
  const contract = await world.contract(account, recipients);
  // Looked at twice a second only: what else asks takes from the machine.
  await until(
    'each phone has read it',
    async () => (await world.read(contract.id)).counts.read === count,
    300_000,
    500,
  );
  const distinct = (type: string) => new Set(ofType(type).map(({ id }) => id)).size;
  await until('the last has come', async () => distinct('message.read') === count, 180_000, 100);
  await until('the end has come', async () => distinct('contract.completed') === 1, 180_000, 100);
  const log = (await world.all<{ id: string }>('/v1/events?limit=100')).map(({ id }) => id);
  const received = () => new Set(receiver.requests.map(({ id }) => id));
  await until('all of the log', async () => log.every((id) => received().has(id)), 180_000, 100);

  for (const step of steps) {
    const messages = new Map(ofType(step).map((request) => [request.id, messageOf(request)]));
    expect([step, messages.size]).toEqual([step, count]);
    const said = [...messages.values()].map(({ to, text }) => `${to} ${text}`);
    expect(said.toSorted()).toEqual(phones.map((to) => `${to} Hello ${to}`).toSorted());
  }
  for (const request of receiver.requests) {
    if (!request.verified) throw new Error(`${request.id} ${request.body.type} is not signed as it should be`);
  }
  // The same event again is the same in every byte that matters: once under its id.
  const bodies = Map.groupBy(receiver.requests, ({ id }) => id);
  for (const same of bodies.values()) expect(new Set(same.map(({ body }) => JSON.stringify(body))).size).toBe(1);

  expect(distinct('contract.started')).toBe(1);
  const progress = [...new Map(ofType('contract.progress').map((request) => [request.id, request])).values()];
  const halves = progress.map(({ body }) => Math.floor(Date.parse(body.timestamp) / 30_000));
  expect(progress.length).toBeGreaterThan(0);
  expect(new Set(halves).size).toBe(halves.length);
  const [completed] = ofType('contract.completed');
  expect(completed?.body.data.contract).toMatchObject({ status: 'COMPLETED', totalCount: count });
  const totals = await world.totals();
  expect([totals.distinct, totals.undecryptable, totals.usedCounters]).toEqual([count, 0, 0]);
}, 900_000);
