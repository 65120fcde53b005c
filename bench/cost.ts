import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { inParallel } from '../lib/aws/client/table.ts';
import { readSettings } from '../lib/infra/settings.ts';
import { startCountingProxy } from './cost/counting-proxy.ts';
import { watchInvocations } from './cost/invocations.ts';
import { reportIdle, reportMessages } from './cost/report.ts';
import { aboveIdle, between, logBytesIn, type Usage } from './cost/usage.ts';
import { fictionalNumbers } from './fictional-numbers.ts';
import { difference, type HostUse, readHost } from './host-metrics.ts';
import { countsOf, type LinkedAccount } from './linked/accounts.ts';
import { emulatorsOf, type LinkedWorld, startLinkedWorld, whenConnected } from './linked/world.ts';
import { environmentOf } from './process-use.ts';
import { verdict } from './verdict.ts';

/**
 * What AWS would charge, at list prices (bench/cost/prices.ts), with every call of hosts and functions counted at the emulators:
 *   node bench/cost.ts [--hosts 3] [--accounts 300] [--idle-minutes 10] [--messages 1000] [--paced-accounts 20] [--paced-messages 20]
 *                      [--single 100]
 * First the fleet is idle. Then messages that phones receive and read, idle calls taken off: a contract of `--messages` with the limits
 * off; `--single` orders of one message each, which show what a contract costs apart from its messages; and contracts of
 * `--paced-messages` by each of `--paced-accounts` in real time under default pacing (about six minutes). Any with 0 is left out.
 */
const { values: options } = parseArgs({
  options: {
    hosts: { type: 'string', default: '3' },
    accounts: { type: 'string', default: '300' },
    'idle-minutes': { type: 'string', default: '10' },
    messages: { type: 'string', default: '1000' },
    'paced-accounts': { type: 'string', default: '20' },
    'paced-messages': { type: 'string', default: '20' },
    single: { type: 'string', default: '100' },
  },
});
const hosts = Number(options.hosts);
const accounts = Number(options.accounts);
const idleMs = Number(options['idle-minutes']) * 60_000;
const messages = Number(options.messages);
const pacedAccounts = Math.min(Number(options['paced-accounts']), accounts - 1);
const pacedMessages = Number(options['paced-messages']);
const single = Number(options.single);
const aimedDollars = 20;
const readWithinMs = 20 * 60_000;
/** After the last receipt: completion, and what else follows a change. */
const afterMs = 8_000;
const quietMs = 60_000;
const quietWithinMs = 10 * 60_000;
const text = 'Your parcel is on its way and will be with you tomorrow. Parcel';
const dayMs = 24 * 3_600_000;

interface Order {
  account: LinkedAccount;
  to: string[];
}

const startMs = performance.now();

async function main(world: LinkedWorld, usage: () => Usage): Promise<boolean> {
  await Promise.all(Array.from({ length: hosts }, () => world.startHost()));
  await whenConnected(world, world.hosts, accounts, 180_000);
  await whenQuiet(usage);
  const memoryOf = memoryOfFunctions(world);

  console.error(`Idle for ${options['idle-minutes']} minutes`);
  const idleFrom = usage();
  const countedFrom = await readHosts(world);
  await sleep(idleMs);
  const idle = between(idleFrom, usage());
  const counted = differences(countedFrom, await readHosts(world));
  const { hostCpu, hostMemoryMiB } = readSettings(() => undefined);
  const passed = [reportIdle(idle, { accounts, hosts, counted, hostCpu, hostMemoryMiB }, memoryOf)];

  const measure = async (name: string, orders: Order[], width: number): Promise<number> => {
    const count = orders.reduce((sum, { to }) => sum + to.length, 0);
    console.error(`${name}: ${count} messages`);
    const before = usage();
    await send(world, orders, width);
    return reportMessages(name, count, aboveIdle(between(before, usage()), idle), memoryOf);
  };
  const [first, ...others] = world.accounts;
  if (first === undefined) throw new Error('There is no account.');
  const take = (count: number): string[] => reading.splice(0, count);
  let contractDollars: number | undefined;
  if (messages > 0) {
    const dollars = await measure('One contract, limits off', [{ account: first, to: take(messages) }], 1);
    passed.push(verdict('a million messages, limits off', dollars, aimedDollars, ' $'));
    if (single > 0) {
      const orders = Array.from({ length: single }, () => ({ account: first, to: take(1) }));
      const singleDollars = await measure('Orders of one message', orders, 1);
      contractDollars = singleDollars - dollars;
      console.log(`        a million orders of one message: $${singleDollars.toFixed(2)}`);
    }
  }
  if (pacedAccounts > 0 && pacedMessages > 0) {
    const orders = others.slice(0, pacedAccounts).map((account) => ({ account, to: take(pacedMessages) }));
    const dollars = await measure('Default pacing', orders, 4);
    console.log(`        in contracts of ${pacedMessages}: $${dollars.toFixed(2)} a million`);
    // What a contract costs apart from its messages is shared by as many as it has: in real time only few can be waited for.
    const shared = (by: number): number => (contractDollars ?? 0) / by;
    const inLarge = dollars - shared(pacedMessages) + shared(Math.max(messages, pacedMessages));
    passed.push(
      verdict(
        `a million messages, default pacing, contracts of ${Math.max(messages, pacedMessages)}`,
        inLarge,
        aimedDollars,
        ' $',
      ),
    );
  }
  return passed.every(Boolean);
}

