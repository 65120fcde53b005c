/**
 * A WhatsApp server with phones of its own, for tests and for trying the product without a phone.
 *
 *   wire/        how bytes become stanzas: noise handshake, certificates, addresses
 *   signal/      double-ratchet sessions, as the phones hold them
 *   connection/  the server's side of one client: linking, login, queries, messages, receipts
 *   phones/      the phones: their identities, the messages they receive and write
 *   control/     the HTTP API for people and tests, and the faults it orders
 *   accounts.ts  linked devices; outbox.ts  stanzas that wait for them; storage.ts  the data that survives a crash
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { Accounts } from './accounts.ts';
import { Connection } from './connection/connection.ts';
import { Connections } from './connection/connections.ts';
import { control } from './control/control.ts';
import { pathOf } from './control/http.ts';
import { Faults } from './faults.ts';
import { Outbox } from './outbox.ts';
import { Directory } from './phones/directory.ts';
import { ReceivedMessages } from './phones/received-messages.ts';
import { Storage } from './storage.ts';
import { Counts, type Totals } from './totals.ts';
import { serverIdentity } from './wire/certificates.ts';
import { WireLog } from './wire-log.ts';
import type { SimulatorLogger, World } from './world.ts';

export type { ReceivedMessage } from './phones/received-messages.ts';
export type { Totals } from './totals.ts';
export type { SimulatorLogger } from './world.ts';

/** Settings of a simulator. Port 0 (the default) is a free one; without `dataDir` everything is forgotten at the end. */
export type SimulatorOptions = {
  readonly port?: number;
  readonly dataDir?: string;
  readonly logger?: SimulatorLogger;
};

/** A running simulator. */
export type Simulator = {
  /** Origin of the HTTP control API, on 127.0.0.1. */
  readonly url: string;
  /** The URL for WhatsApp clients, on the same port. */
  readonly whatsappUrl: string;
  /** The key that clients must trust instead of WhatsApp's: 32 bytes, hex. */
  readonly rootKeyHex: string;
  /** Closes all connections and the store; resolves when both have ended. */
  stop(): Promise<void>;
  /** Returns the answer of GET /totals. */
  totals(): Totals;
};

const WHATSAPP_PATH = '/ws/chat';
const MOST_STANZA_BYTES = 16 << 20;
const SILENT: SimulatorLogger = { info: () => undefined, warn: () => undefined };

/** Starts a WhatsApp server with phones of its own, and its control API; rejects when the port is taken. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const storage = new Storage(options.dataDir);
  const world = makeWorld(storage, options.logger ?? SILENT);
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_STANZA_BYTES, perMessageDeflate: false });
  const whatsappUrl = (): string => `ws://127.0.0.1:${port()}${WHATSAPP_PATH}`;
  const server: Server = createServer(control(world, whatsappUrl));
  const port = (): number => (server.address() as AddressInfo).port;
  server.on('upgrade', (request, socket, head) => {
    if (pathOf(request) !== WHATSAPP_PATH) return socket.destroy();
    return sockets.handleUpgrade(request, socket, head, (client) => {
      world.connections.add(new Connection(world, client));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  let stopping: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port()}`,
    whatsappUrl: whatsappUrl(),
    rootKeyHex: world.server.rootKeyHex,
    totals: () => world.counts.totals(world.connections.count),
    stop() {
      stopping ??= new Promise<void>((resolve) => {
        world.outbox.stop();
        for (const connection of world.connections.all()) connection.drop();
        for (const client of sockets.clients) client.terminate();
        server.close(() => {
          storage.close();
          resolve();
        });
        server.closeAllConnections();
      });
      return stopping;
    },
  };
}

function makeWorld(storage: Storage, logger: SimulatorLogger): World {
  const clock = Date.now;
  const secret = storage.secret();
  const connections = new Connections();
  const counts = new Counts(storage);
  return {
    storage,
    server: serverIdentity(secret, clock()),
    directory: new Directory(storage, secret),
    accounts: new Accounts(storage),
    received: new ReceivedMessages(storage, counts),
    counts,
    wire: new WireLog(),
    outbox: new Outbox(storage, clock, (owed) => {
      const connection = connections.of(owed.account);
      if (connection?.state === 'live') connection.send(owed.stanza);
    }),
    faults: new Faults(),
    connections,
    clock,
    logger,
  };
}
