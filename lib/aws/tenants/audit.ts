import { newId, ulidTime } from '../../domain/ids.ts';
import type { Item, Table, Write } from '../client/table.ts';
import { keys } from '../keys.ts';

/** Who asks: carried from the HTTP call into every change. `tenantId` is `-` for what admins do. */
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

/** The entry as a write, so that it stands in the same transaction as the change. `changes` never holds secrets or texts. */
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
 * Entries of a tenant in `[sinceMs, untilMs)`, newest first, walked month by month. `before` is the id of the last entry of the page before;
 * `next` is there while more may follow.
 */
export async function listAudit(
  table: Table,
  tenantId: string,
  range: { sinceMs: number; untilMs: number; limit: number; before?: string },
): Promise<{ items: AuditEntry[]; next?: string }> {
  const items: AuditEntry[] = [];
  // `!` sorts before every character of a ULID, so the bounds are exclusive at `until` and inclusive at `since`.
  const lowest = `aud_${ulidTime(range.sinceMs)}`;
  let highest = `aud_${ulidTime(range.untilMs)}`;
  if (range.before !== undefined && range.before < highest) highest = range.before;
  for (let month = monthStart(timeOfId(highest)); monthEnd(month) > range.sinceMs; month = monthStart(month - 1)) {
    const page = await table.query<AuditEntry>({
      pk: keys.audit(tenantId, monthOf(month), '').pk,
      skBetween: [lowest, highest],
      limit: range.limit - items.length + 1,
      descending: true,
    });
    items.push(...page.items.filter((entry) => entry.id < highest));
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

/** The time (ms) in the first ten characters behind the prefix of an id. */
function timeOfId(id: string): number {
  let ms = 0;
  for (const character of id.slice(4, 14)) ms = ms * 32 + alphabet.indexOf(character);
  return ms;
}
