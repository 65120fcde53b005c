import type { WAMessage } from '@whiskeysockets/baileys';
import makeWASocket, {
  type AuthenticationCreds,
  type BaileysEventMap,
  Browsers,
  initAuthCreds,
  type SignalDataSet,
  type SignalDataTypeMap,
  type SignalKeyStore,
  type UserFacingSocketConfig,
  type WASocket,
} from '@whiskeysockets/baileys';
import { WA_CERT_DETAILS } from '@whiskeysockets/baileys/lib/Defaults/index.js';
import { onTestFinished } from 'vitest';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../simulator/server.ts';
import { silentLogger } from '../harness/silent-logger.ts';

/** Real Baileys with its keys in memory, for tests: what it stores can be copied and put back. */
export type Auth = { creds: AuthenticationCreds; keys: Map<string, unknown> };

/** Where a simulator is, in this process or another. */
export type Address = Pick<Simulator, 'url' | 'whatsappUrl' | 'rootKeyHex'>;

export type Client = {
  readonly sock: WASocket;
  readonly auth: Auth;
  /** Everything Baileys reported, by event, in order. */
  readonly received: WAMessage[];
  /** The ids of the message stanzas that came over the wire, decrypted or not. */
  readonly onWire: string[];
  readonly statuses: { id: string; status: number; error?: string }[];
  /** Resolves with the event that the check accepts; one that has happened already counts. */
  readonly on: <T extends keyof BaileysEventMap>(
    event: T,
    check: (value: BaileysEventMap[T]) => boolean,
  ) => Promise<BaileysEventMap[T]>;
  readonly end: () => void;
};

// Baileys' Signal library prints sessions, private keys included, when it closes them.
console.info = () => undefined;

const WAIT_MS = 8_000;

export const newAuth = (): Auth => ({ creds: initAuthCreds(), keys: new Map() });

function keyStore(keys: Map<string, unknown>): SignalKeyStore {
  return {
    get<T extends keyof SignalDataTypeMap>(type: T, ids: string[]) {
      const found: { [id: string]: SignalDataTypeMap[T] } = {};
      for (const id of ids) {
        const value = keys.get(`${type} ${id}`);
        if (value !== undefined) found[id] = value as SignalDataTypeMap[T];
      }
      return found;
    },
    set(data: SignalDataSet) {
      for (const [type, entries] of Object.entries(data)) {
        for (const [id, value] of Object.entries(entries)) {
          if (value === null || value === undefined) keys.delete(`${type} ${id}`);
          else keys.set(`${type} ${id}`, value);
        }
      }
    },
  };
}

/** A simulator that ends with the test. */
export async function simulate(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator(options);
  onTestFinished(() => simulator.stop());
  return simulator;
}

/** Connects to the simulator with the given keys, until the test ends. */
export function connect(simulator: Address, auth: Auth, options: Partial<UserFacingSocketConfig> = {}): Client {
  Buffer.from(simulator.rootKeyHex, 'hex').copy(WA_CERT_DETAILS.PUBLIC_KEY);
  const sock = makeWASocket({
    waWebSocketUrl: simulator.whatsappUrl,
    auth: { creds: auth.creds, keys: keyStore(auth.keys) },
    logger: silentLogger,
    browser: Browsers.macOS('Chrome'),
    syncFullHistory: false,
    markOnlineOnConnect: false,
    emitOwnEvents: false,
    qrTimeout: 60_000,
    ...options,
  });
  onTestFinished(() => sock.end(undefined));
  const onWire: string[] = [];
  sock.ws.on('CB:message', ({ attrs }: { attrs: { id: string } }) => onWire.push(attrs.id));
  const received: WAMessage[] = [];
  const statuses: Client['statuses'] = [];
  const past: [string, unknown][] = [];
  const watchers = new Set<(event: string, value: unknown) => void>();
  sock.ev.process((events) => {
    for (const message of events['messages.upsert']?.messages ?? []) received.push(message);
    for (const { key, update } of events['messages.update'] ?? []) {
      const [error] = update.messageStubParameters ?? [];
      statuses.push({ id: key.id ?? '', status: update.status ?? -1, ...(error ? { error } : {}) });
    }
    for (const [event, value] of Object.entries(events)) {
      past.push([event, value]);
      for (const watch of watchers) watch(event, value);
    }
  });
  return {
    sock,
    auth,
    received,
    onWire,
    statuses,
    on: (event, check) =>
      new Promise((resolve, reject) => {
        const finish = (act: () => void) => {
          clearTimeout(limit);
          watchers.delete(watch);
          act();
        };
        const watch = (name: string, value: unknown) => {
          const typed = value as BaileysEventMap[typeof event];
          if (name === event && check(typed)) finish(() => resolve(typed));
        };
        const limit = setTimeout(() => finish(() => reject(new Error(`No such ${event} came.`))), WAIT_MS);
        watchers.add(watch);
        for (const [name, value] of past) if (watchers.has(watch)) watch(name, value);
      }),
    end: () => sock.end(undefined),
  };
}

/** The code with which Baileys reports that its connection ended. */
export async function closeCode(client: Client): Promise<number> {
  const { lastDisconnect } = await client.on('connection.update', ({ connection }) => connection === 'close');
  const error = lastDisconnect?.error as { output?: { statusCode?: number } } | undefined;
  return error?.output?.statusCode ?? 0;
}

/** Connects a linked device and waits until it is ready. */
export async function login(
  simulator: Address,
  auth: Auth,
  options: Partial<UserFacingSocketConfig> = {},
): Promise<Client> {
  const client = connect(simulator, auth, options);
  await client.on('connection.update', ({ connection }) => connection === 'open');
  return client;
}

/** Links a new device with the phone by its QR code and logs it in. */
export async function linkAndLogin(
  simulator: Address,
  number: string,
  options: Partial<UserFacingSocketConfig> = {},
): Promise<Client> {
  const auth = newAuth();
  const linking = connect(simulator, auth, options);
  const { qr } = await linking.on('connection.update', (update) => update.qr !== undefined);
  await post(simulator, `/phones/${number}/scan`, { code: qr });
  await closeCode(linking);
  return login(simulator, auth, options);
}

/** Posts to the control API; the answer's status and JSON. */
export async function post(
  simulator: Address,
  path: string,
  body: unknown,
): Promise<{ status: number; json: unknown }> {
  const response = await fetch(simulator.url + path, { method: 'POST', body: JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, json: text ? JSON.parse(text) : undefined };
}

/** Reads from the control API. */
export async function get<T>(simulator: Address, path: string): Promise<T> {
  const response = await fetch(simulator.url + path);
  return (await response.json()) as T;
}

/** Waits until the check holds. */
export async function until(check: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const start = Date.now(); Date.now() - start < WAIT_MS; ) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`It did not happen: ${what}.`);
}
