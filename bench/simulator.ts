import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import makeWASocket, {
  type AuthenticationCreds,
  Browsers,
  initAuthCreds,
  type SignalDataSet,
  type SignalDataTypeMap,
  type WASocket,
} from '@whiskeysockets/baileys';
import { WA_CERT_DETAILS } from '@whiskeysockets/baileys/lib/Defaults/index.js';
import { silentLogger } from '../test/harness/silent-logger.ts';

/**
 * How many accounts and messages the simulator carries, so that what is measured through it is not its own limit:
 *   node bench/simulator.ts [accounts=200] [messages=4000] [recipients=200]
 * The simulator is a process of its own with a data folder; real Baileys is the load, in this process.
 */
const [accounts = 200, messages = 4000, recipients = 200] = process.argv.slice(2).map(Number);
const LINKS_AT_ONCE = 8;
/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SEC = 100;

type Simulator = { url: string; whatsappUrl: string; rootKeyHex: string; child: ChildProcess };
type Auth = { creds: AuthenticationCreds; keys: Map<string, unknown> };

// Baileys' Signal library prints sessions, private keys included, when it closes them.
console.info = () => undefined;

async function start(dataDir: string): Promise<Simulator> {
  const main = join(import.meta.dirname, '../simulator/main.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main], {
    env: { ...process.env, SIMULATOR_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  if (!child.stdout) throw new Error('The simulator has no output.');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { ...JSON.parse(String(line)), child };
}

function connect(simulator: Simulator, auth: Auth): WASocket {
  const get = <T extends keyof SignalDataTypeMap>(type: T, ids: string[]) => {
    const found: { [id: string]: SignalDataTypeMap[T] } = {};
    for (const id of ids) {
      const value = auth.keys.get(`${type} ${id}`);
      if (value !== undefined) found[id] = value as SignalDataTypeMap[T];
    }
    return found;
  };
  const set = (data: SignalDataSet) => {
    for (const [type, entries] of Object.entries(data)) {
      for (const [id, value] of Object.entries(entries)) auth.keys.set(`${type} ${id}`, value ?? undefined);
    }
  };
  return makeWASocket({
    waWebSocketUrl: simulator.whatsappUrl,
    auth: { creds: auth.creds, keys: { get, set } },
    logger: silentLogger,
    browser: Browsers.macOS('Chrome'),
    syncFullHistory: false,
    markOnlineOnConnect: false,
    emitOwnEvents: false,
    enableRecentMessageCache: false,
  });
}

/** The value that an update brings; rejects after 30 s. */
function hear<T>(sock: WASocket, pick: (update: { connection?: string; qr?: string }) => T | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error('Nothing came for 30 s.')), 30_000);
    sock.ev.on('connection.update', (update) => {
      const value = pick(update as { connection?: string; qr?: string });
      if (value === undefined) return;
      clearTimeout(limit);
      resolve(value);
    });
  });
}

async function linkAndLogin(simulator: Simulator, number: string): Promise<WASocket> {
  const auth: Auth = { creds: initAuthCreds(), keys: new Map() };
  const linking = connect(simulator, auth);
  const closed = hear(linking, ({ connection }) => (connection === 'close' ? true : undefined));
  const code = await hear(linking, ({ qr }) => qr);
  const scan = await fetch(`${simulator.url}/phones/${number}/scan`, {
    method: 'POST',
    body: JSON.stringify({ code }),
  });
  if (!scan.ok) throw new Error(`Linking failed with ${scan.status}.`);
  await closed;
  const sock = connect(simulator, auth);
  await hear(sock, ({ connection }) => (connection === 'open' ? true : undefined));
  return sock;
}

/** CPU seconds and resident megabytes of a process. */
function usage(pid: number): { cpuSec: number; rssMb: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { cpuSec: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC, rssMb: Number(rss) / 1024 };
}

async function totals(simulator: Simulator): Promise<Record<string, number>> {
  return (await (await fetch(`${simulator.url}/totals`)).json()) as Record<string, number>;
}

async function measure<T>(simulator: Simulator, name: string, units: number, work: () => Promise<T>): Promise<T> {
  const pid = simulator.child.pid ?? 0;
  const before = usage(pid);
  const ownBefore = process.cpuUsage();
  const startMs = performance.now();
  const result = await work();
  const seconds = (performance.now() - startMs) / 1000;
  const after = usage(pid);
  const own = process.cpuUsage(ownBefore);
  rows.push({
    step: name,
    units,
    seconds: seconds.toFixed(2),
    'per second': (units / seconds).toFixed(0),
    'simulator CPU ms each': (((after.cpuSec - before.cpuSec) * 1000) / units).toFixed(2),
    'Baileys CPU ms each': ((own.user + own.system) / 1000 / units).toFixed(2),
    'simulator RSS MB': after.rssMb.toFixed(0),
  });
  return result;
}

const rows: Record<string, string | number>[] = [];
const dataDir = mkdtempSync(join(tmpdir(), 'paceline-bench-simulator-'));
const simulator = await start(dataDir);
Buffer.from(simulator.rootKeyHex, 'hex').copy(WA_CERT_DETAILS.PUBLIC_KEY);
try {
  const socks: WASocket[] = [];
  await measure(simulator, 'link and log in', accounts, async () => {
    const waiting = Array.from({ length: accounts }, (_, n) => String(15550100001 + n));
    const worker = async () => {
      for (let number = waiting.shift(); number; number = waiting.shift())
        socks.push(await linkAndLogin(simulator, number));
    };
    await Promise.all(Array.from({ length: LINKS_AT_ONCE }, worker));
  });
  const { connections } = await totals(simulator);

  const sendAll = async (from: WASocket[], count: number) => {
    const target = (await totals(simulator)).received ?? 0;
    const each = Math.ceil(count / from.length);
    const senders = from.map(async (sock, s) => {
      for (let n = 0; n < each && s * each + n < count; n++) {
        const number = 15550200001 + ((s * each + n) % recipients);
        await sock.sendMessage(`${number}@s.whatsapp.net`, { text: `Message ${n} of sender ${s}` });
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    await Promise.all(senders);
    while (((await totals(simulator)).received ?? 0) < target + count) await new Promise((r) => setTimeout(r, 20));
  };
  const [first] = socks;
  if (!first) throw new Error('No account is connected.');
  await measure(simulator, 'first messages, 1 account', recipients, () => sendAll([first], recipients));
  await measure(simulator, 'later messages, 1 account', messages, () => sendAll([first], messages));
  await measure(simulator, 'messages, all accounts', messages, () => sendAll(socks, messages));

  console.table(rows);
  console.log(JSON.stringify({ connectedAtOnce: connections, ...(await totals(simulator)) }));
  for (const sock of socks) sock.end(undefined);
} finally {
  const exit = once(simulator.child, 'exit');
  simulator.child.kill('SIGTERM');
  await exit;
  rmSync(dataDir, { recursive: true, force: true });
}
