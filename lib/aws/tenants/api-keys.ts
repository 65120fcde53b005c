import { createHash } from 'node:crypto';
import { newId } from '../../domain/ids.ts';
import { newestById, type Page } from '../client/newest-first.ts';
import { ConditionFailed, type Table, type Write } from '../client/table.ts';
import { keys } from '../keys.ts';
import { adminTenant, auditWrite, type Origin } from './audit.ts';

/** `admin` stands alone, on keys of no tenant; the others are given to a tenant's keys. */
export const scopes = ['read', 'send', 'manage', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** The key itself is in no item: `hash` is the hex sha256 of it. Admin keys are kept under tenant `-`. */
export interface ApiKey {
  id: string;
  tenantId?: string;
  name: string;
  scopes: Scope[];
  hash: string;
  createdAt: number;
}

interface Entropy {
  nowMs(): number;
  randomBytes(n: number): Uint8Array;
}

const keyForm = /^pl[ka]_[A-Za-z0-9_-]{43}$/;

/** `plk_` (a tenant's) or `pla_` (an admin's) and 32 random bytes as base64url. */
export function newSecret(admin: boolean, randomBytes: (n: number) => Uint8Array): string {
  return `${admin ? 'pla_' : 'plk_'}${Buffer.from(randomBytes(32)).toString('base64url')}`;
}

export function hashKey(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Whose key it is; undefined for one that does not exist or is not of our form. */
export async function findKey(
  table: Table,
  secret: string,
): Promise<{ keyId: string; tenantId?: string; scopes: Scope[] } | undefined> {
  return keyForm.test(secret) ? await table.get(keys.keyHash(hashKey(secret))) : undefined;
}

/** Stores a key. Throws ConditionFailed: write 0 when it exists, write 2 when its tenant does not. */
export async function createKey(
  deps: { table: Table } & Entropy,
  origin: Origin,
  wanted: { tenantId?: string; name: string; scopes: Scope[]; secret: string },
): Promise<ApiKey> {
  const id = newId('key', deps.nowMs(), deps.randomBytes);
  const tenant = wanted.tenantId === undefined ? {} : { tenantId: wanted.tenantId };
  const hash = hashKey(wanted.secret);
  const key: ApiKey = { id, ...tenant, name: wanted.name, scopes: wanted.scopes, hash, createdAt: deps.nowMs() };
  const writes: Write[] = [
    {
      put: { ...keys.keyHash(hash), type: 'keyHash', keyId: id, ...tenant, scopes: wanted.scopes },
      // Clause: nobody's key is replaced.
      condition: 'attribute_not_exists(pk)',
    },
    { put: { ...keys.apiKey(wanted.tenantId ?? adminTenant, id), type: 'apiKey', ...key } },
  ];
  if (wanted.tenantId !== undefined) {
    // Clause: the tenant is there, and stays so until the key is.
    writes.push({ check: keys.tenant(wanted.tenantId), condition: 'attribute_exists(pk)' });
  }
  const changes = { name: wanted.name, scopes: wanted.scopes, ...tenant };
  writes.push(auditWrite(origin, { action: 'api_key.created', target: id, changes }, deps.randomBytes));
  await deps.table.transact(writes);
  return key;
}

export async function readKey(table: Table, tenantId: string, id: string): Promise<ApiKey | undefined> {
  return await table.get<ApiKey>(keys.apiKey(tenantId, id));
}

/** Newest first; `before` is the id of the last one of the page before. */
export async function listKeys(
  table: Table,
  tenantId: string,
  page: Page,
): Promise<{ items: ApiKey[]; next?: string }> {
  return await newestById<ApiKey>(table, (id) => keys.apiKey(tenantId, id), page);
}

/** From the next request on the key opens nothing. False when it was not there. */
export async function deleteKey(
  deps: { table: Table } & Entropy,
  origin: Origin,
  tenantId: string,
  id: string,
): Promise<boolean> {
  const key = await readKey(deps.table, tenantId, id);
  if (key === undefined) return false;
  try {
    await deps.table.transact([
      // Clause: still there, so that one deletion is told once.
      { delete: keys.apiKey(tenantId, id), condition: 'attribute_exists(pk)' },
      { delete: keys.keyHash(key.hash) },
      auditWrite(origin, { action: 'api_key.deleted', target: id, changes: { name: key.name } }, deps.randomBytes),
    ]);
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}

/** Makes sure that this very key opens the tenant (or, without one, the admin routes); repeating it changes nothing. */
export async function ensureKey(
  deps: { table: Table } & Entropy,
  wanted: { tenantId?: string; name: string; scopes: Scope[]; secret: string },
): Promise<void> {
  if (!keyForm.test(wanted.secret)) throw new Error('A key is plk_ or pla_ and 43 base64url characters.');
  const origin: Origin = { tenantId: adminTenant, keyId: 'setup', ip: '-', requestId: '-', at: deps.nowMs() };
  try {
    await createKey(deps, origin, wanted);
  } catch (error) {
    if (!(error instanceof ConditionFailed) || error.failed[0] !== true) throw error;
  }
}
