import { setTimeout as sleep } from 'node:timers/promises';
import makeWASocket, {
  initAuthCreds,
  type SignalDataSet,
  type SignalDataTypeMap,
  type WASocket,
} from '@whiskeysockets/baileys';
import { WA_CERT_DETAILS } from '@whiskeysockets/baileys/lib/Defaults/index.js';
import { pino } from 'pino';

/**
 * What bench/send compares with: Baileys as written on the first day, every option at its default but the server's address
 * and a silent logger, keys in memory. A process of its own, commanded over IPC:
 *   {kind:'send', to, text}  ->  {kind:'sent', seconds, cpuMs}: `await sendMessage` one after the other, then until the server has
 *                                acked all of them; CPU of the process, from rest to rest
 * It says {kind:'qr', code} when it wants to be linked and {kind:'open'} when it is ready.
 * Environment: WHATSAPP_URL, WHATSAPP_ROOT_KEY (hex).
 */
export type ToBare = { kind: 'send'; to: string[]; text: string };
export type FromBare =
  | { kind: 'qr'; code: string }
  | { kind: 'open' }
  | { kind: 'sent'; seconds: number; cpuMs: number };

const ackedWithinMs = 60_000;
/** Looked at so often. */
const restMs = 1_000;
/** Of a core; taking a profile keeps a process at rest busy. */
const restShare = process.execArgv
  .concat(process.env.NODE_OPTIONS ?? '')
  .some((option) => option.includes('--cpu-prof'))
  ? 0.3
  : 0.02;

// Baileys' Signal library prints sessions, private keys included, when it closes them.
console.info = () => undefined;

const report = (message: FromBare): void => void process.send?.(message);
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const creds = initAuthCreds();
const stored = new Map<string, unknown>();
const acked = new Set<string>();

function connect(): WASocket {
  const sock = makeWASocket({
    waWebSocketUrl: process.env.WHATSAPP_URL ?? '',
    logger: pino({ level: 'silent' }),
    auth: { creds, keys: { get, set } },
  });
  sock.ws.on('CB:ack,class:message', ({ attrs }: { attrs: { id: string } }) => acked.add(attrs.id));
  sock.ev.on('creds.update', (update) => Object.assign(creds, update));
  sock.ev.on('connection.update', ({ connection, qr }) => {
    if (qr !== undefined) report({ kind: 'qr', code: qr });
    if (connection === 'open') report({ kind: 'open' });
    // The restart after linking is the only end that is expected here.
    if (connection === 'close') current = connect();
  });
  return sock;
}

function get<T extends keyof SignalDataTypeMap>(type: T, ids: string[]): { [id: string]: SignalDataTypeMap[T] } {
  const found: { [id: string]: SignalDataTypeMap[T] } = {};
  for (const id of ids) {
    const value = stored.get(`${type} ${id}`);
    if (value !== undefined) found[id] = value as SignalDataTypeMap[T];
  }
  return found;
}

function set(data: SignalDataSet): void {
  for (const [type, entries] of Object.entries(data)) {
    for (const [id, value] of Object.entries(entries)) stored.set(`${type} ${id}`, value ?? undefined);
  }
}

async function atRest(): Promise<void> {
  for (let before = cpuMs(); ; before = cpuMs()) {
    await sleep(restMs);
    if (cpuMs() - before < restMs * restShare) return;
  }
}

async function send({ to, text }: ToBare): Promise<void> {
  await atRest();
  const cpuBeforeMs = cpuMs();
  const startMs = performance.now();
  const ids: string[] = [];
  for (const [index, number] of to.entries()) {
    const sent = await current.sendMessage(`${number}@s.whatsapp.net`, { text: `${text} ${index}` });
    if (sent?.key.id) ids.push(sent.key.id);
  }
  while (ids.length < to.length || ids.some((id) => !acked.has(id))) {
    if (performance.now() - startMs > ackedWithinMs) throw new Error('The server has not acked every message.');
    await sleep(5);
  }
  const seconds = (performance.now() - startMs) / 1000;
  await atRest();
  report({ kind: 'sent', seconds, cpuMs: cpuMs() - cpuBeforeMs });
}

Buffer.from(process.env.WHATSAPP_ROOT_KEY ?? '', 'hex').copy(WA_CERT_DETAILS.PUBLIC_KEY);
let current = connect();
process.on('message', (message: ToBare) => void send(message));
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(0));
