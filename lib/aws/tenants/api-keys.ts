import { createHash } from 'node:crypto';
import { newId } from '../../domain/ids.ts';
import { newestById, type Page } from '../client/newest-first.ts';
import { absent, present, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';
import { adminTenant, auditWrite, type Origin } from './audit.ts';

/** `admin` stands alone, on keys of no tenant; the others are given to a tenant's keys. */
export const scopes = ['read', 'send', 'manage', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** A key as it is stored: not the key itself but `hash`, its sha256 in hex. Admin keys stand under tenant `-`. */
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

/** Returns a new key: `plk_` (a tenant's) or `pla_` (an admin's) and 32 random bytes as base64url. */
export function newSecret(admin: boolean, randomBytes: (n: number) => Uint8Array): string {
  return `${admin ? 'pla_' : 'plk_'}${Buffer.from(randomBytes(32)).toString('base64url')}`;
}

export function hashKey(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Returns the tenant and the scopes of a key; undefined when there is no such key. */
export async function findKey(
  table: Table,
  secret: string,
): Promise<{ keyId: string; tenantId?: string; scopes: Scope[] } | undefined> {
  return keyForm.test(secret) ? await table.get(keys.keyHash(hashKey(secret))) : undefined;
}

/** Stores a key. `exists`: this very key is stored already; `no_tenant`: its tenant does not exist. Nothing is written then. */
export async function createKey(
  deps: { table: Table } & Entropy,
  origin: Origin,
  wanted: { tenantId?: string; name: string; scopes: Scope[]; secret: string },
): Promise<ApiKey | 'exists' | 'no_tenant'> {
  const id = newId('key', deps.nowMs(), deps.randomBytes);
  const tenant = wanted.tenantId === undefined ? {} : { tenantId: wanted.tenantId };
  const hash = hashKey(wanted.secret);
  const key: ApiKey = { id, ...tenant, name: wanted.name, scopes: wanted.scopes, hash, createdAt: deps.nowMs() };
  const changes = { name: wanted.name, scopes: wanted.scopes, ...tenant };
  const refused = await deps.table.tryTransact({
    hash: {
      put: { ...keys.keyHash(hash), type: 'keyHash', keyId: id, ...tenant, scopes: wanted.scopes },
      condition: { keyIsNew: absent },
    },
    key: { put: { ...keys.apiKey(wanted.tenantId ?? adminTenant, id), type: 'apiKey', ...key } },
    tenant:
      wanted.tenantId === undefined
        ? undefined
        : { check: keys.tenant(wanted.tenantId), condition: { exists: present } },
    audit: auditWrite(origin, { action: 'api_key.created', target: id, changes }, deps.randomBytes),
  });
  if (refused === undefined) return key;
  return refused.by('hash') ? 'exists' : 'no_tenant';
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

/** Deletes a key, which opens nothing from the next request on. Returns false when there was none. */
export async function deleteKey(
  deps: { table: Table } & Entropy,
  origin: Origin,
  tenantId: string,
  id: string,
): Promise<boolean> {
  const key = await readKey(deps.table, tenantId, id);
  if (key === undefined) return false;
  const refused = await deps.table.tryTransact({
    // Of two deletions at a time one stands in the audit log.
    key: { delete: keys.apiKey(tenantId, id), condition: { exists: present } },
    hash: { delete: keys.keyHash(key.hash) },
    audit: auditWrite(origin, { action: 'api_key.deleted', target: id, changes: { name: key.name } }, deps.randomBytes),
  });
  return refused === undefined;
}

/** Stores this very key for the tenant, or without one for the admin routes. Repeating it changes nothing. */
export async function ensureKey(
  deps: { table: Table } & Entropy,
  wanted: { tenantId?: string; name: string; scopes: Scope[]; secret: string },
): Promise<void> {
  if (!keyForm.test(wanted.secret)) throw new Error('A key is plk_ or pla_ and 43 base64url characters.');
  const origin: Origin = { tenantId: adminTenant, keyId: 'setup', ip: '-', requestId: '-', at: deps.nowMs() };
  const made = await createKey(deps, origin, wanted);
  if (made === 'no_tenant') throw new Error(`the key has no tenant ${wanted.tenantId}`);
}
