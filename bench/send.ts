import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startWorld, type World } from '../test/harness/local-stack.ts';
import type { FromBare, ToBare } from './bare-baileys.ts';
import { fictionalNumbers } from './fictional-numbers.ts';
import { difference, readHost, whenIdle } from './host-metrics.ts';
import { printProfile } from './profile.ts';

/**
 * What a message costs a socket host, beside bare, untuned Baileys on the same simulator in the same run:
 *   node bench/send.ts [--messages 1000] [--profile]
 * One account with the limits off sends to numbers it has never written to and then to the same numbers again; so does Baileys, with
 * numbers of its own. The phones send no receipts. `--profile` also shows where the CPU time went; measuring that slows both down.
 */
const { values: options } = parseArgs({
  options: { messages: { type: 'string', default: '1000' }, profile: { type: 'boolean', default: false } },
});
const messages = Number(options.messages);
/** Of host CPU to Baileys' CPU, for the same messages. */
const aimedRatio = 3.5;
const rounds = ['first contact', 'known number'] as const;
const phonesAtOnce = 16;
const text = 'Your parcel is on its way and will be with you tomorrow. Parcel';

interface Round {
  seconds: number;
  cpuMs: number;
}
interface HostRound extends Round {
  calls: Map<string, number>;
  fromUs: number;
  toUs: number;
}

