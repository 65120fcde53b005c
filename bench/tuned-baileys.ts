import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import makeWASocket, {
  Browsers,
  BufferJSON,
  type SignalDataSet,
  type SignalDataTypeMap,
  type WASocket,
} from '@whiskeysockets/baileys';
import { WA_CERT_DETAILS } from '@whiskeysockets/baileys/lib/Defaults/index.js';
import { sharedCaches } from '../socket-host/baileys/caches.ts';
import { silentLogger } from '../test/harness/silent-logger.ts';
import type { LinkedDevice } from './linked/devices.ts';

/**
 * What a host is measured against: many sockets of bare Baileys in one process, as sparing as its own options allow. No recent-message
 * cache, caches shared between the sockets with a prefix for each account, a logger that does nothing, keys in memory. Started with
 * `--max-semi-space-size=2`. A process of its own, commanded over IPC:
 *   {kind:'connect', file, ratePerSec}  ->  {kind:'connected'}: all devices of the file, one JSON object a line, in order at that rate
 *   {kind:'send', to, text}             ->  {kind:'sent', seconds}: `to[n]` are the numbers the n-th socket writes to, one after the
 *                                           other, all sockets side by side; done when the server has acked every message
 * Environment: WHATSAPP_URL, WHATSAPP_ROOT_KEY (hex).
 */
export type ToTuned =
  | { kind: 'connect'; file: string; ratePerSec: number }
  | { kind: 'send'; to: string[][]; text: string };
export type FromTuned = { kind: 'ready' } | { kind: 'connected' } | { kind: 'sent'; seconds: number };

const ackedWithinMs = 120_000;
/** Of a socket after a dropped connection. */
const reconnectMs = 2_000;

// Baileys' Signal library prints sessions, private keys included, when it closes them.
console.info = () => undefined;

const report = (message: FromTuned): void => void process.send?.(message);
const caches = sharedCaches(() => Date.now());
const acked = new Set<string>();
const accounts: { sock: WASocket }[] = [];

function open(device: LinkedDevice): Promise<void> {
  const stored = new Map<string, unknown>();
  for (const [id, key] of Object.entries(device.preKeys)) stored.set(`pre-key ${id}`, key);
  const seen = caches.of(device.number);
  const opened = Promise.withResolvers<void>();
  const connect = (): WASocket => {
    const sock = makeWASocket({
      waWebSocketUrl: process.env.WHATSAPP_URL ?? '',
      auth: {
        creds: device.creds,
        keys: { get: (type, ids) => read(stored, type, ids), set: (data) => write(stored, data) },
      },
      logger: silentLogger,
      browser: Browsers.macOS('Chrome'),
      syncFullHistory: false,
      markOnlineOnConnect: false,
      emitOwnEvents: false,
      enableRecentMessageCache: false,
      generateHighQualityLinkPreview: false,
      userDevicesCache: seen.devices,
      msgRetryCounterCache: seen.retries,
      // Keys of retries hold a colon, those of placeholders none.
      placeholderResendCache: seen.retries,
      callOfferCache: seen.calls,
    });
    sock.ws.on('CB:ack,class:message', ({ attrs }: { attrs: { id: string } }) => acked.add(attrs.id));
    sock.ev.on('creds.update', (update) => Object.assign(device.creds, update));
    sock.ev.on('connection.update', ({ connection }) => {
      if (connection === 'open') opened.resolve();
      if (connection === 'close')
        setTimeout(() => {
          account.sock = connect();
        }, reconnectMs);
    });
    return sock;
  };
  const account = { sock: connect() };
  accounts.push(account);
  return opened.promise;
}

function read<T extends keyof SignalDataTypeMap>(stored: Map<string, unknown>, type: T, ids: string[]) {
  const found: { [id: string]: SignalDataTypeMap[T] } = {};
  for (const id of ids) {
    const value = stored.get(`${type} ${id}`);
    if (value !== undefined) found[id] = value as SignalDataTypeMap[T];
  }
  return found;
}

function write(stored: Map<string, unknown>, data: SignalDataSet): void {
  for (const [type, entries] of Object.entries(data)) {
    for (const [id, value] of Object.entries(entries)) {
      if (value === null || value === undefined) stored.delete(`${type} ${id}`);
      else stored.set(`${type} ${id}`, value);
    }
  }
}

async function connectAll(file: string, ratePerSec: number): Promise<void> {
  const startMs = performance.now();
  const opening: Promise<void>[] = [];
  for await (const line of createInterface({ input: createReadStream(file) })) {
    await sleep(Math.max(0, startMs + (opening.length * 1000) / ratePerSec - performance.now()));
    opening.push(open(JSON.parse(line, BufferJSON.reviver)));
  }
  await Promise.all(opening);
  report({ kind: 'connected' });
}

async function sendAll(to: string[][], text: string): Promise<void> {
  const startMs = performance.now();
  const ids: string[] = [];
  const sendFrom = async (socket: number, numbers: string[]): Promise<void> => {
    for (const [index, number] of numbers.entries()) {
      const sent = await accounts[socket]?.sock.sendMessage(`${number}@s.whatsapp.net`, { text: `${text} ${index}` });
      if (sent?.key.id) ids.push(sent.key.id);
      // A tight loop would starve what comes in.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(to.map((numbers, socket) => sendFrom(socket, numbers)));
  while (ids.some((id) => !acked.has(id))) {
    if (performance.now() - startMs > ackedWithinMs) throw new Error('The server has not acked every message.');
    await sleep(5);
  }
  acked.clear();
  report({ kind: 'sent', seconds: (performance.now() - startMs) / 1000 });
}

Buffer.from(process.env.WHATSAPP_ROOT_KEY ?? '', 'hex').copy(WA_CERT_DETAILS.PUBLIC_KEY);
process.on('message', (message: ToTuned) => {
  if (message.kind === 'connect') void connectAll(message.file, message.ratePerSec);
  else void sendAll(message.to, message.text);
});
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(0));
report({ kind: 'ready' });
