import { closeReason } from '../../lib/domain/accounts/disconnect.ts';
import { cut } from '../../lib/domain/well-formed.ts';
import type { SessionEnd } from '../transport.ts';
import { redact } from './redaction.ts';

const qrSeriesEnded = 'QR refs attempts ended';
const timedOut = 408;
const closed = 428;

/** Returns the end of a session that Paceline closed itself, without a word from WhatsApp. */
export function ourEnd(detail = 'closed by us'): SessionEnd {
  return { reason: 'unsaid', detail };
}

/**
 * Returns the end that Baileys' closing error means. The error is a Boom, or undefined when Paceline ended the socket for the reason `ours`. A Boom
 * may come in that case too, if the socket was ending already: Baileys waits for the server's close first. Only WhatsApp's own codes are kept. A
 * WebSocket that could not be opened has no code, though Baileys gives it an HTTP status or 408. While `linking`, 408 means that no phone has
 * scanned the QR codes.
 */
export function sessionEnd(error: unknown, linking: boolean, ours: SessionEnd = ourEnd()): SessionEnd {
  if (!(error instanceof Error)) return ours;
  const detail = cut(redact(error.message), 200);
  if (detail.startsWith('WebSocket Error')) return ourEnd(detail);
  const statusCode = numberAt(error, 'output', 'statusCode');
  const code = linking && statusCode === timedOut && error.message !== qrSeriesEnded ? closed : statusCode;
  const expireSec = numberAt(error, 'data', 'expire');
  return {
    reason: closeReason(code),
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
