import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Client } from 'undici';
import type { EgressTarget } from '../../domain/egress/target.ts';
import type { Clock } from '../clock.ts';
import { codeOf, EgressFailed } from './errors.ts';

/** Opens a TCP connection to an address (never a name); the socket may still be connecting. */
export type Dial = (address: string, port: number) => Socket;

/** Connects to exactly this address, without a lookup and without a second address to fall back on. */
export const dialAddress: Dial = (address, port) =>
  connectTcp({ host: address, port, noDelay: true, autoSelectFamily: false });

/** A connection to a checked address, for one request at a time. */
export interface Connection {
  client: Client;
  /** Whether another request may be sent. False as soon as the other side ends the connection. */
  isOpen(): boolean;
  /** Whether the last request was not written, because the connection had ended while idle. Such a request may be sent over another connection. */
  wasStale(): boolean;
  close(): void;
}

/**
 * The time for which a connection waits for its next request: less than the 5 s after which Node servers close it. undici follows a shorter
 * `Keep-Alive: timeout=` of the server.
 */
export const keepAliveMs = 4000;
/** For each address, so that a silent one leaves time for the next one within the usual 15 s. */
const connectTimeoutMs = 5000;
const maxHeaderBytes = 16_384;

/** Options of a new connection. `ca` replaces Node's certificate authorities, for tests. */
export interface Opening {
  dial: Dial;
  clock: Clock;
  ca: string | undefined;
}

/**
 * Connects to the first address that accepts, in their order. Throws EgressFailed `connect` if none accepts, and EgressFailed `tls` if the first
 * one that accepts has no valid certificate for the host. Throws the reason of `signal` when it fires.
 */
export async function openConnection(
  target: EgressTarget,
  addresses: readonly string[],
  opening: Opening,
  signal: AbortSignal,
): Promise<{ connection: Connection; address: string }> {
  let failure = new EgressFailed('connect');
  for (const address of addresses) {
    try {
      const socket = await connectTo(target, address, opening, signal);
      return { connection: connectionOver(socket, target.origin), address };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof EgressFailed) || error.kind === 'tls') throw error;
      failure = error;
    }
  }
  throw failure;
}

async function connectTo(
  target: EgressTarget,
  address: string,
  opening: Opening,
  signal: AbortSignal,
): Promise<Socket> {
  const over = new AbortController();
  void opening.clock
    .sleep(connectTimeoutMs, over.signal)
    .then(() => over.abort(new EgressFailed('connect', 'ETIMEDOUT')));
  const limit = AbortSignal.any([signal, over.signal]);
  const tcp = opening.dial(address, target.port);
  try {
    await happens(tcp, 'connect', 'connect', limit);
    if (target.scheme === 'http') return tcp;
    const secure = connectTls({
      socket: tcp,
      // The certificate is checked for the name. If the URL has an address, it is checked for that, and no name (SNI) is sent.
      ...(target.addresses?.includes(target.host) ? { host: target.host } : { servername: target.host }),
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
      ...(opening.ca === undefined ? {} : { ca: opening.ca }),
    });
    await happens(secure, 'secureConnect', 'tls', limit);
    return secure;
  } catch (error) {
    tcp.destroy();
    throw error;
  } finally {
    over.abort();
  }
}

/** Waits for an event of a socket. Rejects with EgressFailed of the given kind if the socket ends or fails first. */
function happens(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  kind: 'connect' | 'tls',
  signal: AbortSignal,
): Promise<void> {
  // This listener stays. A destroyed socket can still emit an error, which without a listener ends the process.
  socket.on('error', () => undefined);
  return new Promise((resolve, reject) => {
    const finished = new AbortController();
    const finish = (act: () => void) => {
      finished.abort();
      for (const [name, listener] of Object.entries(listeners)) socket.removeListener(name, listener);
      act();
    };
    const listeners = {
      [event]: () => finish(resolve),
      error: (error: unknown) => finish(() => reject(new EgressFailed(kind, codeOf(error)))),
      close: () => finish(() => reject(new EgressFailed(kind))),
    };
    for (const [name, listener] of Object.entries(listeners)) socket.once(name, listener);
    const abort = () => finish(() => reject(signal.reason));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true, signal: finished.signal });
  });
}

function connectionOver(socket: Socket, origin: string): Connection {
  let given = false;
  let stale = false;
  const client = new Client(origin, {
    // Otherwise the client would reconnect, and by name. It gets this one socket only.
    connect: (_options, callback) => {
      stale = given;
      given = true;
      // Not at once: the client continues its queue only if the callback comes later.
      queueMicrotask(() => (stale ? callback(new Error('The connection has ended.'), null) : callback(null, socket)));
    },
    pipelining: 1,
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
  });
  return {
    client,
    isOpen: () => !client.destroyed && !socket.destroyed && socket.writable,
    wasStale: () => stale,
    close: () => {
      socket.destroy();
      client.destroy().catch(() => undefined);
    },
  };
}
