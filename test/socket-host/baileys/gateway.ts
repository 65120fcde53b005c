import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sent } from '../../../lib/aws/messages/messages.ts';
import type { InboundMessage } from '../../../lib/domain/inbound/inbound.ts';
import { type Simulator, startSimulator } from '../../../simulator/server.ts';
import { type Cache, openCache } from '../../../socket-host/auth/cache.ts';
import { type AuthStore, openAuthStore } from '../../../socket-host/auth/store.ts';
import { type SharedCaches, sharedCaches } from '../../../socket-host/baileys/caches.ts';
import { connectDevice } from '../../../socket-host/baileys/factory.ts';
import { trustRootKey } from '../../../socket-host/baileys/root-key.ts';
import type { ConnectOptions } from '../../../socket-host/baileys/transport.ts';
import type { SessionEnd, TransportListener, TransportSession } from '../../../socket-host/transport.ts';
import { type MemoryObjects, memoryObjects } from '../auth/memory-objects.ts';

export interface Said {
  /** Everything the listener was told, as `name argument`, in order. */
  events: string[];
  codes: string[];
  receipts: string[];
  inbound: InboundMessage[];
  secrets: Map<string, Uint8Array>;
  /** What a device that asks again is told. */
  sent: Map<string, Sent>;
  end: SessionEnd | undefined;
}

export interface Connected {
  said: Said;
  session: TransportSession;
  store: AuthStore;
  /** Resolves when the listener has been told this; rejects after `ms`. */
  heard(event: string, ms?: number): Promise<void>;
}

export interface Gateway {
  simulator: Simulator;
  objects: MemoryObjects;
  cache: Cache;
  caches: SharedCaches;
  lease: { held: boolean };
  logged: string[];
  openStore(account: string): Promise<AuthStore>;
  connect(store: AuthStore, changes?: Partial<ConnectOptions>, listener?: Partial<TransportListener>): Connected;
  /** An account linked by QR to a new phone of this number, and logged in. */
  linked(number: string, listener?: Partial<TransportListener>): Promise<Connected>;
  control(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }>;
  cleanUp(): Promise<void>;
}

export async function gateway(): Promise<Gateway> {
  const simulator = await startSimulator();
  trustRootKey(simulator.rootKeyHex, 'local');
  const folder = mkdtempSync(join(tmpdir(), 'whatsapp-'));
  const objects = memoryObjects();
  const cache = openCache(join(folder, 'cache.sqlite'));
  const caches = sharedCaches(Date.now);
  const lease = { held: true };
  const logged: string[] = [];
  const log = (fields: object, text: string) => logged.push(`${text} ${JSON.stringify(fields)}`);
  const sessions: TransportSession[] = [];
  const stores: AuthStore[] = [];
  let epoch = 0;

  const made: Gateway = {
    simulator,
    objects,
    cache,
    caches,
    lease,
    logged,
    async openStore(account) {
      epoch += 1;
      const store = await openAuthStore({
        objects,
        cache,
        prefix: `ten_1/${account}/`,
        host: 'hst_1',
        epoch,
        mayWrite: () => lease.held,
        nowMs: Date.now,
        nonce: randomUUID,
        onFenced: () => {},
      });
      stores.push(store);
      return store;
    },
    connect(store, changes = {}, listener = {}) {
      const said: Said = {
        events: [],
        codes: [],
        receipts: [],
        inbound: [],
        secrets: new Map(),
        sent: new Map(),
        end: undefined,
      };
      const waiting = new Set<() => void>();
      const tell = (event: string) => {
        said.events.push(event);
        for (const look of waiting) look();
      };
      const options: ConnectOptions = {
        store,
        caches,
        url: simulator.whatsappUrl,
        connectTimeoutMs: 5000,
        logger: { debug: log, info: log, warn: log },
        nowMs: Date.now,
        mayAct: () => lease.held,
        sent: async (id) => said.sent.get(id),
        secretOf: async (id) => said.secrets.get(id),
        ...changes,
      };
      const session = connectDevice(options, {
        onLink(link) {
          said.codes.push(link.code);
          tell('link');
        },
        onLinked: ({ phoneNumber }) => tell(`linked ${phoneNumber}`),
        onOpen: ({ phoneNumber }) => tell(`open ${phoneNumber}`),
        onDrained: () => tell('drained'),
        async onReceipt({ messageId, kind }) {
          said.receipts.push(`${messageId} ${kind}`);
          tell(`receipt ${messageId} ${kind}`);
        },
        async onInbound(message, secret) {
          said.inbound.push(message);
          if (secret !== undefined) said.secrets.set(message.id, secret);
          tell(`inbound ${message.text}`);
        },
        onUndecryptable: (id, askedAgain) => tell(`undecryptable ${id}${askedAgain ? '' : ' for good'}`),
        async onAddressesLearnt({ phoneNumber }) {
          tell(`lid of ${phoneNumber}`);
          return true;
        },
        onClosed(end) {
          said.end = end;
          tell('closed');
        },
        onQueryFailed: () => tell('query failed'),
        onFirstContacts: (refusedUntil) => tell(`first contacts ${refusedUntil === undefined ? 'taken' : 'refused'}`),
        onPasskeyDemanded: () => tell('passkey'),
        ...listener,
      });
      sessions.push(session);
      return {
        said,
        session,
        store,
        heard(event, ms = 8000) {
          return new Promise((resolve, reject) => {
            const timer = setTimeout(() => {
              waiting.delete(look);
              reject(new Error(`not heard within ${ms} ms: ${event}; heard: ${said.events.join(', ')}`));
            }, ms);
            const look = () => {
              if (!said.events.includes(event)) return;
              clearTimeout(timer);
              waiting.delete(look);
              resolve();
            };
            waiting.add(look);
            look();
          });
        },
      };
    },
    async linked(number, listener = {}) {
      await made.control('POST', '/phones', { number });
      const store = await made.openStore(`acc_${number}`);
      const first = made.connect(store);
      await first.heard('link');
      await made.control('POST', `/phones/${number}/scan`, { code: first.said.codes[0] });
      await first.heard('closed');
      const second = made.connect(store, {}, listener);
      await second.heard(`open ${number}`);
      await second.heard('drained');
      return second;
    },
    async control(method, path, body) {
      const response = await fetch(`${simulator.url}${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
    },
    async cleanUp() {
      lease.held = true;
      objects.before = async () => {};
      await Promise.all(sessions.map((session) => session.close()));
      await Promise.all(stores.map((store) => store.close()));
      await simulator.stop();
      cache.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return made;
}
