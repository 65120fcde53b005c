/** What is kept of an answer's body, bytes. */
export const responseBytes = 1024;
/** No receiver can ask for more patience than this. */
const longestRetryAfterMs = 24 * 3_600_000;

/** Why there is no answer: the egress guard's words, or `refused` for a URL it does not follow. */
export type AttemptError = 'refused' | 'dns' | 'connect' | 'tls' | 'timeout' | 'reset' | 'too_large';

/** One attempt as it is kept. `status` null: no answer came, `error` says why. */
export interface Attempt {
  /** Epoch ms of its beginning. */
  at: number;
  status: number | null;
  durationMs: number;
  /** The first KB of the answer's body as text. */
  response: string | null;
  error?: AttemptError;
}

/**
 * What an answer means:
 *   delivered  2xx
 *   gone       410: the endpoint wants no more, ever
 *   slow_down  429, 502, 504: the endpoint as a whole is left alone for a while, for as long as Retry-After says where it says so
 *   failed     everything else, redirects included: they are not followed
 */
export type Verdict =
  | { kind: 'delivered' }
  | { kind: 'gone' }
  | { kind: 'slow_down'; retryAfterMs?: number }
  | { kind: 'failed' };

export function classify(status: number | null, retryAfter: string | undefined, nowMs: number): Verdict {
  if (status === null) return { kind: 'failed' };
  if (status >= 200 && status <= 299) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone' };
  if (status !== 429 && status !== 502 && status !== 504) return { kind: 'failed' };
  const retryAfterMs = readRetryAfter(retryAfter, nowMs);
  return retryAfterMs === undefined ? { kind: 'slow_down' } : { kind: 'slow_down', retryAfterMs };
}

/** Milliseconds a Retry-After asks for, seconds or an HTTP date, at most a day; undefined where it says nothing sensible. */
export function readRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  const ms = /^\d{1,9}$/.test(text)
    ? Number(text) * 1000
    : /^[A-Z][a-z]{2}, /.test(text)
      ? Date.parse(text) - nowMs
      : NaN;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, longestRetryAfterMs) : undefined;
}

/** The body of an answer as text of at most 1 KB; null for an empty one. */
export function responseText(body: Uint8Array): string | null {
  const text = new TextDecoder().decode(body.subarray(0, responseBytes)).replace(/\uFFFD$/u, '');
  if (text === '') return null;
  // What was not UTF-8 became replacement characters of three bytes each.
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += new TextEncoder().encode(character).length;
    if (bytes > responseBytes) break;
    kept += character;
  }
  return kept;
}
