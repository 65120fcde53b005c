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
 * The one way out to URLs that users give.
 *
 *   URL -> rules of the URL alone (lib/domain/egress/target.ts) -> every address of the name -> one not public: refused
 *       -> an idle connection to one of these addresses, or a new one -> request -> answer, whatever its status
 *
 * The name is resolved for each request, and the connection goes to an address of that very answer, so a name that changes its mind between
 * the check and the connection (rebinding) gains nothing. Name and certificate checks go by the name all the same. No redirect is followed,
 * no proxy variable read, no cookie kept, nothing decompressed. Errors never hold the URL, whose path and query are often a secret.
 */
export interface Egress {
  /**
   * Sends one request and reads the answer, redirects and errors included. The body ends at `maxResponseBytes`, and the rest of the answer
   * is not read. Throws EgressRefused, EgressFailed, or the reason of `signal`. Headers that isSendableHeader does not allow are left out.
   */
  request(url: string, options: EgressRequest): Promise<EgressAnswer>;
  /** Whether a request would be allowed now; throws EgressRefused, or EgressFailed `dns` when the name does not resolve. */
  check(url: string): Promise<void>;
  /** Ends requests under way (EgressFailed `reset`) and closes idle connections. */
  close(): Promise<void>;
}

export interface EgressRequest {
  method: 'POST' | 'GET' | 'PUT';
  headers: Record<string, string>;
  body?: string | Uint8Array;
  /** For everything together: name, connection, request, whole answer. */
  timeoutMs: number;
  maxResponseBytes: number;
  signal?: AbortSignal;
}

export interface EgressAnswer {
  status: number;
  /** Names in lower case; several of one name joined by `, `. */
  headers: Record<string, string>;
  /** As it came, at most `maxResponseBytes`. */
  body: Uint8Array;
  durationMs: number;
}

export interface EgressOptions {
  /** Stage `local` only: http, and this machine (127.0.0.1, ::1, localhost) on every port. */
  allowLoopback: boolean;
  /** What timeouts and durations go by; a scaled clock shortens them. Default: the system's. */
  clock?: Clock;
  /** These three are for tests: names, connections and certificate authorities of a test's own. */
  resolve?: Resolver;
  dial?: Dial;
  ca?: string;
}

/** The longest a name may take, ms, within the `timeoutMs` of the request. */
const dnsTimeoutMs = 5000;
/** A name may have more; these are tried. */
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

  /** Idle connections first; one that turns out to have ended before anything was written costs nothing but the next. */
  async function exchange(
    target: EgressTarget,
    addresses: readonly string[],
    wanted: EgressRequest,
    signal: AbortSignal,
  ): Promise<Omit<EgressAnswer, 'durationMs'>> {
    for (const address of addresses) {
      for (let used = idle.take(target.origin, address); used !== undefined; used = idle.take(target.origin, address)) {
        // That the other side hung up may have reached the machine and not yet us: then the client learns it before it writes.
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
    // The client ends a request when the signal fires; that nobody waits longer does not rest on it.
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

/** The addresses to connect to, IPv4 first (a function outside a VPC has no IPv6); throws EgressRefused if a single one is not public. */
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

/** A signal that fires with `reason` after `ms`, or with one of `others`; `end()` leaves neither timer nor listener behind. */
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

/** Rejects with the signal's reason when it fires, and is no unhandled rejection if nobody waits any more. */
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

/** The first bytes of a body; `complete` when that was all of it and its connection is free again. */
async function readUpTo(
  body: Dispatcher.ResponseData['body'],
  maxBytes: number,
): Promise<{ body: Uint8Array; complete: boolean }> {
  // Leaving the loop early destroys the stream, which then has an error that is none.
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
