import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { isSendableHeader } from '../../domain/egress/headers.ts';
import { isPublicAddress } from '../../domain/egress/public-address.ts';
import { type EgressTarget, egressTarget } from '../../domain/egress/target.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Connection, type Dial, dialAddress, openConnection } from './connection.ts';
import { codeOf, EgressFailed, EgressRefused } from './errors.ts';
import { IdleConnections } from './idle-connections.ts';
import { type Resolver, systemResolver } from './resolve.ts';

/**
 * The only way to send requests to URLs that users give.
 *
 *   URL -> rules for the URL (lib/domain/egress/target.ts) -> all addresses of the name -> one is not public: refused
 *       -> an idle connection to one of these addresses, or a new one -> request -> answer, whatever its status
 *
 * The name is resolved for each request, and the connection goes to one of the checked addresses. So a name that resolves differently after the
 * check (DNS rebinding) does no harm. The certificate is still checked for the name. Redirects are not followed, proxy variables not read,
 * cookies not kept, and answers not decompressed. Errors never contain the URL, because its path and query are often secret.
 */
export interface Egress {
  /**
   * Sends one request and returns the answer, whatever its status. The body is cut at `maxResponseBytes`, and the rest is not read. Headers that
   * `isSendableHeader` refuses are left out. Throws EgressRefused, EgressFailed, or the reason of `signal`.
   */
  request(url: string, options: EgressRequest): Promise<EgressAnswer>;
  /** Throws EgressRefused if a request to the URL would be refused now, and EgressFailed `dns` if the name does not resolve. */
  check(url: string): Promise<void>;
  /** Ends open requests with EgressFailed `reset`, and closes idle connections. */
  close(): Promise<void>;
}

export interface EgressRequest {
  method: 'POST' | 'GET' | 'PUT';
  headers: Record<string, string>;
  body?: string | Uint8Array;
  /** The limit for the whole exchange: resolving the name, connection, request, and reading the answer. */
  timeoutMs: number;
  maxResponseBytes: number;
  signal?: AbortSignal;
}

export interface EgressAnswer {
  status: number;
  /** Names are in lower case. Several values of one name are joined by `, `. */
  headers: Record<string, string>;
  /** The body as received, at most `maxResponseBytes`. */
  body: Uint8Array;
  durationMs: number;
}

export interface EgressOptions {
  /** Stage `local` only: http, and this machine (127.0.0.1, ::1, localhost) on every port. */
  allowLoopback: boolean;
  /** The clock of timeouts and durations. A scaled clock shortens them. Default: `systemClock`. */
  clock?: Clock;
  /** For tests, as are `dial` and `ca`. */
  resolve?: Resolver;
  dial?: Dial;
  ca?: string;
}

/** The longest time to resolve a name, within the `timeoutMs` of the request. */
const dnsTimeoutMs = 5000;
/** Most addresses of a name that are tried. */
const mostAddressesTried = 4;

