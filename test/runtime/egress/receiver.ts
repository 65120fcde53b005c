import { once } from 'node:events';
import { createServer as createHttp, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, connect, type Server as TcpServer } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Dial } from '../../../lib/runtime/egress/connection.ts';
import { makeCertificate } from './certificate.ts';

export interface Received {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** What the client announced in the TLS handshake; false if nothing. */
  serverName: string | false | null | undefined;
}

export interface Receiver {
  port: number;
  /** The authority to trust; undefined without TLS. */
  ca: string | undefined;
  requests: Received[];
  /** Connections accepted since the start. */
  accepted(): number;
  /** Connections open now. */
  open(): Promise<number>;
  /** Ends all connections that no request uses. */
  hangUp(): void;
  stop(): Promise<void>;
}

/** A web server on loopback, https unless told otherwise, that keeps what it is sent; `answer` defaults to 200 `ok`. */
export async function startReceiver(
  options: { names?: readonly string[] | undefined; answer?: RequestListener; plain?: boolean } = {},
): Promise<Receiver> {
  const answer = options.answer ?? ((_, response) => response.end('ok'));
  const requests: Received[] = [];
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const serverName = (request.socket as Partial<TLSSocket>).servername;
      requests.push({ method, url, headers, body: Buffer.concat(chunks).toString(), serverName });
      answer(request, response);
    });
  };
  const certificate = options.plain ? undefined : makeCertificate(options.names ?? ['hooks.example.com']);
  const server: Server = certificate === undefined ? createHttp(listener) : createHttps(certificate, listener);
  server.keepAliveTimeout = 60_000;
  let accepted = 0;
  server.on('connection', () => {
    accepted += 1;
  });
  const port = await listen(server);
  return {
    port,
    ca: certificate?.cert,
    requests,
    accepted: () => accepted,
    open: () =>
      new Promise((resolve, reject) => server.getConnections((error, n) => (error ? reject(error) : resolve(n)))),
    hangUp: () => server.closeIdleConnections(),
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Port of a server that listens on loopback from now on. */
export async function listen(server: TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Lets connections to any address end at a port of this machine, and tells which addresses they were meant for. */
export function dialInto(port: () => number): { dial: Dial; dialled: string[] } {
  const dialled: string[] = [];
  return {
    dialled,
    dial: (address, wanted) => {
      dialled.push(`${address} ${wanted}`);
      return connect({ host: '127.0.0.1', port: port() });
    },
  };
}
