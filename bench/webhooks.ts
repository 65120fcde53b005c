import { statSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { inParallel, Table } from '../lib/aws/client/table.ts';
import { endpointPk } from '../lib/aws/keys.ts';
import { messageId } from '../lib/domain/ids.ts';
import { signedHeaders } from '../lib/domain/webhooks/signature.ts';
import { createEgress } from '../lib/runtime/egress/egress.ts';
import { LOCAL_TENANT } from '../local/bootstrap.ts';
import type { Endpoints } from '../local/process/environment.ts';
import { destroyLocalClients, localClients } from '../local/provision/provision.ts';
import { startWorld, type World } from '../test/harness/local-stack.ts';
import { startCountingProxy } from './cost/counting-proxy.ts';
import { watchInvocations } from './cost/invocations.ts';
import { fictionalNumbers } from './fictional-numbers.ts';
import { environmentOf } from './process-use.ts';
import { changeMessages, eventsPerMessage, eventTypesPublished, type Writes } from './webhooks/changes.ts';
import { between, reportCost, type Usage } from './webhooks/cost.ts';
import { type Receiver, startReceiver } from './webhooks/receiver.ts';

/**
 * How fast changes are published, and what that costs: stream -> event -> delivery -> signed POST -> attempt log, in the local stack, to one
 * endpoint that answers at once. Messages change straight in the table (three events each), past the API and the hosts.
 *   node bench/webhooks.ts [--messages 500] [--paced 300] [--per-sec 20]
 * First without counting: a burst, and `--paced` messages at a steady rate; beside them what one process can sign and POST with nothing
 * around it. Then both again through a proxy that counts every AWS call, which makes them slower. About two minutes.
 */
const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '500' },
    paced: { type: 'string', default: '300' },
    'per-sec': { type: 'string', default: '20' },
  },
});
const messages = Number(options.messages);
const paced = Number(options.paced);
const perSec = Number(options['per-sec']);
const numbers = fictionalNumbers(Math.max(messages, paced));
const aimedP95Ms = 1000;
const publishedWithinMs = 120_000;
/** As many requests at a time as one endpoint is given (lib/domain/webhooks/endpoint.ts: four groups of ten). */
const postsAtOnce = 40;
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

/** The stack with one endpoint, and short ways past its API. */
interface Bench {
  world: World;
  receiver: Receiver;
  table: Table;
  endpointId: string;
  runs: number;
  end(): Promise<void>;
}

async function startBench(env: Record<string, string>, onEndpoints: (endpoints: Endpoints) => void): Promise<Bench> {
  const receiver = await startReceiver();
  receiver.trust(secret);
  let endpoints: Endpoints | undefined;
  const world = await startWorld({
    hosts: 0,
    quiet: true,
    env,
    onEndpoints: (found) => {
      endpoints = found;
      onEndpoints(found);
    },
  });
  if (endpoints === undefined) throw new Error('The emulators are not there.');
  const clients = localClients(endpoints);
  const { TABLE_NAME = '' } = environmentOf(pidOf(world, 'webhook'));
  const { id } = await world.api<{ id: string }>('POST', '/v1/webhooks', {
    name: 'bench',
    url: receiver.url,
    events: eventTypesPublished,
    secret,
  });
  return {
    world,
    receiver,
    table: new Table(clients.dynamodb, TABLE_NAME),
    endpointId: id,
    runs: 0,
    async end() {
      destroyLocalClients(clients);
      await world.stop();
      await receiver.stop();
    },
  };
}

const pidOf = ({ stack }: World, name: string): number => stack.functions.find((one) => one.name === name)?.pid ?? 0;

interface Published {
  events: number;
  /** From the first change to the last attempt in the log. */
  seconds: number;
  /** From change to arrival, sorted. */
  delaysMs: number[];
}

/** Changes so many messages and waits until the attempt of each of their events is in the log. */
async function publish(bench: Bench, count: number, rate: number | undefined): Promise<Published> {
  const { receiver, table } = bench;
  bench.runs += 1;
  const contractId = `con_${String(bench.runs).padStart(26, '0')}`;
  const logged = await deliveredIn(bench);
  const startMs = performance.now();
  const writes = await changeMessages(table, contractId, numbers.slice(0, count), rate);
  await within('every event to arrive', () => [...writes.keys()].every((about) => receiver.arrivals.has(about)));
  await within('every attempt to be logged', async () => (await deliveredIn(bench)) === logged + writes.size);
  return { events: writes.size, seconds: (performance.now() - startMs) / 1000, delaysMs: delaysOf(writes, receiver) };
}

async function within(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + publishedWithinMs;
  while (!(await ask())) {
    if (performance.now() > endMs) throw new Error(`Waited ${publishedWithinMs / 1000} s for ${what}.`);
    await sleep(100);
  }
}