export function createEgress(options: EgressOptions): Egress {
  const clock = options.clock ?? systemClock;
  const resolve = options.resolve ?? systemResolver();
  const opening = { dial: options.dial ?? dialAddress, clock, ca: options.ca };
  const idle = new IdleConnections(() => Date.now());
  const closing = new AbortController();

  function allowed(url: string): EgressTarget {
    const target = egressTarget(url, options);
    if (target === undefined) throw new EgressRefused();
    return target;
  }

  async function request(url: string, wanted: EgressRequest): Promise<EgressAnswer> {
    const startedMs = clock.monotonicMs();
    const limit = startLimit(clock, wanted.timeoutMs, new EgressFailed('timeout'), [closing.signal, wanted.signal]);
    try {
      const target = allowed(url);
      const addresses = await addressesOf(target, resolve, clock, limit.signal);
      const answer = await exchange(target, addresses.slice(0, mostAddressesTried), wanted, limit.signal);
      return { ...answer, durationMs: Math.round(clock.monotonicMs() - startedMs) };
    } finally {
      limit.end();
    }
  }

  /** Sends the request over an idle connection, else over a new one. If an idle one has ended before anything was written, the next one is tried. */
  async function exchange(
    target: EgressTarget,
    addresses: readonly string[],
    wanted: EgressRequest,
    signal: AbortSignal,
  ): Promise<Omit<EgressAnswer, 'durationMs'>> {
    for (const address of addresses) {
      for (let used = idle.take(target.origin, address); used !== undefined; used = idle.take(target.origin, address)) {
        // The other side may have closed the connection, and this process may not know it yet. A turn of the event loop lets the client learn it.
        await yieldToEventLoop();
        const answer = await send(used, address, target, wanted, signal);
        if (answer !== 'stale') return answer;
      }
    }
    const { connection, address } = await openConnection(target, addresses, opening, signal);
    const answer = await send(connection, address, target, wanted, signal);
    if (answer === 'stale') throw new EgressFailed('reset');
    return answer;
  }

  async function send(
    connection: Connection,
    address: string,
    target: EgressTarget,
    wanted: EgressRequest,
    signal: AbortSignal,
  ): Promise<Omit<EgressAnswer, 'durationMs'> | 'stale'> {
    let reusable = false;
    // The client ends a request when the signal fires. The race makes sure of that.
    const over = rejection(signal);
    try {
      const answer = await Promise.race([
        connection.client.request({
          path: target.path,
          method: wanted.method,
          headers: headersOf(wanted.headers),
          body: wanted.body ?? null,
          signal,
        }),
        over,
      ]);
      const { body, complete } = await Promise.race([readUpTo(answer.body, wanted.maxResponseBytes), over]);
      const headers = joined(answer.headers);
      reusable = complete && !/\bclose\b/i.test(headers.connection ?? '');
      return { status: answer.statusCode, headers, body };
    } catch (error) {
      signal.throwIfAborted();
      if (connection.wasStale()) return 'stale';
      throw new EgressFailed(codeOf(error) === 'UND_ERR_HEADERS_OVERFLOW' ? 'too_large' : 'reset', codeOf(error));
    } finally {
      if (reusable && !closing.signal.aborted) idle.keep(target.origin, address, connection);
      else connection.close();
    }
  }

  return {
    request,
    check: async (url) => {
      await addressesOf(allowed(url), resolve, clock, closing.signal);
    },
    close: async () => {
      closing.abort(new EgressFailed('reset'));
      idle.close();
    },
  };
}

/** Returns the addresses to connect to, IPv4 first (a function outside a VPC has no IPv6). Throws EgressRefused if one of them is not public. */
async function addressesOf(
  target: EgressTarget,
  resolve: Resolver,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (target.addresses !== undefined) return target.addresses;
  const limit = startLimit(clock, dnsTimeoutMs, new EgressFailed('dns', 'ETIMEOUT'), [signal]);
  try {
    const found = await Promise.race([resolve(target.host, limit.signal), rejection(limit.signal)]);
    if (found.length === 0) throw new EgressFailed('dns');
    if (!found.every(isPublicAddress)) throw new EgressRefused();
    return found.toSorted((a, b) => Number(a.includes(':')) - Number(b.includes(':')));
  } catch (error) {
    limit.signal.throwIfAborted();
    if (error instanceof EgressRefused || error instanceof EgressFailed) throw error;
    throw new EgressFailed('dns', codeOf(error));
  } finally {
    limit.end();
  }
}

/** Returns a signal that fires with `reason` after `ms`, or when one of `others` fires. `end()` removes its timer and listeners. */
function startLimit(clock: Clock, ms: number, reason: Error, others: readonly (AbortSignal | undefined)[]) {
  const limit = new AbortController();
  const ended = new AbortController();
  void clock.sleep(ms, ended.signal).then(() => {
    if (!ended.signal.aborted) limit.abort(reason);
  });
  for (const other of others) {
    if (other?.aborted === true) limit.abort(other.reason);
    other?.addEventListener('abort', () => limit.abort(other.reason), { once: true, signal: ended.signal });
  }
  return { signal: limit.signal, end: () => ended.abort() };
}

/** Returns a promise that rejects with the signal's reason when it fires. It never counts as an unhandled rejection. */
function rejection(signal: AbortSignal): Promise<never> {
  const rejected = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  rejected.catch(() => undefined);
  return rejected;
}

function headersOf(given: Record<string, string>): Record<string, string> {
  const sendable = Object.entries(given).filter(([name, value]) => isSendableHeader(name, value));
  // Nothing here decompresses, so a small answer cannot become a large one.
  return { ...Object.fromEntries(sendable), 'accept-encoding': 'identity' };
}

function joined(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const entries = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
  );
  return Object.fromEntries(entries);
}

/** Returns the first bytes of a body. `complete`: these are all its bytes, so that the connection can be used again. */
async function readUpTo(
  body: Dispatcher.ResponseData['body'],
  maxBytes: number,
): Promise<{ body: Uint8Array; complete: boolean }> {
  // Leaving the loop early destroys the stream, which then emits an error that does not matter.
  body.on('error', () => undefined);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) return { body: Buffer.concat(chunks).subarray(0, maxBytes), complete: false };
  }
  return { body: Buffer.concat(chunks), complete: true };
}
