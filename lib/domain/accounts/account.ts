import type { Lane } from '../messages/message.ts';
import { isSameNumber } from '../people/person.ts';
import { withHoldWarning } from './first-contacts.ts';
import type { InHand } from './in-hand.ts';
import type { PairingRefusal } from './linking.ts';
import type { PaceState, PacingPolicy } from './pacing.ts';

export const accountStatuses = [
  'created',
  'connecting',
  'awaiting_link',
  'connected',
  'disconnected',
  'logged_out',
  'restricted',
  'banned',
  'failed',
] as const;
export type AccountStatus = (typeof accountStatuses)[number];
export type Desired = 'connected' | 'disconnected' | 'logged_out';

/** How the account can be linked right now; times are epoch milliseconds. */
export interface AccountLink {
  method: 'qr' | 'pairing_code';
  code: string;
  attempt: number;
  expiresAt: number;
}

/** What the tenant set, and the account's status (item `account`). Times are epoch milliseconds. */
export interface Account {
  id: string;
  tenantId: string;
  name: string;
  /** The number the tenant gave, linked first, or confirmed last. */
  phoneNumber?: string;
  /** The number of the linked phone, while it is not the account's own and the tenant has not confirmed it. Until then nothing is sent. */
  linkedNumber?: string;
  priority: number;
  weight: number;
  desired: Desired;
  /** When the tenant last said what it desires. */
  asked?: number;
  status: AccountStatus;
  statusReason?: string;
  statusSince: number;
  /** The tenant's wish (`asked`) that had been heard when the status was set. */
  statusAsked?: number;
  restrictedUntil?: number;
  /** Until then WhatsApp refuses messages to people the account has no chat with; they wait. */
  firstContactsHeldUntil?: number;
  /** When it last took its connection back from another one of the same device. */
  replacedAt?: number;
  useLimits: boolean;
  pacing: Partial<PacingPolicy>;
  linkMethod: 'qr' | 'pairing_code';
  /** False: who opts out gets no answer. */
  optOutReply?: boolean;
  /** A number for which the tenant asked a pairing code, until the host has answered. */
  pairingFor?: string;
  /** What became of the last such request, if WhatsApp gave no code. */
  pairingRefused?: PairingRefusal;
  link?: AccountLink;
  laneUrls: Record<Lane, string>;
  warnings: string[];
  linkedAt?: number;
  /** Since when the number it was linked with last is paced: that number's first link. Linking it again does not start its warm-up anew. */
  pacedSince?: number;
  /** Which number that is: `phoneNumber` is the tenant's to change while no device is linked. */
  pacedFor?: string;
  createdAt: number;
  deletedAt?: number;
}

/** What changes with each send (item `accountHot`), kept below 1 KB while one message is in hand. */
export interface AccountHot {
  tenantId: string;
  accountId: string;
  owner?: string;
  epoch: number;
  pace: PaceState;
  /** Read it by `inHandOf`. */
  inHand?: InHand;
  queuedExpress: number;
  queuedBulk: number;
  messageCount: number;
  errorCount: number;
  lastActivity?: number;
  /** How often a running contract of the account was paused, canceled or deleted, or a claim of it had no answer. */
  stops?: number;
  /** The highest segment of the account's keys that its owner knew to be durable: a log that ends before it has lost what is newest. */
  authHead?: number;
}

/**
 * Pure: whether the account sends nothing until somebody acts or its restriction has ended; its messages wait in the table then, not in a
 * lane. A lost line and a first link are no such cases: they are over within seconds or minutes.
 */
export function isHalted(
  account: Pick<Account, 'desired' | 'status' | 'statusReason' | 'restrictedUntil' | 'deletedAt' | 'linkedNumber'>,
  nowMs: number,
): boolean {
  if (account.deletedAt !== undefined || account.desired !== 'connected') return true;
  if (account.linkedNumber !== undefined) return true;
  return nowMs < (account.restrictedUntil ?? 0) || waitsForUser(account);
}

/**
 * Pure: whether no host may connect the account: its status waits for its tenant, who has not asked for a connection since. An account
 * that was linked with another number connects only to be logged out, whatever was asked, until that number is confirmed.
 */
export function hasStopped(
  account: Pick<Account, 'status' | 'statusReason' | 'asked' | 'statusAsked' | 'linkedNumber' | 'desired'>,
): boolean {
  if (account.linkedNumber !== undefined) return account.desired !== 'logged_out';
  return waitsForUser(account) && account.asked === account.statusAsked;
}

function waitsForUser({ status, statusReason }: Pick<Account, 'status' | 'statusReason'>): boolean {
  switch (status) {
    case 'logged_out':
    case 'banned':
    case 'failed':
      return true;
    case 'disconnected':
      return ['link_timeout', 'passkey_required', 'number_changed'].includes(statusReason ?? '');
    case 'restricted':
    case 'created':
    case 'connecting':
    case 'awaiting_link':
    case 'connected':
      return false;
    default:
      return status satisfies never;
  }
}

/** Pure: whether a phone with this number (digits) is another one than the account's; any spelling of the account's own number is not. */
export function isOtherNumber(account: Pick<Account, 'phoneNumber' | 'pacedFor'>, phoneNumber: string): boolean {
  const own = account.phoneNumber ?? account.pacedFor;
  return own !== undefined && !isSameNumber(own, phoneNumber);
}

/**
 * Pure: what is noted when the account begins to send from this number. Another one than before starts the warm-up anew, and WhatsApp's
 * limits on the one before are not its own. A field that is undefined is to be removed.
 */
export function numberNotes(
  account: Pick<Account, 'pacedFor' | 'warnings'>,
  phoneNumber: string,
  nowMs: number,
): { pacedSince?: number; pacedFor?: string; warnings?: string[]; firstContactsHeldUntil?: undefined } {
  if (account.pacedFor !== undefined && isSameNumber(account.pacedFor, phoneNumber)) return {};
  const warnings = withHoldWarning(account.warnings, undefined);
  return { pacedSince: nowMs, pacedFor: phoneNumber, firstContactsHeldUntil: undefined, warnings };
}