async function deliveredIn({ table, endpointId }: Bench): Promise<number> {
  const found = await table.queryAll<{ status: string; attempts: unknown[] }>({
    pk: endpointPk(LOCAL_TENANT, endpointId),
    skPrefix: 'D#',
  });
  return found.filter(({ status, attempts }) => status === 'delivered' && attempts.length > 0).length;
}

function delaysOf(writes: Writes, { arrivals }: Receiver): number[] {
  const delays = [...writes].map(([about, writtenMs]) => (arrivals.get(about) ?? Number.NaN) - writtenMs);
  // A change is published while the write of its batch is still being answered.
  return delays.map((delay) => Math.max(0, delay)).sort((a, b) => a - b);
}

const quantile = (sorted: number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;

/** Signs and POSTs so many events from this process through the egress guard, with nothing before and after; events a second. */
async function baseline(receiver: Receiver, count: number): Promise<number> {
  const egress = createEgress({ allowLoopback: true });
  const ids = Array.from({ length: count }, (_, row) => messageId('baseline', row));
  const startMs = performance.now();
  await inParallel(postsAtOnce, ids, async (id) => {
    const body = JSON.stringify({
      type: 'message.sent',
      timestamp: new Date().toISOString(),
      data: { message: { id } },
    });
    const headers = signedHeaders({ id: `evt_${id}`, atMs: Date.now(), body }, [secret]);
    const answer = await egress.request(receiver.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      timeoutMs: 15_000,
      maxResponseBytes: 1024,
    });
    if (answer.status !== 200) throw new Error(`The receiver answered ${answer.status}.`);
  });
  const perSecond = count / ((performance.now() - startMs) / 1000);
  await egress.close();
  return perSecond;
}

/** A few, so that processes, connections and caches are there. */
async function warmUp(bench: Bench): Promise<void> {
  await publish(bench, 50, undefined);
}

async function measureSpeed(): Promise<boolean> {
  const bench = await startBench({}, () => undefined);
  try {
    await warmUp(bench);
    console.error(`Publishing ${messages * eventsPerMessage} events at once`);
    const burst = await publish(bench, messages, undefined);
    console.error(`Publishing the events of ${paced} messages, ${perSec} a second`);
    const steady = await publish(bench, paced, perSec);
    const alone = await baseline(bench.receiver, messages * eventsPerMessage);
    const row = (name: string, { events, seconds, delaysMs }: Published) => ({
      run: name,
      events,
      'events/s': (events / seconds).toFixed(0),
      'of POSTs alone': (events / seconds / alone).toFixed(3),
      'p50 ms': quantile(delaysMs, 0.5).toFixed(0),
      'p95 ms': quantile(delaysMs, 0.95).toFixed(0),
      'worst ms': quantile(delaysMs, 1).toFixed(0),
    });
    console.log(
      `\nFrom the change in the table to the receiver, until the attempt is logged; load of the machine ${loadavg()[0]?.toFixed(1)}`,
    );
    console.table([
      row('all at once', burst),
      row(`${perSec} messages/s`, steady),
      { run: `signed POSTs alone, ${postsAtOnce} at a time`, 'events/s': alone.toFixed(0), 'of POSTs alone': '1' },
    ]);
    const p95Ms = quantile(steady.delaysMs, 0.95);
    const reached = p95Ms <= aimedP95Ms;
    console.log(
      `${reached ? 'PASS' : 'MISSED'}  p95 from change to webhook at ${perSec} messages/s: ${p95Ms.toFixed(0)} ms, aim ${aimedP95Ms} ms or less`,
    );
    return reached;
  } finally {
    await bench.end();
  }
}

async function measureCost(): Promise<void> {
  const invocations = watchInvocations();
  let endpoints: Endpoints | undefined;
  const proxy = await startCountingProxy(() => {
    if (endpoints === undefined) throw new Error('The emulators are not there yet.');
    return endpoints;
  });
  try {
    const bench = await startBench(proxy.env, (found) => {
      endpoints = found;
    });
    try {
      await warmUp(bench);
      const usage = (): Usage => ({
        entries: proxy.ledger.snapshot(),
        invocations: invocations(),
        logBytes: logBytesOf(bench.world),
        sentBytes: bench.receiver.bytes(),
      });
      const memoryOf = (name: string): number =>
        Number(environmentOf(pidOf(bench.world, name)).AWS_LAMBDA_FUNCTION_MEMORY_SIZE);
      for (const [name, count, rate] of [
        ['All at once', messages, undefined],
        [`${perSec} messages a second`, paced, perSec],
      ] as const) {
        const before = usage();
        const { events } = await publish(bench, count, rate);
        // The queue learns that the last batch is done after its attempts are logged.
        await sleep(1000);
        reportCost(name, events, between(before, usage()), memoryOf);
      }
    } finally {
      await bench.end();
    }
  } finally {
    await proxy.stop();
  }
}

function logBytesOf({ stack }: World): number {
  const files = ['events', 'webhook'].map((name) => join(stack.dataDir, 'logs', `${name}.log`));
  return files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

const reached = await measureSpeed();
await measureCost();
process.exitCode = reached ? 0 : 1;