const profileDir = options.profile ? mkdtempSync(join(tmpdir(), 'paceline-profile-')) : undefined;
/** In a profile 0.5 ms apart. */
const profiled =
  profileDir === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-interval 500 --cpu-prof-dir=${profileDir}` };
/** Taking the profile keeps a process at rest busy. */
const idleShare = options.profile ? 0.3 : 0.05;
const microseconds = (): number => Number(process.hrtime.bigint() / 1000n);

async function makePhones(world: World, numbers: string[]): Promise<void> {
  const waiting = [...numbers];
  const worker = async (): Promise<void> => {
    for (let number = waiting.shift(); number !== undefined; number = waiting.shift())
      await world.simulator('POST', '/phones', { number, behaviour: { deliver: false } });
  };
  await Promise.all(Array.from({ length: phonesAtOnce }, worker));
}

async function sendByGateway(world: World, accountId: string, to: string[]): Promise<HostRound> {
  const metricsUrl = world.stack.hosts[0]?.metricsUrl ?? '';
  const cpuMs = async (): Promise<number> => (await readHost(metricsUrl)).cpuMs;
  await whenIdle(cpuMs, idleShare);
  const before = await readHost(metricsUrl);
  const { received } = await world.totals();
  const fromUs = microseconds();
  const startMs = performance.now();
  const recipients = to.map((phoneNumber, index) => ({ phoneNumber, message: `${text} ${index}` }));
  const { id } = await world.contract(accountId, recipients);
  // Looked at rarely, because looking costs the machine what is being measured.
  while ((await world.totals()).received < received + to.length) await new Promise((done) => setTimeout(done, 50));
  const seconds = (performance.now() - startMs) / 1000;
  const ended = await world.ended(id);
  if (ended.counts.sent !== to.length) throw new Error(`Only ${ended.counts.sent} of ${to.length} were sent.`);
  await whenIdle(cpuMs, idleShare);
  const use = difference(before, await readHost(metricsUrl));
  return { seconds, ...use, fromUs, toUs: microseconds() };
}

/** Starts bare Baileys and links it with a phone of that number. */
async function startBare(world: World, number: string): Promise<ChildProcess> {
  const { whatsappUrl, rootKeyHex } = await world.simulator<Record<string, string>>('GET', '/root-key');
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'bare-baileys.ts')],
    {
      env: { ...process.env, ...profiled, WHATSAPP_URL: whatsappUrl ?? '', WHATSAPP_ROOT_KEY: rootKeyHex ?? '' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  );
  await world.simulator('POST', '/phones', { number });
  const { code } = await told(child, 'qr');
  const open = told(child, 'open');
  await world.simulator('POST', `/phones/${number}/scan`, { code });
  await open;
  return child;
}

async function sendByBare(child: ChildProcess, to: string[]): Promise<Round> {
  const sent = told(child, 'sent');
  child.send({ kind: 'send', to, text } satisfies ToBare);
  return await sent;
}

function told<K extends FromBare['kind']>(child: ChildProcess, kind: K): Promise<Extract<FromBare, { kind: K }>> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error(`Bare Baileys ended before it said ${kind}.`));
    child.once('exit', gone);
    child.on('message', function hear(message: FromBare) {
      if (message.kind !== kind) return;
      child.off('message', hear).off('exit', gone);
      resolve(message as Extract<FromBare, { kind: K }>);
    });
  });
}

function report(host: HostRound[], bare: Round[]): void {
  const each = (round: Round | undefined): number => (round?.cpuMs ?? Number.NaN) / messages;
  const line = (who: string, name: string, round: Round | undefined) => ({
    who,
    round: name,
    seconds: round?.seconds.toFixed(2),
    'messages/s': (messages / (round?.seconds ?? Number.NaN)).toFixed(0),
    'CPU ms/message': each(round).toFixed(2),
  });
  console.table([
    ...rounds.map((name, i) => line('Paceline, host process', name, host[i])),
    ...rounds.map((name, i) => line('bare Baileys', name, bare[i])),
  ]);
  const commands = [...new Set(host.flatMap(({ calls }) => [...calls.keys()]))].sort();
  const perMessage = (count: number): string => (count / messages).toFixed(3);
  console.log("\nThe host's requests to AWS per message");
  console.table([
    ...commands.map((command) => ({
      command,
      ...Object.fromEntries(rounds.map((name, i) => [name, perMessage(host[i]?.calls.get(command) ?? 0)])),
    })),
    {
      command: 'all',
      ...Object.fromEntries(
        rounds.map((name, i) => [
          name,
          perMessage([...(host[i]?.calls.values() ?? [])].reduce((sum, n) => sum + n, 0)),
        ]),
      ),
    },
  ]);
  for (const [i, name] of rounds.entries()) {
    const ratio = each(host[i]) / each(bare[i]);
    const verdict = ratio <= aimedRatio ? 'reached' : 'missed';
    console.log(
      `${name}: host CPU is ${ratio.toFixed(2)} x bare Baileys; the aim, ${aimedRatio} or less, is ${verdict}.`,
    );
  }
}

// Baileys' Signal library prints sessions, private keys included, when it closes them.
console.info = () => undefined;
const numbers = fictionalNumbers(2 * messages + 2);
const ours = numbers.slice(0, messages);
const theirs = numbers.slice(messages, 2 * messages);
const [ourPhone = '', theirPhone = ''] = numbers.slice(2 * messages);
const world = await startWorld({ env: profiled });
let bare: ChildProcess | undefined;
const host: HostRound[] = [];
try {
  await makePhones(world, [...ours, ...theirs]);
  const accountId = await world.linked(ourPhone);
  bare = await startBare(world, theirPhone);
  const bareRounds: Round[] = [];
  for (const name of rounds) {
    console.error(`${name}: ${messages} messages by the gateway, then by bare Baileys`);
    host.push(await sendByGateway(world, accountId, ours));
    bareRounds.push(await sendByBare(bare, theirs));
  }
  report(host, bareRounds);
} finally {
  const pid = world.stack.hosts[0]?.pid;
  const barePid = bare?.pid;
  if (bare?.exitCode === null) {
    const exit = once(bare, 'exit');
    bare.kill('SIGTERM');
    await exit;
  }
  await world.stop();
  if (profileDir !== undefined) {
    console.log(`\nProfiles are in ${profileDir}`);
    for (const [i, name] of rounds.entries()) {
      const round = host[i];
      if (round !== undefined) printProfile(profileDir, { ...round, pid, messages, title: `host, ${name}` });
    }
    printProfile(profileDir, {
      pid: barePid,
      messages: 2 * messages,
      title: 'bare Baileys, start and linking included',
    });
  }
}
