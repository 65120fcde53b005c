import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { inParallel } from '../lib/aws/client/table.ts';
import { fictionalNumbers } from './fictional-numbers.ts';
import { difference, readHost, whenIdle } from './host-metrics.ts';
import { countsOf } from './linked/accounts.ts';
import type { HostProcess } from './linked/host-process.ts';
import { type LinkedWorld, startLinkedWorld, whenConnected } from './linked/world.ts';
import { cpuMsOf } from './process-use.ts';
import { printProfile } from './profile.ts';
import { type CallCounts, type Rounds, report, roundNames } from './send-report.ts';
import { startTuned, type TunedProcess } from './tuned-process.ts';
import { startUntuned } from './untuned-process.ts';

/**
 * What a message costs a socket host, beside bare Baileys on the same simulator in the same run:
 *   node bench/send.ts [--accounts 1,50] [--messages 1000] [--rounds 3] [--untuned] [--profile]
 * So many accounts with the limits off share the messages evenly, first to numbers they have never written to, then to the same numbers
 * again; so does tuned bare Baileys (bench/tuned-baileys.ts) with as many sockets in one process and numbers of its own. Each round has
 * new numbers, and the processes take turns in going first; the medians are compared. The phones send no receipts. `--untuned` adds one
 * socket of Baileys at its defaults. `--profile` also shows where the CPU time went; measuring that slows all of them down.
 */
const { values: options } = parseArgs({
  options: {
    accounts: { type: 'string', default: '1,50' },
    messages: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
    untuned: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
  },
});
const messages = Number(options.messages);
const rounds = Number(options.rounds);
const text = 'Your parcel is on its way and will be with you tomorrow. Parcel';
const sentWithinMs = 180_000;
const contractsAtOnce = 4;

