import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { fictionalNumbers } from './fictional-numbers.ts';
import { type Coverage, connectionChanges, coverageOf } from './linked/coverage.ts';
import type { HostProcess } from './linked/host-process.ts';
import { connectedAt, type LinkedWorld, startLinkedWorld, whenConnected } from './linked/world.ts';
import { median, verdict } from './verdict.ts';

/**
 * How long accounts are without a connection when hosts of a fleet die or are replaced, measured at WhatsApp's end (the simulator's log of
 * connections), with all accounts linked and idle:
 *   node bench/fleet.ts [--kill] [--roll] [--at-once] [--accounts 300] [--hosts 3] [--pause 5]
 * `--kill`: SIGKILL to one host, which is not started again; the others take its accounts over. `--roll`: all hosts are replaced twice. First
 * one after the other: a new one is started, and once it is ready, and `--pause` seconds later, an old one gets SIGTERM; when that has ended
 * the next one follows. Then at once: all new ones are started, then all old ones get SIGTERM together, as in a deployment (at least
 * 100 % healthy, up to 200 % running). `--at-once`: only the latter. Default: `--kill` and `--roll`.
 */
const { values: options } = parseArgs({
  options: {
    kill: { type: 'boolean', default: false },
    roll: { type: 'boolean', default: false },
    'at-once': { type: 'boolean', default: false },
    accounts: { type: 'string', default: '300' },
    hosts: { type: 'string', default: '3' },
    pause: { type: 'string', default: '5' },
  },
});
const accounts = Number(options.accounts);
const hosts = Number(options.hosts);
const pauseMs = Number(options.pause) * 1000;
const all = !options.kill && !options.roll && !options['at-once'];
/** Seconds from the kill until an account is connected again; seconds without a connection in a replacement. */
const aims = { kill: 30, rollMedian: 3, rollWorst: 10 };
/** Longer than a drain may take (Fargate's limit is 120 s). */
const drainWithinMs = 125_000;
const connectWithinMs = 180_000;
/** The time a fleet must stay fully connected to count as steady. */
const steadyMs = 5_000;
const steadyWithinMs = 120_000;

const numbers = fictionalNumbers(accounts);
let fleet: HostProcess[] = [];
let endedThemselves = 0;

async function untilSteady(world: LinkedWorld): Promise<void> {
  let sinceMs = performance.now();
  for (const startMs = performance.now(); performance.now() - sinceMs < steadyMs; await sleep(250)) {
    if (performance.now() - startMs > steadyWithinMs) {
      console.error(`Not all accounts are connected ${steadyWithinMs / 1000} s later.`);
      return;
    }
    await startAgain(world);
    const [held, { connections }] = await Promise.all([connected(), world.world.totals()]);
    if (held < accounts || connections < accounts) sinceMs = performance.now();
  }
}

/** Accounts connected at each host. */
async function shares(): Promise<number[]> {
  return await Promise.all(fleet.map((host) => (host.ended ? 0 : connectedAt(host).catch(() => 0))));
}

async function connected(): Promise<number> {
  return (await shares()).reduce((sum, count) => sum + count, 0);
}

/** A host that ended by itself (a lost lease, on a machine with too much work) is started again, as ECS would; the run is no good then. */
async function startAgain(world: LinkedWorld): Promise<void> {
  for (const host of fleet.filter((one) => one.ended)) {
    endedThemselves += 1;
    console.error(`A host has ended by itself: ${host.lastWords()}`);
    fleet = [...fleet.filter((one) => one !== host), await world.startHost()];
  }
}

/** Returns the gaps of all accounts while `work` ran and until the fleet was steady. */
async function watched(world: LinkedWorld, work: () => Promise<void>): Promise<Coverage[]> {
  const fromMs = Date.now();
  await work();
  await untilSteady(world);
  return coverageOf(await connectionChanges(world.world), numbers, fromMs, Date.now());
}

const worstOf = ({ gaps }: Coverage): number => Math.max(0, ...gaps);

