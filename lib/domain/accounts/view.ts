import { isoOf, toIso } from '../times.ts';
import type { Account, AccountHot, AccountStatus, Desired } from './account.ts';
import { defaultPolicy, type PacingPolicy } from './pacing.ts';

/** An account as the HTTP API and events show it. Times are ISO 8601 UTC. */
export interface AccountView {
  id: string;
  name: string;
  phoneNumber: string | null;
  linkedNumber: string | null;
  transport: 'baileys';
  status: AccountStatus;
  statusReason: string | null;
  statusSince: string;
  restrictedUntil: string | null;
  firstContactsHeldUntil: string | null;
  desired: Desired;
  isPrimary: boolean;
  priority: number;
  weight: number;
  messageCount: number;
  errorCount: number;
  lastActivity: string | null;
  useLimits: boolean;
  pacing: PacingPolicy;
  link: 'qr' | 'pairing_code';
  optOutReply: boolean;
  proxy: null;
  paused: boolean;
  lanes: { express: number; bulk: number };
  warnings: string[];
  createdAt: string;
}

/** The fields of the hot item that are shown. */
export type ShownHot = Pick<
  AccountHot,
  'messageCount' | 'errorCount' | 'lastActivity' | 'queuedExpress' | 'queuedBulk'
>;

/** Returns an account as GET shows it. `primaryId` is the tenant's primary account, for sends that name no account. Pure. */
export function accountView(
  { account, hot }: { account: Account; hot: ShownHot },
  primaryId: string | undefined,
): AccountView {
  return {
    id: account.id,
    name: account.name,
    phoneNumber: account.phoneNumber ?? null,
    linkedNumber: account.linkedNumber ?? null,
    transport: 'baileys',
    status: account.status,
    statusReason: account.statusReason ?? null,
    statusSince: isoOf(account.statusSince),
    restrictedUntil: toIso(account.restrictedUntil),
    firstContactsHeldUntil: toIso(account.firstContactsHeldUntil),
    desired: account.desired,
    isPrimary: account.id === primaryId,
    priority: account.priority,
    weight: account.weight,
    messageCount: hot.messageCount,
    errorCount: hot.errorCount,
    lastActivity: toIso(hot.lastActivity),
    useLimits: account.useLimits,
    pacing: { ...defaultPolicy, ...account.pacing },
    link: account.linkMethod,
    optOutReply: account.optOutReply !== false,
    proxy: null,
    paused: account.pausedAt !== undefined,
    lanes: { express: Math.max(0, hot.queuedExpress), bulk: Math.max(0, hot.queuedBulk) },
    warnings: account.warnings,
    createdAt: isoOf(account.createdAt),
  };
}
