import {
  type DisabledReason,
  type Endpoint,
  type EndpointSettings,
  mostEndpoints,
  rotated,
} from '../../domain/webhooks/endpoint.ts';
import { type ListStep, newestById } from '../client/newest-first.ts';
import { given, patch } from '../client/patch.ts';
import { absent, type Item, present, type Table, type Write } from '../client/table.ts';
import { keys, ranges } from '../keys.ts';
import { auditWrite, type Origin } from '../tenants/audit.ts';

interface Writer {
  table: Table;
  nowMs(): number;
  randomBytes(n: number): Uint8Array;
}

export async function readEndpoint(table: Table, tenantId: string, id: string): Promise<Endpoint | undefined> {
  return await table.get<Endpoint>(keys.endpoint(tenantId, id));
}

/** Returns the endpoint with this id or name. A name never has the form of an id. */
export async function findEndpoint(table: Table, tenantId: string, idOrName: string): Promise<Endpoint | undefined> {
  if (/^whk_[0-9A-Za-z]{1,40}$/.test(idOrName)) return await readEndpoint(table, tenantId, idOrName);
  const lock = await table.get<{ id: string }>(keys.endpointName(tenantId, idOrName));
  return lock === undefined ? undefined : await readEndpoint(table, tenantId, lock.id);
}

/** Returns all endpoints of a tenant, at most 50. */
export async function tenantEndpoints(table: Table, tenantId: string): Promise<Endpoint[]> {
  return await table.queryAll<Endpoint>(ranges.endpoints(tenantId));
}

/** Newest first; `before` is the id of the last one of the list page before. */
export async function listEndpoints(
  table: Table,
  tenantId: string,
  step: ListStep,
): Promise<{ items: Endpoint[]; next?: string }> {
  return await newestById<Endpoint>(table, (id) => keys.endpoint(tenantId, id), step);
}

/**
 * Creates an endpoint. Returns `name_taken` when another endpoint has the name, `full` when the tenant has the most it may have. A repeat of the call
 * returns the endpoint that an earlier try created.
 */
export async function createEndpoint(
  deps: Writer,
  origin: Origin,
  endpoint: Endpoint,
): Promise<Endpoint | 'name_taken' | 'full'> {
  const { tenantId, id, name } = endpoint;
  const others = (await tenantEndpoints(deps.table, tenantId)).filter((one) => one.id !== id);
  if (others.length >= mostEndpoints) return 'full';
  const refused = await deps.table.tryTransact({
    endpoint: {
      put: { ...keys.endpoint(tenantId, id), type: 'endpoint', ...endpoint },
      condition: { idIsNew: absent },
    },
    nameLock: nameLock(tenantId, name, id),
    audit: auditWrite(
      origin,
      { action: 'webhook.created', target: id, changes: auditable({ ...endpoint }) },
      deps.randomBytes,
    ),
  });
  if (refused === undefined) return endpoint;
  if (!refused.by('endpoint')) return 'name_taken';
  return (await readEndpoint(deps.table, tenantId, id)) ?? 'name_taken';
}

/** Null removes an optional setting. */
export type EndpointChanges = {
  [K in keyof EndpointSettings]?: EndpointSettings[K] | (undefined extends EndpointSettings[K] ? null : never);
};

/**
 * Changes settings. `active: true` deletes the reason for which the endpoint was disabled, and the state of its breaker. A new URL also deletes the
 * state of the breaker. Returns `name_taken` when another endpoint has the new name, undefined when the endpoint is gone.
 */
export async function updateEndpoint(
  deps: Writer,
  origin: Origin,
  endpoint: Endpoint,
  changes: EndpointChanges,
): Promise<Endpoint | 'name_taken' | undefined> {
  const { tenantId, id } = endpoint;
  const renamed = changes.name !== undefined && changes.name !== endpoint.name ? changes.name : undefined;
  const forgetsHealth = changes.active === true || changes.url !== undefined;
  const refused = await deps.table.tryTransact({
    endpoint: {
      key: keys.endpoint(tenantId, id),
      ...settingsPatch(changes),
      // The name must be the one that was read, so that the endpoint has exactly one lock.
      condition: { exists: present, hasSameName: named(endpoint.name) },
    },
    audit: auditWrite(
      origin,
      { action: 'webhook.updated', target: id, changes: auditable({ ...changes }) },
      deps.randomBytes,
    ),
    nameLock: renamed === undefined ? undefined : nameLock(tenantId, renamed, id),
    oldNameLock: renamed === undefined ? undefined : { delete: keys.endpointName(tenantId, endpoint.name) },
    health: forgetsHealth ? { delete: keys.endpointHealth(tenantId, id) } : undefined,
  });
  if (refused?.by('endpoint')) {
    const now = await readEndpoint(deps.table, tenantId, id);
    return now === undefined ? undefined : await updateEndpoint(deps, origin, now, changes);
  }
  return refused === undefined ? await readEndpoint(deps.table, tenantId, id) : 'name_taken';
}

