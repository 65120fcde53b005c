import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from '../../lib/aws/client/table.ts';
import { fictionalNumbers } from '../fictional-numbers.ts';
import type { HostProcess } from '../linked/host-process.ts';
import { type LinkedWorld, startLinkedWorld, whenConnected } from '../linked/world.ts';
import { type InboundReceiver, startInboundReceiver } from './receiver.ts';

export interface DeliveryOptions {
  messages: number;
  accounts: number;
  /** People who write to each account. */
  people: number;
  /** Messages a person writes in quick succession. */
  burst: number;
  /** Messages a second at most, over all. */
  perSec: number;
  /** So often the only host is killed without warning, when as many parts of the messages are delivered, and another one started. */
  kills: number;
  /** From the first message written to the last one delivered. */
  withinMs: number;
  say(line: string): void;
}

export interface DeliveryResult {
  /** A sentence for each fault; empty: every message was delivered exactly once. */
  failures: string[];
  written: number;
  delivered: number;
  events: number;
  requests: number;
  refused: number;
  writtenSec: number;
  /** From the first message written to the last new event. */
  seconds: number;
  /** From each kill until all accounts were connected again. */
  backSec: number[];
}

const secret = `whsec_${Buffer.alloc(32, 11).toString('base64')}`;
/** One event in so many is answered with 500 at first. */
const refuseEvery = 25;
const writersAtOnce = 6;
const connectedWithinMs = 120_000;
/** After the last one: what is delivered twice has time to show. */
const quietMs = 2000;
/** A refused event comes again 5 s later (lib/domain/webhooks/schedule.ts). */
const againWithinMs = 20_000;

/** The messages of one person to one account, in order. */
type Chat = { person: string; account: string; ids: string[] };

/** People write to accounts whose host dies in between; everything is to arrive at a webhook receiver exactly once. */
export async function deliverInbound(options: DeliveryOptions): Promise<DeliveryResult> {
  const { accounts, people, say } = options;
  const numbers = fictionalNumbers(accounts + people);
  const receiver = await startInboundReceiver(secret, refuseEvery);
  try {
    const linked = await startLinkedWorld({ accounts: numbers.slice(0, accounts) });
    try {
      const host = await ready(linked, receiver, numbers.slice(accounts));
      say(`${accounts} accounts are connected, ${people} people have phones`);
      return await delivered(linked, host, receiver, numbers, options);
    } finally {
      await linked.stop();
    }
  } finally {
    await receiver.stop();
  }
}

async function ready(linked: LinkedWorld, receiver: InboundReceiver, people: string[]): Promise<HostProcess> {
  await linked.world.api('POST', '/v1/webhooks', {
    name: 'inbound',
    url: receiver.url,
    events: ['message.received'],
    secret,
  });
  await inParallel(writersAtOnce, people, async (number) => {
    await linked.world.simulator('POST', '/phones', { number });
  });
  const host = await linked.startHost();
  await whenConnected(linked, [host], linked.accounts.length, connectedWithinMs);
  return host;
}

async function delivered(
  linked: LinkedWorld,
  first: HostProcess,
  receiver: InboundReceiver,
  numbers: string[],
  options: DeliveryOptions,
): Promise<DeliveryResult> {
  const { messages, accounts, kills, withinMs, say } = options;
  const startMs = performance.now();
  const sinceStart = () => (performance.now() - startMs) / 1000;
  const chats: Chat[] = [];
  const writing = write(linked, chats, numbers, options);
  let broken = false;
  writing.catch(() => {
    broken = true;
  });
  const written = () => chats.reduce((sum, { ids }) => sum + ids.length, 0);

  let host = first;
  const backSec: number[] = [];
  for (let kill = 1; kill <= kills; kill++) {
    await reached(() => broken || receiver.delivered() >= (messages * kill) / (kills + 1), withinMs);
    if (broken) await writing;
    await killed(host);
    const killedAt = sinceStart();
    say(
      `${killedAt.toFixed(0)} s: the host is killed, ${written()} messages written, ${receiver.delivered()} delivered`,
    );
    host = await linked.startHost();
    await whenConnected(linked, [host], accounts, connectedWithinMs).catch((error: unknown) => {
      throw new Error(`${error instanceof Error ? error.message : error} The host says: ${host.lastWords()}`);
    });
    backSec.push(sinceStart() - killedAt);
    say(`${sinceStart().toFixed(0)} s: all accounts are connected again`);
  }
  await writing;
  const writtenSec = sinceStart();
  say(`${writtenSec.toFixed(0)} s: all ${written()} messages are written, ${receiver.delivered()} delivered`);
  const inTime = await reached(() => receiver.delivered() >= messages, withinMs - (performance.now() - startMs));
  await reached(() => receiver.requests() >= receiver.events.size + receiver.refused(), againWithinMs);
  await sleep(quietMs);
  const failures = wrong(chats, receiver);
  if (!inTime) failures.push(`not all were delivered within ${withinMs / 1000} s`);
  return {
    failures,
    written: written(),
    delivered: receiver.delivered(),
    events: receiver.events.size,
    requests: receiver.requests(),
    refused: receiver.refused(),
    writtenSec,
    seconds: (receiver.lastAt() - startMs) / 1000,
    backSec,
  };
}