/** Waits, at most ten minutes, until no host has called AWS for an account for a minute: connected, and shared out among the hosts. */
async function whenQuiet(usage: () => Usage): Promise<void> {
  const callsForAccounts = (): number =>
    usage().entries.reduce((sum, { who, ofAccounts }) => sum + (who === 'host' ? ofAccounts : 0), 0);
  const fromMs = performance.now();
  let [last, sinceMs] = [callsForAccounts(), fromMs];
  while (performance.now() - sinceMs < quietMs && performance.now() - fromMs < quietWithinMs) {
    await sleep(1_000);
    const now = callsForAccounts();
    if (now !== last) [last, sinceMs] = [now, performance.now()];
  }
  console.error(`Quiet after ${((sinceMs - fromMs) / 1000).toFixed(0)} s`);
}

/** Orders the messages, `width` contracts at a time, and waits until all are read and what follows has been done. */
async function send({ world, deps }: LinkedWorld, orders: Order[], width: number): Promise<void> {
  const open: { contractId: string; accountId: string; count: number }[] = [];
  await inParallel(width, orders, async ({ account, to }) => {
    const recipients = to.map((phoneNumber, index) => ({ phoneNumber, message: `${text} ${index}` }));
    const { id } = await world.contract(account.id, recipients);
    open.push({ contractId: id, accountId: account.id, count: to.length });
  });
  const fromMs = performance.now();
  // Past the API, whose requests are being counted.
  while (open.length > 0) {
    const one = open[0];
    if (one === undefined) break;
    const counts = await countsOf(deps, one.contractId, one.accountId);
    if (counts.read === one.count) open.shift();
    else await sleep(500);
    if (performance.now() - fromMs > readWithinMs) throw new Error('Not every message was read in time.');
  }
  await sleep(afterMs);
}

/** Megabytes that the template gives each function. */
function memoryOfFunctions({ world }: LinkedWorld): (name: string) => number {
  const sizes = new Map(
    world.stack.functions.map(({ name, pid }) => [name, Number(environmentOf(pid).AWS_LAMBDA_FUNCTION_MEMORY_SIZE)]),
  );
  return (name) => sizes.get(name) ?? Number.NaN;
}

const readHosts = (world: LinkedWorld): Promise<HostUse[]> =>
  Promise.all(world.hosts.map((host) => readHost(host.metricsUrl)));

function differences(before: HostUse[], after: HostUse[]): Map<string, number> {
  const sum = new Map<string, number>();
  for (const [at, use] of after.entries()) {
    const { calls } = difference(before[at] ?? { cpuMs: 0, calls: new Map() }, use);
    for (const [call, count] of calls) sum.set(call, (sum.get(call) ?? 0) + count);
  }
  return sum;
}

const numbers = fictionalNumbers(accounts + messages + pacedAccounts * pacedMessages + (messages > 0 ? single : 0));
const reading = numbers.slice(accounts);
const invocations = watchInvocations();
let dataDir = '';
const proxy = await startCountingProxy(() => emulatorsOf(dataDir));
let world: LinkedWorld | undefined;
try {
  console.error(`Linking ${accounts} accounts`);
  world = await startLinkedWorld({
    accounts: numbers.slice(0, accounts),
    reading,
    // The first one sends without limits, the next ones are warmed up and paced.
    settings: (index) =>
      index > 0 && index <= pacedAccounts
        ? { useLimits: true, linkedAt: Date.now() - 100 * dayMs, pacedSince: Date.now() - 100 * dayMs }
        : {},
    env: (folder) => {
      dataDir = folder;
      return proxy.env;
    },
  });
  const functions = world.world.stack.functions.map(({ name }) => name);
  const usage = (): Usage => {
    const invoked = invocations();
    return {
      seconds: (performance.now() - startMs) / 1000,
      entries: proxy.ledger.snapshot(),
      invocations: invoked,
      logBytes: logBytesIn(dataDir, functions),
    };
  };
  process.exitCode = (await main(world, usage)) ? 0 : 1;
} finally {
  await world?.stop();
  await proxy.stop();
}
