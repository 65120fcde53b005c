import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Webhook } from 'standardwebhooks';

/** When a delivery arrived first, by what it says: `msg_.. message.sent`. */
export type Arrivals = Map<string, number>;

/** A receiver on loopback that checks each signature, as the official library does, and answers 200. */
export interface Receiver {
  url: string;
  /** Monotonic ms, see Arrivals. */
  arrivals: Arrivals;
  /** Requests so far, repeats included. */
  requests(): number;
  /** Bytes that came over all connections so far. */
  bytes(): number;
  /** The secret of the endpoint, before the first delivery. */
  trust(secret: string): void;
  stop(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const arrivals: Arrivals = new Map();
  const sockets = new Set<Socket>();
  let ended = 0;
  let requests = 0;
  let webhook: Webhook | undefined;
  const server = createServer(async (incoming, outgoing) => {
    requests += 1;
    const body = await textOf(incoming);
    try {
      const event = webhook?.verify(body, incoming.headers as Record<string, string>) as Published | undefined;
      const about = `${event?.data.message?.id} ${event?.type}`;
      if (event !== undefined && !arrivals.has(about)) arrivals.set(about, performance.now());
      outgoing.writeHead(event === undefined ? 404 : 200).end();
    } catch {
      outgoing.writeHead(401).end();
    }
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => {
      sockets.delete(socket);
      ended += socket.bytesRead;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    arrivals,
    requests: () => requests,
    bytes: () => [...sockets].reduce((sum, socket) => sum + socket.bytesRead, ended),
    trust: (secret) => {
      webhook = new Webhook(secret);
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Published {
  type: string;
  data: { message?: { id: string } };
}

async function textOf(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
