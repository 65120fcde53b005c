import { backoffMs } from '../backoff.ts';

/**
 * What closing reasons lead to. Codes are Boom `output.statusCode` of Baileys' close event (whatsapp.md, Closing
 * reasons), never the HTTP status of a refused upgrade or CONNECT: those are `undefined` here, and so back off.
 */
export type Reaction =
  /** Normal after linking: flush the credentials, then connect with the same ones, without a wait. */
  | { kind: 'reconnect_now' }
  /** Connect again after `reconnectWaitMs`. With `clientError`, count one more client error in a row. */
  | { kind: 'backoff'; clientError?: true }
  /** Nobody used the codes: `disconnected` until the user calls /connect. */
  | { kind: 'await_user'; reason: 'link_timeout' }
  /** The device was unlinked: stop, wipe the credentials. */
  | { kind: 'logged_out'; byUs: boolean }
  /** Another connection took over: raise the epoch, write a barrier, reconnect once after jitter. */
  | { kind: 'replaced' }
  /** Temporary ban: stop until then (epoch ms), keep the credentials. */
  | { kind: 'restricted'; untilMs: number }
  /** The main device is gone or locked, or the number banned: stop, tell the user. */
  | { kind: 'banned' }
  /** The client version is too old: fetch the current one, then connect once more. */
  | { kind: 'refresh_version' }
  /** Reconnecting cannot help. */
  | { kind: 'failed'; reason: FailedReason };

export type FailedReason = 'client_outdated' | 'multidevice_mismatch' | 'client_error' | 'replaced_elsewhere';

export interface DisconnectContext {
  /** The account shows a QR or pairing code: it has no credentials yet. */
  linking: boolean;
  /** Client errors in a row before this close. */
  consecutiveClientErrors: number;
  loggedOutByUs?: boolean;
  /** Another 515 within `restartWindowMs`, and no device linked since. */
  restartedRecently?: boolean;
  /** Another 440 within `replacedWindowMs`. */
  replacedRecently?: boolean;
  /** The version was refreshed since the last open connection. */
  versionRefreshed?: boolean;
  /** `error.data.expire` of a 402, seconds. */
  expireSec?: number;
  nowMs: number;
}

/** A second 515 within this time is no part of linking: a server that goes on saying it is answered like one in trouble. */
export const restartWindowMs = 60_000;
/** A second 440 within this time ends in `failed: replaced_elsewhere` (design.md, Ownership). */
export const replacedWindowMs = 10 * 60_000;
/** Client errors in a row after which an account fails. */
export const maxClientErrors = 3;
/** How long a 402 without expiry restricts. */
const defaultRestrictionMs = 24 * 3_600_000;

export function classifyDisconnect(code: number | undefined, context: DisconnectContext): Reaction {
  switch (code) {
    case 515:
      return context.restartedRecently === true ? { kind: 'backoff' } : { kind: 'reconnect_now' };
    case 408:
      return context.linking ? { kind: 'await_user', reason: 'link_timeout' } : { kind: 'backoff' };
    case 440:
      return context.replacedRecently === true
        ? { kind: 'failed', reason: 'replaced_elsewhere' }
        : { kind: 'replaced' };
    case 401:
      return { kind: 'logged_out', byUs: context.loggedOutByUs === true };
    case 402: {
      const { expireSec } = context;
      const known = expireSec !== undefined && Number.isFinite(expireSec) && expireSec > 0;
      return { kind: 'restricted', untilMs: context.nowMs + (known ? expireSec * 1000 : defaultRestrictionMs) };
    }
    case 403:
    case 406:
      return { kind: 'banned' };
    case 405:
      return context.versionRefreshed === true
        ? { kind: 'failed', reason: 'client_outdated' }
        : { kind: 'refresh_version' };
    case 411:
      return { kind: 'failed', reason: 'multidevice_mismatch' };
    case 400:
    case 409:
    case 413:
    case 414:
    case 415:
    case 418:
      return context.consecutiveClientErrors + 1 >= maxClientErrors
        ? { kind: 'failed', reason: 'client_error' }
        : { kind: 'backoff', clientError: true };
    // 428 closed, 500 bad session and catch-all, 501 and 503 unavailable, and whatever nobody has seen yet:
    // credentials are never wiped on a guess.
    default:
      return { kind: 'backoff' };
  }
}

/** Attempts before the slow rhythm begins (requirements C10). */
export const quickAttempts = 10;
const slowMinMs = 10 * 60_000;
const slowMaxMs = 30 * 60_000;

/** Returns the wait (ms) before reconnect attempt `attempt`, from 1: doubling to a minute, plus jitter; past the 10th, 10 to 30 min. */
export function reconnectWaitMs(attempt: number, options: { baseMs?: number; random: () => number }): number {
  const { baseMs = 2000, random } = options;
  if (attempt > quickAttempts) return slowMinMs + Math.floor(random() * (slowMaxMs - slowMinMs));
  return Math.floor(backoffMs(attempt - 1, { baseMs, capMs: 60_000, jitter: { random, mostMs: 1000 } }));
}
