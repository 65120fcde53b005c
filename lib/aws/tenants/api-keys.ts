import { createHash } from 'node:crypto';
import { newId } from '../../domain/ids.ts';
import { type ListStep, newestById } from '../client/newest-first.ts';
import { absent, present, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';
import { adminTenant, auditWrite, type Origin } from './audit.ts';

/** `admin` is the only scope of an admin key, which has no tenant. Keys of tenants have the other scopes. */
export const scopes = ['read', 'send', 'manage', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** A stored API key: `hash`, its sha256 in hex, instead of the key itself. Admin keys are stored under tenant `-`. */
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

/** Stores a key. Returns `exists` when the same key is already stored, `no_tenant` when its tenant does not exist; nothing is written then. */
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

/** Returns a page of the tenant's keys, newest first. `step.before` is the last id of the previous page. */
export async function listKeys(
  table: Table,
  tenantId: string,
  step: ListStep,
): Promise<{ items: ApiKey[]; next?: string }> {
  return await newestById<ApiKey>(table, (id) => keys.apiKey(tenantId, id), step);
}

/** Deletes a key, so that the next request with it is refused. Returns false when there was none. */
export async function deleteKey(
  deps: { table: Table } & Entropy,
  origin: Origin,
  tenantId: string,
  id: string,
): Promise<boolean> {
  const key = await readKey(deps.table, tenantId, id);
  if (key === undefined) return false;
  const refused = await deps.table.tryTransact({
    // When two deletions race, only one enters the audit log.
    key: { delete: keys.apiKey(tenantId, id), condition: { exists: present } },
    hash: { delete: keys.keyHash(key.hash) },
    audit: auditWrite(origin, { action: 'api_key.deleted', target: id, changes: { name: key.name } }, deps.randomBytes),
  });
  return refused === undefined;
}

/** Stores the given key for the tenant, or as an admin key when there is no tenant. Repeating it changes nothing. */
export async function ensureKey(
  deps: { table: Table } & Entropy,
  wanted: { tenantId?: string; name: string; scopes: Scope[]; secret: string },
): Promise<void> {
  if (!keyForm.test(wanted.secret)) throw new Error('A key is plk_ or pla_ and 43 base64url characters.');
  const origin: Origin = { tenantId: adminTenant, keyId: 'setup', ip: '-', requestId: '-', at: deps.nowMs() };
  const made = await createKey(deps, origin, wanted);
  if (made === 'no_tenant') throw new Error(`The tenant ${wanted.tenantId} of the key does not exist.`);
}