function show(what: string, coverage: Coverage[]): void {
  const touched = coverage.filter(({ gaps, connects }) => gaps.length > 0 || connects > 0);
  const worst = coverage.map(worstOf);
  const sorted = [...worst].sort((a, b) => a - b);
  console.log(`\n${what}`);
  console.table([
    {
      accounts: coverage.length,
      'moved or cut': touched.length,
      'connects each': (
        coverage.reduce((sum, { connects }) => sum + connects, 0) / Math.max(1, touched.length)
      ).toFixed(2),
      'gaps each': (coverage.reduce((sum, { gaps }) => sum + gaps.length, 0) / Math.max(1, touched.length)).toFixed(2),
      'median s': median(worst).toFixed(2),
      'p95 s': sorted[Math.ceil(sorted.length * 0.95) - 1]?.toFixed(2),
      'worst s': Math.max(...worst).toFixed(2),
      'not connected': coverage.filter((one) => !one.connected).length,
    },
  ]);
}

async function kill(world: LinkedWorld): Promise<boolean> {
  const held = await shares();
  const victim = fleet[held.indexOf(Math.max(...held))];
  if (victim === undefined) throw new Error('There is no host to kill.');
  console.error(`Connected at the hosts: ${held.join(', ')}; killing the one with most`);
  const coverage = await watched(world, async () => {
    victim.kill('SIGKILL');
    fleet = fleet.filter((host) => host !== victim);
    // The simulator needs a moment to see its connections gone, or the fleet would look steady.
    await sleep(1_000);
  });
  // Of the accounts of the dead host.
  const cut = coverage.filter(({ gaps }) => gaps.length > 0);
  show(`SIGKILL of one of ${hosts} hosts; the accounts it had, from the kill until connected again`, cut);
  return verdict('slowest account after SIGKILL', Math.max(...cut.map(worstOf)), aims.kill, ' s');
}

async function replace(world: LinkedWorld): Promise<boolean[]> {
  const coverage = await watched(world, async () => {
    for (const old of [...fleet]) {
      fleet.push(await world.startHost());
      await sleep(pauseMs);
      await end(old);
    }
  });
  return judge(`Replacement of all ${hosts} hosts, one after the other, each new one started first`, coverage);
}

async function replaceAtOnce(world: LinkedWorld): Promise<boolean[]> {
  const coverage = await watched(world, async () => {
    const old = [...fleet];
    fleet.push(...(await Promise.all(old.map(() => world.startHost()))));
    await sleep(pauseMs);
    await Promise.all(old.map((host) => end(host)));
  });
  return judge(`Replacement of all ${hosts} hosts at once, the new ones started first`, coverage);
}

async function end(host: HostProcess): Promise<void> {
  const startMs = performance.now();
  await host.stop(drainWithinMs);
  fleet = fleet.filter((one) => one !== host);
  console.error(
    `A drain took ${((performance.now() - startMs) / 1000).toFixed(1)} s; connected now: ${(await shares()).join(', ')}`,
  );
}

function judge(what: string, coverage: Coverage[]): boolean[] {
  show(`${what}: the longest gap of each account`, coverage);
  const worst = coverage.map(worstOf);
  return [
    verdict('median account without a connection', median(worst), aims.rollMedian, ' s'),
    verdict('worst account without a connection', Math.max(...worst), aims.rollWorst, ' s'),
  ];
}

console.error(`Linking ${accounts} accounts`);
const world = await startLinkedWorld({ accounts: numbers });
try {
  fleet = await Promise.all(Array.from({ length: hosts }, () => world.startHost()));
  const seconds = await whenConnected(world, fleet, accounts, connectWithinMs);
  console.error(`${accounts} accounts connected in ${seconds.toFixed(1)} s`);
  await untilSteady(world);
  const passed: boolean[] = [];
  if (options.roll || all) passed.push(...(await replace(world)));
  if (options.roll || options['at-once'] || all) passed.push(...(await replaceAtOnce(world)));
  // Last, because it leaves one host fewer.
  if (options.kill || all) passed.push(await kill(world));
  if (endedThemselves > 0) passed.push(verdict('hosts that ended by themselves', endedThemselves, 0));
  process.exitCode = passed.every(Boolean) ? 0 : 1;
} finally {
  await world.stop();
}
