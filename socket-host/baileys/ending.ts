import { cut } from '../../lib/domain/well-formed.ts';
import type { SessionEnd } from '../transport.ts';
import { redact } from './redaction.ts';

const qrSeriesEnded = 'QR refs attempts ended';
const timedOut = 408;
const closed = 428;

/**
 * What Baileys' closing error says (a Boom, or undefined when we ended the socket, for the reason `ours`). There is one too where the
 * socket was ending already when we did: Baileys waits for the server's close before it tells. A code is WhatsApp's only if WhatsApp could say
 * it: a WebSocket that could not be opened has none, though Baileys gives it an HTTP status or 408. While `linking`, 408 is kept for
 * the end of the QR series, because it means that nobody scanned.
 */
export function sessionEnd(
  error: unknown,
  linking: boolean,
  ours: SessionEnd = { detail: 'closed by us' },
): SessionEnd {
  if (!(error instanceof Error)) return ours;
  const detail = cut(redact(error.message), 200);
  if (detail.startsWith('WebSocket Error')) return { detail };
  const statusCode = numberAt(error, 'output', 'statusCode');
  const code = linking && statusCode === timedOut && error.message !== qrSeriesEnded ? closed : statusCode;
  const expireSec = numberAt(error, 'data', 'expire');
  return {
    detail,
    ...(code === undefined ? {} : { code }),
    ...(expireSec === undefined ? {} : { expireSec }),
  };
}

function numberAt(value: unknown, ...path: string[]): number | undefined {
  let at: unknown = value;
  for (const key of path) at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined;
  const number = typeof at === 'string' && at !== '' ? Number(at) : at;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}