/** Deletes an endpoint. Its waiting deliveries are dropped when they are due. Returns false when there was no such endpoint. */
export async function deleteEndpoint(deps: Writer, origin: Origin, endpoint: Endpoint): Promise<boolean> {
  const { tenantId, id, name } = endpoint;
  const refused = await deps.table.tryTransact({
    // When two deletions race, only one enters the audit log. The name must be as read, so that its lock is deleted too.
    endpoint: { delete: keys.endpoint(tenantId, id), condition: { exists: present, hasSameName: named(name) } },
    nameLock: { delete: keys.endpointName(tenantId, name) },
    health: { delete: keys.endpointHealth(tenantId, id) },
    audit: auditWrite(origin, { action: 'webhook.deleted', target: id, changes: { name } }, deps.randomBytes),
  });
  if (refused === undefined) return true;
  const now = await readEndpoint(deps.table, tenantId, id);
  return now === undefined ? false : await deleteEndpoint(deps, origin, now);
}

/** Gives an endpoint a new secret; the previous one also signs for 24 h. Returns undefined when the endpoint is gone. */
export async function rotateSecret(
  deps: Writer,
  origin: Origin,
  endpoint: Endpoint,
  secret: string,
): Promise<Endpoint | undefined> {
  const { tenantId, id } = endpoint;
  const secrets = rotated(endpoint.secrets, secret, deps.nowMs());
  const refused = await deps.table.tryTransact({
    endpoint: {
      key: keys.endpoint(tenantId, id),
      ...patch({ secrets }),
      // When two rotations race, the second reads again. Otherwise a secret that still signs would be lost.
      condition: { hasSecretsRead: { is: 'secrets = :seen', values: { ':seen': endpoint.secrets } } },
    },
    audit: auditWrite(origin, { action: 'webhook.secret_rotated', target: id }, deps.randomBytes),
  });
  if (refused === undefined) return { ...endpoint, secrets };
  const now = await readEndpoint(deps.table, tenantId, id);
  return now === undefined ? undefined : await rotateSecret(deps, origin, now, secret);
}

/**
 * Disables an endpoint that is active; the change stream gives webhook.disabled. Returns false when the endpoint was not active any more, or
 * has another URL than the one that failed.
 */
export async function disableEndpoint(
  table: Table,
  ref: Pick<Endpoint, 'tenantId' | 'id' | 'url'>,
  reason: DisabledReason,
  nowMs: number,
): Promise<boolean> {
  const { refused } = await table.tryUpdate(keys.endpoint(ref.tenantId, ref.id), {
    ...patch({ active: false, disabledReason: reason, disabledAt: nowMs }),
    condition: {
      // The event must come once.
      isActive: { is: 'active = :yes', values: { ':yes': true } },
      hasUrlThatFailed: { is: '#url = :url', names: { '#url': 'url' }, values: { ':url': ref.url } },
    },
  });
  return refused === undefined;
}

const named = (name: string) => ({ is: '#name = :read', names: { '#name': 'name' }, values: { ':read': name } });

function nameLock(tenantId: string, name: string, id: string): Write {
  return {
    put: { ...keys.endpointName(tenantId, name), type: 'endpointName', id },
    condition: { isFreeOrOurs: { is: 'attribute_not_exists(pk) OR id = :own', values: { ':own': id } } },
  };
}

/** Returns the settings for the audit log: without secrets, header values and the query of a URL, which may be a secret. */
function auditable(settings: Item): Item {
  const { secrets: _secrets, headers, url, tenantId: _tenantId, createdAt: _createdAt, ...rest } = settings;
  return {
    ...rest,
    ...(typeof url === 'string' ? { url: url.replace(/[?#].*$/s, '') } : {}),
    ...(headers === undefined ? {} : { headers: Object.keys(headers ?? {}) }),
  };
}

/** Returns the update of the given settings; null removes one. `type` is set again, because DynamoDB refuses an empty update. */
function settingsPatch(changes: EndpointChanges) {
  const noLongerDisabled = changes.active === true ? { disabledReason: undefined, disabledAt: undefined } : {};
  return patch({ type: 'endpoint', ...given({ ...changes }, () => true), ...noLongerDisabled });
}
