import type { Lane } from './message.ts';
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
  phoneNumber?: string;
  priority: number;
  weight: number;
  desired: Desired;
  /** When the tenant last said what it desires. */
  asked?: number;
  status: AccountStatus;
  statusReason?: string;
  statusSince: number;
  restrictedUntil?: number;
  useLimits: boolean;
  pacing: Partial<PacingPolicy>;
  linkMethod: 'qr' | 'pairing_code';
  /** A number for which the tenant asked a pairing code, until the host has answered. */
  pairingFor?: string;
  link?: AccountLink;
  laneUrls: Record<Lane, string>;
  warnings: string[];
  linkedAt?: number;
  /** Since when this number is paced: its first link. Linking the same number again does not start its warm-up anew. */
  pacedSince?: number;
  createdAt: number;
  deletedAt?: number;
}

/** The message a claim covers. It stays until the next claim, so that a new owner can settle it. */
export interface InHand {
  messageId: string;
  contractId: string;
  nonce: string;
}

/** What changes with each send (item `accountHot`), kept below 1 KB. */
export interface AccountHot {
  tenantId: string;
  accountId: string;
  owner?: string;
  epoch: number;
  pace: PaceState;
  inHand?: InHand;
  queuedExpress: number;
  queuedBulk: number;
  messageCount: number;
  errorCount: number;
  lastActivity?: number;
}
