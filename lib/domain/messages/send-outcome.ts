import { type Backoff, backoffMs } from '../backoff.ts';
import type { MessageError } from './message.ts';

/** What WhatsApp's answer makes of a message. `notBefore` is epoch ms; the caller counts one more attempt for each. */
export type AckOutcome =
  | { kind: 'sent' }
  | { kind: 'retry'; notBefore: number; refreshDevices?: boolean }
  | { kind: 'failed'; error: MessageError };

/** The code by which WhatsApp refuses a message to a person with whom the account has no chat. */
export const firstContactRefused = 463;

/** Definite answers a message gets before it fails. */
export const maxAttempts = 3;
/** Rate limits ask for patience, not for another message: about an hour and a half in all. */
export const maxRateLimitedAttempts = 8;

/** Waits before the next try, by the answers before it. */
const refused = { baseMs: 2000 };
const rateLimited = { baseMs: 60_000, capMs: 30 * 60_000 };

/**
 * Classifies the server's ack. `code` undefined means accepted; `attempts` are the
 * definite answers before this one. Up to a tenth of jitter is added to a wait, never subtracted.
 */
export function classifyAck(
  code: number | undefined,
  attempts: number,
  nowMs: number,
  random: () => number,
): AckOutcome {
  if (code === undefined) return { kind: 'sent' };
  const answers = attempts + 1;
  const jitter = { random, mostPart: 0.1 };
  const retryAfter = (wait: Backoff) => nowMs + Math.floor(backoffMs(attempts, { ...wait, jitter }));
  switch (code) {
    case firstContactRefused:
      return failed('REACHOUT_RESTRICTED', 'WhatsApp does not let this account write to this recipient (463).');
    case 479:
      if (answers > 1) return failed('REJECTED', 'WhatsApp refused the message again after a device refresh (479).');
      return { kind: 'retry', notBefore: retryAfter(refused), refreshDevices: true };
    case 419:
    case 429:
      if (answers >= maxRateLimitedAttempts) {
        return failed('RATE_LIMITED', `WhatsApp kept asking to slow down (${code}), ${answers} times.`);
      }
      return { kind: 'retry', notBefore: retryAfter(rateLimited) };
    default:
      if (answers >= maxAttempts) return failed('REJECTED', `WhatsApp refused the message ${answers} times (${code}).`);
      return { kind: 'retry', notBefore: retryAfter(refused) };
  }
}

function failed(code: MessageError['code'], message: string): AckOutcome {
  return { kind: 'failed', error: { code, message } };
}

/** No answer of WhatsApp's, and no missing one, puts a message off for longer. */
export const longestRetryMs = 3_600_000;

/** Sendings in a row without an answer after which a message is laid aside, so that the others of its account go on. */
export const triesInARow = 3;
const aside = { baseMs: 60_000, capMs: 30 * 60_000 };

/** Returns for how long a message is laid aside the `asides`-th time, from 1: a minute, doubling to half an hour. */
export const asideMs = (asides: number): number => backoffMs(asides - 1, aside);
