import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { fictionalNumbers } from './fictional-numbers.ts';
import { readHost } from './host-metrics.ts';
import { addKeys } from './linked/accounts.ts';
import { type LinkedWorld, startLinkedWorld, whenConnected } from './linked/world.ts';
import { keysOfRecipients } from './many-keys.ts';
import { cpuMsOf, memoryOf } from './process-use.ts';
import { startTuned } from './tuned-process.ts';
import { verdict } from './verdict.ts';

/**
 * How many accounts one host carries, beside tuned bare Baileys with as many sockets in one process, in the same run:
 *   node bench/density.ts [--accounts 1000] [--rate 20] [--rest 30] [--with-keys 50] [--keys 20000] [--host-options=--heap-prof]
 * All accounts are linked already and have connected before. Both open connections at the same rate (a second), on the same simulator,
 * one process after the other. Memory is that of the whole process, `--rest` seconds after the last one is connected; CPU is counted from
 * the moment the process is ready until the last one is connected. Then the host starts once more with `--keys` more keys in each of
 * `--with-keys` accounts. A host on a machine of its own opens 10 a second by default.
 */
const { values: options } = parseArgs({
  options: {
    accounts: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '20' },
    rest: { type: 'string', default: '30' },
    'with-keys': { type: 'string', default: '50' },
    keys: { type: 'string', default: '20000' },
    'host-options': { type: 'string', default: '' },
  },
});
const accounts = Number(options.accounts);
const ratePerSec = Number(options.rate);
const restMs = Number(options.rest) * 1000;
const withKeys = Math.min(Number(options['with-keys']), accounts);
const aims = { memory: 1.5, seconds: 1.3, cpu: 1.3 };
/** Generous, for a machine with other work. */
const connectWithinMs = 120_000 + accounts * 500;
const idleMs = 10_000;

interface Measured {
  who: string;
  startRssMb: number;
  seconds: number;
  cpuMsEach: number;
  rssMb: number;
  anonMb: number;
  /** Of a core, while nothing happens. */
  idlePercent: number;
}

/** Watches a process from when it is ready: until all are connected, through a rest, and ten seconds more. */
async function measure(who: string, pid: number, connect: () => Promise<unknown>): Promise<Measured> {
  const { rssMb: startRssMb } = memoryOf(pid);
  const cpuBeforeMs = cpuMsOf(pid);
  const startMs = performance.now();
  await connect();
  const seconds = (performance.now() - startMs) / 1000;
  const cpuMsEach = (cpuMsOf(pid) - cpuBeforeMs) / accounts;
  await sleep(restMs);
  const { rssMb, anonMb } = memoryOf(pid);
  const idleBeforeMs = cpuMsOf(pid);
  await sleep(idleMs);
  const idlePercent = (100 * (cpuMsOf(pid) - idleBeforeMs)) / idleMs;
  console.error(`${who}: ${rssMb.toFixed(0)} MB, ${seconds.toFixed(1)} s, ${cpuMsEach.toFixed(1)} ms a connection`);
  return { who, startRssMb, seconds, cpuMsEach, rssMb, anonMb, idlePercent };
}

async function measureTuned({ hostEnv, dataDir, bare }: LinkedWorld): Promise<Measured> {
  const tuned = await startTuned(hostEnv, dataDir);
  try {
    return await measure('tuned bare Baileys', tuned.pid, () => tuned.connect(bare, ratePerSec));
  } finally {
    await tuned.stop();
  }
}

/** Calls to AWS of each host measured, by `service Command`. */
const callsOf = new Map<string, Map<string, number>>();

async function measureHost(world: LinkedWorld, who: string): Promise<Measured> {
  const host = await world.startHost({
    env: { CONNECTS_PER_SEC: String(ratePerSec), DRAIN_SEC: '5' },
    nodeOptions: options['host-options'].split(' ').filter(Boolean),
  });
  try {
    return await measure(who, host.pid, async () => {
      await whenConnected(world, [host], accounts, connectWithinMs);
      callsOf.set(who, (await readHost(host.metricsUrl)).calls);
    });
  } finally {
    // A process that ends by itself writes its profile; without one, a kill is faster, since no host could take the accounts over.
    if (options['host-options'] === '') host.kill('SIGKILL');
    await host.stop(150_000);
  }
}

const numbers = fictionalNumbers(2 * accounts);
console.error(`Linking ${2 * accounts} devices`);
const world = await startLinkedWorld({ accounts: numbers.slice(0, accounts), bare: numbers.slice(accounts) });
try {
  const bare = await measureTuned(world);
  const host = await measureHost(world, 'host');
  const rows = [bare, host];
  if (withKeys > 0) {
    console.error(`Adding ${options.keys} keys to each of ${withKeys} accounts`);
    await addKeys(world.deps, world.accounts.slice(0, withKeys), keysOfRecipients(Number(options.keys) / 4));
    rows.push(await measureHost(world, `host, ${options.keys} keys in ${withKeys} accounts`));
  }
  console.log(`\n${accounts} accounts, ${ratePerSec} connections a second`);
  console.table(
    rows.map((row) => ({
      process: row.who,
      'RSS at start MB': row.startRssMb.toFixed(0),
      'RSS idle MB': row.rssMb.toFixed(0),
      'not files MB': row.anonMb.toFixed(0),
      'KB an account': (((row.rssMb - row.startRssMb) * 1024) / accounts).toFixed(0),
      'all connected s': row.seconds.toFixed(1),
      'CPU ms a connection': row.cpuMsEach.toFixed(1),
      'idle CPU %': row.idlePercent.toFixed(1),
    })),
  );
  console.log('Calls to AWS until all were connected, an account');
  const commands = [...new Set([...callsOf.values()].flatMap((calls) => [...calls.keys()]))].sort();
  const each = (calls: Map<string, number>, command: string): string =>
    ((calls.get(command) ?? 0) / accounts).toFixed(2);
  console.table(
    commands.map((command) => ({
      call: command,
      ...Object.fromEntries([...callsOf].map(([who, calls]) => [who, each(calls, command)])),
    })),
  );
  const passed = [
    verdict('RSS of the host to tuned bare Baileys', host.rssMb / bare.rssMb, aims.memory, ' x'),
    verdict('time until all are connected', host.seconds / bare.seconds, aims.seconds, ' x'),
    verdict('CPU of a connection', host.cpuMsEach / bare.cpuMsEach, aims.cpu, ' x'),
    ...rows
      .slice(2)
      .map((row) =>
        verdict(`RSS with ${options.keys} keys in ${withKeys} accounts`, row.rssMb / bare.rssMb, aims.memory, ' x'),
      ),
  ];
  process.exitCode = passed.every(Boolean) ? 0 : 1;
} finally {
  await world.stop();
}
