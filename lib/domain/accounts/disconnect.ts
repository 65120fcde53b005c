import { backoffMs } from '../backoff.ts';
import { type Account, hasStopped } from './account.ts';
import type { FailedReason, Halt } from './halt.ts';

/**
 * The reasons for which a connection ends, in our own terms:
 *
 *   restart               normal after linking: connect again with the same state
 *   timed_out             no answer in time; for an account without a link: its codes were not used
 *   replaced              another connection of the same device took over
 *   logged_out            the device was unlinked
 *   restricted            a temporary ban
 *   banned                the main device is gone or locked, or the number is banned
 *   client_outdated       the network refuses our version of the client
 *   multidevice_mismatch  the account cannot have linked devices
 *   client_error          the network says that the client is at fault
 *   lost                  the connection was lost, or the network has problems
 *   unsaid                the network gave no reason: we closed the connection, or it could not be opened
 */
export type CloseReason =
  | 'restart'
  | 'timed_out'
  | 'replaced'
  | 'logged_out'
  | 'restricted'
  | 'banned'
  | 'client_outdated'
  | 'multidevice_mismatch'
  | 'client_error'
  | 'lost'
  | 'unsaid';

/**
 * Returns the reason for WhatsApp's closing code. `code` is Boom's `output.statusCode` of Baileys' close event. Pass undefined for the HTTP status of
 * a refused upgrade or CONNECT. Unknown codes count as `lost`, so that no credentials are deleted on a guess.
 */
export function closeReason(code: number | undefined): CloseReason {
  switch (code) {
    case undefined:
      return 'unsaid';
    case 515:
      return 'restart';
    case 408:
      return 'timed_out';
    case 440:
      return 'replaced';
    case 401:
      return 'logged_out';
    case 402:
      return 'restricted';
    case 403:
    case 406:
      return 'banned';
    case 405:
      return 'client_outdated';
    case 411:
      return 'multidevice_mismatch';
    case 400:
    case 409:
    case 413:
    case 414:
    case 415:
    case 418:
      return 'client_error';
    // 428 closed, 500 bad session and catch-all, 501 and 503 unavailable.
    default:
      return 'lost';
  }
}

/** The next step of an owner after the end of a connection. */
export type FollowUp =
  /** Connect again at once, with the state of the ended session. */
  | { kind: 'connect' }
  /** Connect again after the backoff. */
  | { kind: 'retry' }
  /** Another connection took over: take it back, once, under a new epoch and after jitter. */
  | { kind: 'take_back' }
  /** Fetch the present version of the client, then connect at once. */
  | { kind: 'renew_client' }
  /** Stop with this status. */
  | { kind: 'halt'; halt: Halt }
  /** The status already says that the account has stopped. Clean up, and give the account up. */
  | { kind: 'rest' };

/** The end of a connection. `code` is the network's own code. `expireSec` is how long a restriction lasts. */
export interface ConnectionEnd {
  reason: CloseReason;
  code?: number;
  expireSec?: number;
}

/** The earlier connections of an account in this process. */
export interface ConnectionPast {
  /** Ends in a row with `client_error`. */
  clientErrors: number;
  /** The time of the last `restart` (epoch ms). */
  restartedAtMs: number;
  /** The client's version was fetched since the last open connection. A further 405 fails the account. */
  clientRenewed: boolean;
}

/** A second restart within this time does not belong to linking. The account then waits for the backoff, as after a lost connection. */
const restartWindowMs = 60_000;
/** A second replacement within this time ends in `failed: replaced_elsewhere`. */
const replacedWindowMs = 10 * 60_000;
/** Client errors in a row after which an account fails. */
const maxClientErrors = 3;
/** The length of a restriction for which WhatsApp names no end. */
const defaultRestrictionMs = 24 * 3_600_000;

type Owned = Pick<
  Account,
  | 'desired'
  | 'linkedAt'
  | 'replacedAt'
  | 'deletedAt'
  | 'linkedNumber'
  | 'status'
  | 'statusReason'
  | 'asked'
  | 'statusAsked'
>;

/** Returns the next step of the owner after the end of a connection. Pure. */
export function followUp(end: ConnectionEnd, account: Owned, past: ConnectionPast, nowMs: number): FollowUp {
  // The status was written when a phone with another number was linked. The connection stayed open until now.
  if (account.linkedNumber !== undefined && hasStopped(account)) return { kind: 'rest' };
  const deleted = account.deletedAt !== undefined;
  const failed = (reason: FailedReason): FollowUp =>
    halt(deleted ? { kind: 'logged_out', reason: 'by_request' } : { kind: 'failed', reason });
  switch (end.reason) {
    case 'restart': {
      const recently = nowMs - past.restartedAtMs < restartWindowMs && (account.linkedAt ?? 0) <= past.restartedAtMs;
      return { kind: recently ? 'retry' : 'connect' };
    }
    case 'timed_out':
      return account.linkedAt === undefined ? halt({ kind: 'link_timeout' }) : { kind: 'retry' };
    case 'replaced': {
      const recently = account.replacedAt !== undefined && nowMs - account.replacedAt < replacedWindowMs;
      return recently ? failed('replaced_elsewhere') : { kind: 'take_back' };
    }
    case 'logged_out':
      return halt({ kind: 'logged_out', reason: account.desired === 'logged_out' ? 'by_request' : 'by_whatsapp' });
    case 'restricted':
      return halt({ kind: 'restricted', untilMs: nowMs + restrictionMs(end.expireSec) });
    case 'banned':
      return halt(deleted ? { kind: 'logged_out', reason: 'by_whatsapp' } : { kind: 'banned', code: end.code });
    case 'client_outdated':
      return past.clientRenewed ? failed('client_outdated') : { kind: 'renew_client' };
    case 'multidevice_mismatch':
      return failed('multidevice_mismatch');
    case 'client_error':
      return past.clientErrors + 1 >= maxClientErrors ? failed('client_error') : { kind: 'retry' };
    case 'lost':
    case 'unsaid':
      return { kind: 'retry' };
    default:
      return end.reason satisfies never;
  }
}

function halt(why: Halt): FollowUp {
  return { kind: 'halt', halt: why };
}

function restrictionMs(expireSec: number | undefined): number {
  const isKnown = expireSec !== undefined && Number.isFinite(expireSec) && expireSec > 0;
  return isKnown ? expireSec * 1000 : defaultRestrictionMs;
}

/** After so many attempts the waits are 10 to 30 min. */
export const quickAttempts = 10;
const slowMinMs = 10 * 60_000;
const slowMaxMs = 30 * 60_000;

/** Returns the wait (ms) before a reconnect. `attempt` counts from 1: doubling up to a minute, plus jitter; after the 10th, 10 to 30 min. */
export function reconnectWaitMs(attempt: number, options: { baseMs?: number; random: () => number }): number {
  const { baseMs = 2000, random } = options;
  if (attempt > quickAttempts) return slowMinMs + Math.floor(random() * (slowMaxMs - slowMinMs));
  return Math.floor(backoffMs(attempt - 1, { baseMs, capMs: 60_000, jitter: { random, mostMs: 1000 } }));
}
