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

/** The code with which the account can be linked now. Times are epoch milliseconds. */
export interface AccountLink {
  method: 'qr' | 'pairing_code';
  code: string;
  attempt: number;
  expiresAt: number;
}

/** The settings and the status of an account (item `account`). Times are epoch milliseconds. */
export interface Account {
  id: string;
  tenantId: string;
  name: string;
  /** The account's own number: given by the tenant, taken from the first link, or confirmed by the tenant since. */
  phoneNumber?: string;
  /** The number of the linked phone if it differs from the account's own. Nothing is sent until the tenant has confirmed it. */
  linkedNumber?: string;
  priority: number;
  weight: number;
  desired: Desired;
  /** The time when the tenant last set `desired`. */
  asked?: number;
  status: AccountStatus;
  statusReason?: string;
  statusSince: number;
  /** The value of `asked` that the owner knew when it set the status. */
  statusAsked?: number;
  restrictedUntil?: number;
  /** Until then, messages to people without a chat with the account wait, because WhatsApp refuses them. */
  firstContactsHeldUntil?: number;
  /** The time when the account last took its connection back after another one of the same device had replaced it. */
  replacedAt?: number;
  useLimits: boolean;
  pacing: Partial<PacingPolicy>;
  linkMethod: 'qr' | 'pairing_code';
  /** False: no confirmation is sent after an opt-out. */
  optOutReply?: boolean;
  /** The number for which the tenant requested a pairing code. Present until the host has answered. */
  pairingFor?: string;
  /** WhatsApp's refusal of the last request, if it gave no code. */
  pairingRefused?: PairingRefusal;
  link?: AccountLink;
  laneUrls: Record<Lane, string>;
  warnings: string[];
  linkedAt?: number;
  /** The time of the first link of the number `pacedFor`: the start of its warm-up. Linking the same number again does not restart the warm-up. */
  pacedSince?: number;
  /** The number that was linked last. The tenant can change `phoneNumber` while no device is linked, but not this. */
  pacedFor?: string;
  /** Since when the tenant holds all sending, without disconnecting the account. The hot item has it too, for claims. */
  pausedAt?: number;
  createdAt: number;
  deletedAt?: number;
}

/** Returns the start of the account's warm-up, from which its days of pacing count (epoch ms). */
export function warmUpStart({ pacedSince, createdAt }: Pick<Account, 'pacedSince' | 'createdAt'>): number {
  return pacedSince ?? createdAt;
}

/** The fields that change with each send (item `accountHot`). Kept below 1 KB while one message is in hand. */
export interface AccountHot {
  tenantId: string;
  accountId: string;
  owner?: string;
  epoch: number;
  pace: PaceState;
  /** Read it with `inHandOf`. */
  inHand?: InHand;
  queuedExpress: number;
  queuedBulk: number;
  messageCount: number;
  errorCount: number;
  lastActivity?: number;
  /** Counts how often a running contract of the account was paused, canceled or deleted, or a claim of the account had no answer. */
  stops?: number;
  /** As in the account's item: claims are refused while it is set. */
  pausedAt?: number;
  /** The highest segment of the account's key log that its owner knew to be durable. A log that ends before it has lost its newest keys. */
  authHead?: number;
}

/**
 * Returns whether the account sends nothing until its tenant acts or its restriction ends. Its messages then wait in the table, not in a lane.
 * A lost connection and a first link do not count: they last seconds or minutes. Pure.
 */
export function isHalted(account: Resting & Pick<Account, 'pausedAt'>, nowMs: number): boolean {
  return account.pausedAt !== undefined || needsNoHost(account, nowMs);
}

type Resting = Pick<Account, 'desired' | 'status' | 'statusReason' | 'restrictedUntil' | 'deletedAt' | 'linkedNumber'>;

/** Returns whether no host must connect the account until its tenant acts or its restriction ends. Pure. */
export function needsNoHost(account: Resting, nowMs: number): boolean {
  if (account.deletedAt !== undefined || account.desired !== 'connected') return true;
  if (account.linkedNumber !== undefined) return true;
  return nowMs < (account.restrictedUntil ?? 0) || waitsForUser(account);
}

/**
 * Returns whether no host may connect the account: its status waits for its tenant, who has not requested a connection since. An account that
 * was linked with another number connects only for its logout, until the tenant has confirmed that number. Pure.
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

/** Returns whether a number (digits) differs from the account's own. Another spelling of the own number does not differ. Pure. */
export function isOtherNumber(account: Pick<Account, 'phoneNumber' | 'pacedFor'>, phoneNumber: string): boolean {
  const own = account.phoneNumber ?? account.pacedFor;
  return own !== undefined && !isSameNumber(own, phoneNumber);
}

/**
 * Returns the changes when the account begins to send from a number. A new number restarts the warm-up and ends the hold that WhatsApp's limit
 * on the previous number caused. Remove fields that are undefined. Pure.
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
