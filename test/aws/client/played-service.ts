import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Received } from './sigv4.ts';

/** `direct`: without what the SDK's own way of making a request always sends. */
export type Way = 'direct' | 'sdk';

/** What to do to a request: an answer; no answer; the connection broken before or amid an answer; an answer that stops amid itself. */
export type Answer =
  | { status: number; headers?: Record<string, string>; body?: string | Buffer }
  | 'hang'
  | 'reset'
  | 'cut off'
  | 'stall';

export interface PlayedService {
  endpoint: string;
  received: (Received & { way: Way })[];
  /** The ways of the requests since the last time asked. */
  ways(): Way[];
  openSockets(): number;
  close(): Promise<void>;
}

/** A service on loopback that notes each request and does to it what `play` says. */
export async function playService(
  play: (request: Received & { way: Way }) => Answer | Promise<Answer>,
): Promise<PlayedService> {
  const sockets = new Set<Socket>();
  const received: PlayedService['received'] = [];
  let shown = 0;
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const headers = single(incoming.headers);
    const way: Way = headers['amz-sdk-invocation-id'] === undefined ? 'direct' : 'sdk';
    const { method = '', url = '' } = incoming;
    const request = { method, url, headers, body: Buffer.concat(chunks), way };
    received.push(request);
    perform(await play(request), response);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    ways() {
      const since = received.slice(shown).map(({ way }) => way);
      shown = received.length;
      return since;
    },
    openSockets: () => sockets.size,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function perform(answer: Answer, response: ServerResponse): void {
  if (answer === 'hang') return;
  if (answer === 'reset') {
    response.socket?.resetAndDestroy();
  } else if (answer === 'cut off' || answer === 'stall') {
    response.writeHead(200, { 'content-length': '100' }).write('{"Item":');
    if (answer === 'cut off') setTimeout(() => response.socket?.resetAndDestroy(), 20);
  } else {
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }
}

function single(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value = '']) => [name, String(value)]));
}
