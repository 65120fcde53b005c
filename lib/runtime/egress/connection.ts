import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Client } from 'undici';
import type { EgressTarget } from '../../domain/egress/target.ts';
import type { Clock } from '../clock.ts';
import { codeOf, EgressFailed } from './errors.ts';

/** Opens a TCP connection to an address (never a name); the socket may still be connecting. */
export type Dial = (address: string, port: number) => Socket;

/** An address needs no lookup, and there is no second one to fall back on: the connection leads there or nowhere. */
export const dialAddress: Dial = (address, port) =>
  connectTcp({ host: address, port, noDelay: true, autoSelectFamily: false });

/** One connection to one checked address, for one request at a time. */
export interface Connection {
  client: Client;
  /** Whether another request may be sent; false from the moment the other side ends it. */
  isOpen(): boolean;
  /** Whether the last request was never written because the connection had ended while idle: it may be sent over another one. */
  wasStale(): boolean;
  close(): void;
}

/**
 * How long a connection waits for its next request: less than the 5 s after which Node servers hang up. A shorter `Keep-Alive: timeout=`
 * of the server is kept by undici.
 */
export const keepAliveMs = 4000;
/** Per address, so that a silent one leaves time for the next within the usual 15 s. */
const connectTimeoutMs = 5000;
const maxHeaderBytes = 16_384;

/** What a connection is opened with; `ca` replaces Node's certificate authorities (tests). */
export interface Opening {
  dial: Dial;
  clock: Clock;
  ca: string | undefined;
}

/**
 * Connects to the first of the addresses that answers, in their order; throws EgressFailed `connect` when none does, `tls` when one does
 * without a good certificate for the host; the signal's reason when it fires.
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
      // The certificate is checked for the name, or for the address where the URL gives one: then there is no name to announce either.
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

/** Waits for an event of a socket; its end or error before that is EgressFailed of the given kind. */
function happens(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  kind: 'connect' | 'tls',
  signal: AbortSignal,
): Promise<void> {
  // Stays: an error nobody listens to ends the process, and a destroyed socket may still have one.
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
    // The client would connect anew by itself, and to a name: it gets this one socket and no other.
    connect: (_options, callback) => {
      stale = given;
      given = true;
      // Not at once: the client goes on with its queue only when it is called back later.
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