/** Taking the profile keeps a process at rest busy. */
const idleShare = options.profile ? 0.3 : 0.05;
/** In a profile 0.5 ms apart. */
const profiling = (folder: string | undefined): string[] =>
  folder === undefined ? [] : ['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${folder}`];
const microseconds = (): number => Number(process.hrtime.bigint() / 1000n);

/** CPU of a process from rest to rest around `work`, whose answer is the seconds it took. */
async function fromRest(pid: number, work: () => Promise<number>): Promise<{ seconds: number; cpuMs: number }> {
  const read = async (): Promise<number> => cpuMsOf(pid);
  await whenIdle(read, idleShare);
  const before = cpuMsOf(pid);
  const seconds = await work();
  await whenIdle(read, idleShare);
  return { seconds, cpuMs: cpuMsOf(pid) - before };
}

async function sendByHost(world: LinkedWorld, host: HostProcess, to: string[][]) {
  await whenIdle(async () => cpuMsOf(host.pid), idleShare);
  const before = await readHost(host.metricsUrl);
  const fromUs = microseconds();
  const round = await fromRest(host.pid, () => throughApi(world, to));
  const { calls }: { calls: CallCounts } = difference(before, await readHost(host.metricsUrl));
  return { ...round, calls, fromUs, toUs: microseconds() };
}

/** The n-th account gets a contract for the numbers `to[n]`; seconds from the first order until the last message is at its phone. */
async function throughApi({ world, accounts, deps }: LinkedWorld, to: string[][]): Promise<number> {
  const { received } = await world.totals();
  const startMs = performance.now();
  const ordered: { accountId: string; contractId: string }[] = [];
  const orders = to.map((numbers, at) => ({ numbers, accountId: accounts[at]?.id ?? '' }));
  await inParallel(contractsAtOnce, orders, async ({ numbers, accountId }) => {
    const recipients = numbers.map((phoneNumber, index) => ({ phoneNumber, message: `${text} ${index}` }));
    ordered.push({ accountId, contractId: (await world.contract(accountId, recipients)).id });
  });
  const late = (): void => {
    if (performance.now() - startMs > sentWithinMs) throw new Error('Not every message was sent in time.');
  };
  // Looked at rarely, because looking costs the machine what is being measured.
  for (; (await world.totals()).received < received + messages; late()) await sleep(50);
  const seconds = (performance.now() - startMs) / 1000;
  for (const { contractId, accountId } of ordered) {
    const expected = orders.find((order) => order.accountId === accountId)?.numbers.length;
    for (; (await countsOf(deps, contractId, accountId)).sent !== expected; late()) await sleep(100);
  }
  return seconds;
}

const sendByTuned = (tuned: TunedProcess, to: string[][]) => fromRest(tuned.pid, () => tuned.send(to, text));

/** Splits the numbers among so many senders, the first ones getting one more where it does not come out even. */
function dealt(numbers: string[], senders: number): string[][] {
  return Array.from({ length: senders }, (_, at) => numbers.filter((_number, index) => index % senders === at));
}

/** Rounds with so many accounts, in a world of their own. */
async function measure(accounts: number, profileDir: string | undefined): Promise<void> {
  const withUntuned = options.untuned && accounts === 1;
  const fresh = fictionalNumbers(2 * accounts + 1 + (withUntuned ? 3 : 2) * rounds * messages);
  const take = (count: number): string[] => fresh.splice(0, count);
  const [ours, theirs, [untunedNumber = '']] = [take(accounts), take(accounts), take(1)];
  console.error(`${accounts} account(s): linking, and making ${fresh.length} phones`);
  const world = await startLinkedWorld({ accounts: ours, bare: theirs, silent: [...fresh] });
  const done: Rounds = { host: [], tuned: [], untuned: [] };
  const processes: { pid: number; stop(): Promise<void> }[] = [];
  try {
    const host = await world.startHost({ env: { DRAIN_SEC: '5' }, nodeOptions: profiling(profileDir) });
    processes.push(host);
    await whenConnected(world, [host], accounts, 60_000 + accounts * 1_000);
    const tuned = await startTuned(world.hostEnv, world.dataDir, profiling(profileDir));
    processes.push(tuned);
    await tuned.connect(world.bare, 10);
    const untuned = withUntuned ? await startUntuned(world.world, world.hostEnv, untunedNumber) : undefined;
    if (untuned !== undefined) processes.push(untuned);
    for (let round = 0; round < rounds; round++) {
      const toOurs = dealt(take(messages), accounts);
      const toTheirs = dealt(take(messages), accounts);
      const toUntuned = withUntuned ? take(messages) : [];
      for (const name of roundNames) {
        const sends = [
          async () => void done.host.push({ name, ...(await sendByHost(world, host, toOurs)) }),
          async () => void done.tuned.push({ name, ...(await sendByTuned(tuned, toTheirs)) }),
        ];
        for (const send of round % 2 === 0 ? sends : sends.reverse()) await send();
        if (untuned !== undefined) done.untuned.push({ name, ...(await untuned.send(toUntuned, text)) });
      }
      console.error(`Round ${round + 1} of ${rounds} is done.`);
    }
    passed = report(done, { accounts, messages }) && passed;
  } finally {
    // Each writes its profile when it ends by itself.
    await Promise.all(processes.map((one) => one.stop()));
    await world.stop();
  }
  if (profileDir !== undefined) printProfiles(profileDir, done, processes);
}

/** Of the last round of each kind, which holds the least compilation. */
function printProfiles(folder: string, done: Rounds, [host, tuned]: { pid: number }[]): void {
  console.log(`\nProfiles are in ${folder}`);
  for (const name of roundNames) {
    const round = done.host.findLast((one) => one.name === name);
    if (round !== undefined) printProfile(folder, { ...round, pid: host?.pid, messages, title: `host, ${name}` });
  }
  printProfile(folder, {
    pid: tuned?.pid,
    messages: 2 * messages * rounds,
    title: 'tuned bare Baileys, start included',
  });
}

let passed = true;
for (const accounts of options.accounts.split(',').map(Number)) {
  await measure(accounts, options.profile ? mkdtempSync(join(tmpdir(), 'paceline-profile-')) : undefined);
}
process.exitCode = passed ? 0 : 1;
