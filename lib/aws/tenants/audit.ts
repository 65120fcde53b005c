import { newId, ulidTime } from '../../domain/ids.ts';
import type { Item, Table, Write } from '../client/table.ts';
import { keys } from '../keys.ts';

/** The origin of a change, passed on from its HTTP request. `tenantId` is `-` for changes by admins. */
export interface Origin {
  tenantId: string;
  keyId: string;
  ip: string;
  requestId: string;
  /** Epoch milliseconds. */
  at: number;
}

export interface AuditEntry {
  id: string;
  actor: string;
  action: string;
  target: string;
  ip: string;
  requestId: string;
  at: number;
  changes?: Item;
}

export const adminTenant = '-';

const monthOf = (ms: number): string => new Date(ms).toISOString().slice(0, 7);

/** Returns an audit entry as a write, for the transaction of the change itself. `changes` must not hold secrets or texts. */
export function auditWrite(
  origin: Origin,
  change: { action: string; target: string; changes?: Item },
  randomBytes: (n: number) => Uint8Array,
): Write {
  const id = newId('aud', origin.at, randomBytes);
  const entry: AuditEntry = {
    id,
    actor: origin.keyId,
    action: change.action,
    target: change.target,
    ip: origin.ip,
    requestId: origin.requestId,
    at: origin.at,
    ...(change.changes === undefined ? {} : { changes: change.changes }),
  };
  return { put: { ...keys.audit(origin.tenantId, monthOf(origin.at), id), type: 'audit', ...entry } };
}

/**
 * Returns a page of a tenant's entries in `[sinceMs, untilMs)`, newest first. `before` is the id of the last entry of the previous page; `next` is
 * set while more may follow.
 */
export async function listAudit(
  table: Table,
  tenantId: string,
  range: { sinceMs: number; untilMs: number; limit: number; before?: string },
): Promise<{ items: AuditEntry[]; next?: string }> {
  const items: AuditEntry[] = [];
  // An id cut off after its time sorts before every id of that millisecond. So `since` is inclusive and `until` exclusive.
  const lowest = `aud_${ulidTime(range.sinceMs)}`;
  let highest = `aud_${ulidTime(range.untilMs)}`;
  if (range.before !== undefined && range.before < highest) highest = range.before;
  // The cursor is older than `since`. DynamoDB refuses a range whose end lies before its beginning.
  if (highest < lowest) return { items };
  for (let month = monthStart(timeOfId(highest)); monthEnd(month) > range.sinceMs; month = monthStart(month - 1)) {
    const listed = await table.query<AuditEntry>({
      pk: keys.audit(tenantId, monthOf(month), '').pk,
      skBetween: [lowest, highest],
      limit: range.limit - items.length + 1,
      descending: true,
    });
    items.push(...listed.items.filter((entry) => entry.id < highest));
    if (items.length >= range.limit) {
      const kept = items.slice(0, range.limit);
      const last = kept.at(-1);
      return last === undefined ? { items: kept } : { items: kept, next: last.id };
    }
  }
  return { items };
}

function monthStart(ms: number): number {
  const date = new Date(ms);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
}

function monthEnd(startMs: number): number {
  const date = new Date(startMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Returns the time in an id, epoch ms: the ten characters after the prefix. */
function timeOfId(id: string): number {
  let ms = 0;
  for (const character of id.slice(4, 14)) ms = ms * 32 + alphabet.indexOf(character);
  return ms;
}
