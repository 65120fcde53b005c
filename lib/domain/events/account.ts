import type { Account, AccountStatus } from '../accounts/account.ts';
import type { EventType } from '../event-types.ts';
import { isoOf } from '../times.ts';
import { type ChangeRecord, draftOf, type EventDraft, type Image, mustBeText, type Subject } from './draft.ts';

/**
 * The connection of an account as its tenant knows it. After `connected` an event says when that ended, whatever state follows. Tries that fail
 * while the account is down anyway give no event.
 */
type Standing =
  | 'up'
  | 'down'
  | 'resting'
  | 'not_linked'
  | 'other_number'
  | 'failed'
  | 'logged_out'
  | 'restricted'
  | 'banned';

const standingEvents: Record<Standing, EventType> = {
  up: 'account.connected',
  down: 'account.disconnected',
  resting: 'account.disconnected',
  not_linked: 'account.disconnected',
  other_number: 'account.disconnected',
  failed: 'account.disconnected',
  logged_out: 'account.logged_out',
  restricted: 'account.restricted',
  banned: 'account.banned',
};

function standingOf({ status, statusReason }: { status: AccountStatus; statusReason?: string }): Standing {
  switch (status) {
    case 'connected':
      return 'up';
    case 'created':
    case 'connecting':
    case 'awaiting_link':
      return 'down';
    case 'disconnected':
      if (statusReason === 'by_request') return 'resting';
      if (statusReason === 'number_changed') return 'other_number';
      return statusReason === 'link_timeout' || statusReason === 'passkey_required' ? 'not_linked' : 'down';
    case 'failed':
    case 'logged_out':
    case 'restricted':
    case 'banned':
      return status;
    default:
      status satisfies never;
      throw new TypeError('the image of an account has no known status');
  }
}

/** Pure: returns the events of a change of an account. QR and pairing codes are delivered and not kept in the log. */
export function accountEvents(before: Image | undefined, after: Image, record: ChangeRecord): EventDraft[] {
  const account = after as unknown as Account;
  const was = before as unknown as Account | undefined;
  const { id, tenantId, link } = account;
  for (const text of [id, tenantId]) mustBeText(text);
  const stands = standingOf(account);
  const draft = (type: EventType, ownMs?: number, about: Subject = { kind: 'account', account }): EventDraft => ({
    ...draftOf(record, { type, tenantId, of: id, version: record.version, about, ownMs }),
    accountId: id,
  });
  // A host may still work on a deleted account. That gives no event.
  if (was?.deletedAt !== undefined) return [];
  if (account.deletedAt !== undefined) return [draft('account.deleted', account.deletedAt)];
  if (was === undefined) return [draft('account.created', account.createdAt)];
  const drafts: EventDraft[] = [];
  if (link !== undefined && link.code !== was.link?.code) {
    const data = { accountId: id, code: link.code, attempt: link.attempt, expiresAt: isoOf(link.expiresAt) };
    const type = link.method === 'qr' ? 'account.qr' : 'account.pairing_code';
    drafts.push(draft(type, undefined, { kind: 'data', data }));
  }
  const stood = standingOf(was);
  if (stands !== stood && (stands !== 'down' || stood === 'up')) {
    drafts.push(draft(standingEvents[stands], account.statusSince));
  }
  return drafts;
}
