/** The number of bytes of an answer's body that are kept. */
export const responseBytes = 1024;
/** The longest Retry-After that is followed. */
const longestRetryAfterMs = 24 * 3_600_000;

/** The reason why there is no answer: `refused` for a URL that the egress guard does not allow, otherwise its `EgressFailure`. */
export type AttemptError = 'refused' | 'dns' | 'connect' | 'tls' | 'timeout' | 'reset' | 'too_large';

/** One attempt in the log. If no answer came, `status` is null and `error` says why. */
export interface Attempt {
  /** The time when it began (epoch ms). */
  at: number;
  status: number | null;
  durationMs: number;
  /** The first KB of the answer's body as text. */
  response: string | null;
  error?: AttemptError;
}

/**
 * The meaning of an answer:
 *   delivered  2xx
 *   gone       410: the endpoint must get no more deliveries
 *   slow_down  429, 502, 504: all deliveries to the endpoint wait, as long as Retry-After says if it is there
 *   failed     everything else, also redirects, which are not followed
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

/** Returns the wait (ms) of a Retry-After header, in seconds or as an HTTP date; at most a day. Undefined if it is missing or unusable. */
export function readRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  const ms = /^\d{1,9}$/.test(text)
    ? Number(text) * 1000
    : /^[A-Z][a-z]{2}, /.test(text)
      ? Date.parse(text) - nowMs
      : NaN;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, longestRetryAfterMs) : undefined;
}

/** Returns the body of an answer as text of at most 1 KB; null if it is empty. */
export function responseText(body: Uint8Array): string | null {
  const text = new TextDecoder().decode(body.subarray(0, responseBytes)).replace(/\uFFFD$/u, '');
  if (text === '') return null;
  // Bytes that are not UTF-8 become replacement characters of three bytes each, so the text can exceed the limit.
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += new TextEncoder().encode(character).length;
    if (bytes > responseBytes) break;
    kept += character;
  }
  return kept;
}
