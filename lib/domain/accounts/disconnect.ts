import { backoffMs } from '../backoff.ts';
import { type Account, hasStopped } from './account.ts';
import type { FailedReason, Halt } from './halt.ts';

/**
 * Why a network ended a connection, in words of our own:
 *
 *   restart               normal after linking: connect again with the same state
 *   timed_out             no answer in time; of an account that was never linked: its codes were not used
 *   replaced              another connection of the same device took over
 *   logged_out            the device was unlinked
 *   restricted            a temporary ban
 *   banned                the main device is gone or locked, or the number is banned
 *   client_outdated       the network refuses our version of the client
 *   multidevice_mismatch  the account cannot have linked devices
 *   client_error          the network says that the client is at fault
 *   lost                  the line was lost, or the network is in trouble
 *   unsaid                the network has said nothing: we closed the connection, or it could not be opened
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
 * The table of WhatsApp's closing codes. A code is Boom's `output.statusCode` of Baileys' close event, never the HTTP status of a refused
 * upgrade or CONNECT: those are undefined here. Unknown codes count as lost: credentials are never wiped on a guess.
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

/** What follows the end of a connection. */
export type FollowUp =
  /** Connect again at once, with the state that the session has left. */
  | { kind: 'connect' }
  /** Connect again after the backoff. */
  | { kind: 'retry' }
  /** Another connection took over: take it back, once, under a new epoch and after jitter. */
  | { kind: 'take_back' }
  /** Learn the present version of the client, then connect at once. */
  | { kind: 'renew_client' }
  /** Stop with this status. */
  | { kind: 'halt'; halt: Halt }
  /** The status says already that the account has stopped: do what is left to do. */
  | { kind: 'rest' };

/** How a connection ended, as far as it matters here. `code` is the network's own; `expireSec` is how long a restriction lasts. */
export interface ConnectionEnd {
  reason: CloseReason;
  code?: number;
  expireSec?: number;
}

/** What an account remembers of the connections before, in this process. */
export interface ConnectionPast {
  /** Ends in a row with `client_error`. */
  clientErrors: number;
  /** When the network last asked for a restart (epoch ms). */
  restartedAtMs: number;
  /** The client's version was fetched since the last open connection. A further 405 fails the account. */
  clientRenewed: boolean;
}

/** A second restart within this time is no part of linking: a server that goes on saying it is answered like one in trouble. */
const restartWindowMs = 60_000;
/** A second replacement within this time ends in `failed: replaced_elsewhere`. */
const replacedWindowMs = 10 * 60_000;
/** Client errors in a row after which an account fails. */
const maxClientErrors = 3;
/** How long a restriction lasts whose end is not named. */
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

/** Pure: what follows the end of a connection of this account. */
export function followUp(end: ConnectionEnd, account: Owned, past: ConnectionPast, nowMs: number): FollowUp {
  // Its status was written when the phone was linked. The connection had to stay open until here.
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