/** Bursts, chat by chat in turn, at the rate given; each phone waits until its message is at the server. */
async function write(linked: LinkedWorld, chats: Chat[], numbers: string[], options: DeliveryOptions): Promise<void> {
  const { messages, accounts, burst, perSec } = options;
  const people = numbers.slice(accounts);
  const byName = new Map<string, Chat>();
  const bursts = Array.from({ length: Math.ceil(messages / burst) }, (_, at) => at);
  const startMs = performance.now();
  await inParallel(writersAtOnce, bursts, async (at) => {
    await sleep(Math.max(0, startMs + ((at * burst) / perSec) * 1000 - performance.now()));
    const account = numbers[at % accounts] ?? '';
    const person = people[Math.floor(at / accounts) % people.length] ?? '';
    const chat = byName.get(`${person} ${account}`) ?? { person, account, ids: [] };
    if (!byName.has(`${person} ${account}`)) chats.push(chat);
    byName.set(`${person} ${account}`, chat);
    for (let n = at * burst; n < Math.min(messages, (at + 1) * burst); n++) {
      const body = { to: account, text: `message ${n}` };
      const { id } = await linked.world.simulator<{ id: string }>('POST', `/phones/${person}/send`, body);
      chat.ids.push(id);
    }
  });
}

async function killed(host: HostProcess): Promise<void> {
  host.kill('SIGKILL');
  while (!host.ended) await sleep(20);
}

async function reached(ask: () => boolean, withinMs: number): Promise<boolean> {
  const endMs = performance.now() + withinMs;
  while (!ask()) {
    if (performance.now() > endMs) return false;
    await sleep(100);
  }
  return true;
}

/** Each message once, in an event with others of its chat, in the order they were written. */
function wrong(chats: Chat[], { events, unverified, changed }: InboundReceiver): string[] {
  const placeOf = new Map(chats.flatMap((chat) => chat.ids.map((id, at) => [id, { chat, at }] as const)));
  const times = new Map<string, number>();
  let [unknown, mixed, disordered] = [0, 0, 0];
  for (const messages of events.values()) {
    for (const { id } of messages) times.set(id, (times.get(id) ?? 0) + 1);
    const places = messages.flatMap(({ id }) => placeOf.get(id) ?? []);
    unknown += messages.length - places.length;
    if (new Set(places.map(({ chat }) => chat)).size > 1) mixed += 1;
    if (places.some(({ at }, index) => index > 0 && at < (places[index - 1]?.at ?? 0))) disordered += 1;
  }
  const missing = [...placeOf.keys()].filter((id) => !times.has(id));
  const twice = [...times].filter(([, count]) => count > 1);
  const found: [number, string][] = [
    [missing.length, `messages were never delivered, the first is ${missing[0]}`],
    [twice.length, `messages were delivered more than once, the first is ${twice[0]?.[0]}`],
    [unknown, 'messages were delivered that no person has written'],
    [mixed, 'events had messages of several chats'],
    [disordered, 'events had their messages in another order'],
    [changed.length, 'events came again with other messages'],
    [unverified(), 'requests had a wrong signature'],
  ];
  return found.flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]));
}
