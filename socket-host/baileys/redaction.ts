import type { WASocket } from '@whiskeysockets/baileys';
import { cut } from '../../lib/domain/well-formed.ts';
import type { HostLogger } from '../deps.ts';

export type TransportLogger = Pick<HostLogger, 'debug' | 'info' | 'warn'>;
type BaileysLogger = WASocket['logger'];

/**
 * Returns the logger for Baileys. It passes the words of warnings and errors and the message of an error, and shortens every run of digits that
 * could be a phone number. Everything below a warning and every object is dropped: they hold texts, keys and numbers.
 */
export function baileysLogger(logger: TransportLogger): BaileysLogger {
  const say = (fields: unknown, words?: string) => {
    const text = typeof fields === 'string' ? fields : (words ?? 'Baileys says nothing');
    logger.debug({ source: 'baileys', ...reasonOf(fields) }, redact(text));
  };
  const drop = () => {};
  const made: BaileysLogger = {
    level: 'warn',
    child: () => made,
    trace: drop,
    debug: drop,
    info: drop,
    warn: say,
    error: say,
  };
  return made;
}

/** Returns the text with only the last two digits of everything that could be a phone number. */
export function redact(text: string): string {
  return text.replace(/\d{5,}/g, (digits) => `..${digits.slice(-2)}`);
}

function reasonOf(fields: unknown): { reason?: string } {
  if (typeof fields !== 'object' || fields === null) return {};
  const error = 'err' in fields ? fields.err : 'error' in fields ? fields.error : undefined;
  return error instanceof Error ? { reason: cut(redact(error.message), 200) } : {};
}
