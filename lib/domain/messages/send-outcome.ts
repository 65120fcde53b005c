import { type Backoff, backoffMs } from '../backoff.ts';
import type { MessageError } from './message.ts';

/**
 * The outcome of WhatsApp's answer to a message. `notBefore` is epoch ms. `holdsFirstContacts`: the account's other messages to people without a chat
 * with it must wait. After each answer the caller counts one more attempt.
 */
export type AckOutcome =
  | { kind: 'sent' }
  | { kind: 'retry'; notBefore: number; refreshDevices?: boolean }
  | { kind: 'failed'; error: MessageError; holdsFirstContacts?: true };

/** WhatsApp's code for a refused message to a person with whom the account has no chat. */
export const firstContactRefused = 463;

/** A message fails with this many definite answers. */
export const maxAttempts = 3;
/** The same for rate limits, which end after a wait: about an hour and a half in all. */
export const maxRateLimitedAttempts = 8;

/** The backoff after a refusal, and after a rate limit. */
const refused = { baseMs: 2000 };
const rateLimited = { baseMs: 60_000, capMs: 30 * 60_000 };

/**
 * Classifies the server's ack. `code`: undefined means accepted. `attempts`: how many definite answers came before this one. Jitter makes a wait
 * longer by up to a tenth, never shorter.
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
    case firstContactRefused: {
      const sentence = 'WhatsApp does not let this account write to this recipient (463).';
      return { ...failed('REACHOUT_RESTRICTED', sentence), holdsFirstContacts: true };
    }
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

function failed(code: MessageError['code'], message: string): AckOutcome & { kind: 'failed' } {
  return { kind: 'failed', error: { code, message } };
}

/** No retry waits longer than this, neither after an answer nor without one. Only a hold of first contacts lasts longer. */
export const longestRetryMs = 3_600_000;

/** After this many sendings in a row without an answer, a message is laid aside. It must not block the other messages of its account. */
export const triesInARow = 3;
const aside = { baseMs: 60_000, capMs: 30 * 60_000 };

/** Returns how long a message is laid aside for the `asides`-th time (from 1): a minute, doubling up to half an hour. */
export const asideMs = (asides: number): number => backoffMs(asides - 1, aside);
