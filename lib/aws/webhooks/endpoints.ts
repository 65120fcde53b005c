import {
  type DisabledReason,
  type Endpoint,
  type EndpointSettings,
  mostEndpoints,
  rotated,
} from '../../domain/webhooks/endpoint.ts';
import { newestById, type Page } from '../client/newest-first.ts';
import { ConditionFailed, type Item, type Table, type Write } from '../client/table.ts';
import { keys } from '../keys.ts';
import { auditWrite, type Origin } from '../tenants/audit.ts';

interface Writer {
  table: Table;
  nowMs(): number;
  randomBytes(n: number): Uint8Array;
}

export async function readEndpoint(table: Table, tenantId: string, id: string): Promise<Endpoint | undefined> {
  return await table.get<Endpoint>(keys.endpoint(tenantId, id));
}

/** By id or by name: no name looks like an id. */
export async function findEndpoint(table: Table, tenantId: string, idOrName: string): Promise<Endpoint | undefined> {
  if (/^whk_[0-9A-Za-z]{1,40}$/.test(idOrName)) return await readEndpoint(table, tenantId, idOrName);
  const lock = await table.get<{ id: string }>(keys.endpointName(tenantId, idOrName));
  return lock === undefined ? undefined : await readEndpoint(table, tenantId, lock.id);
}

/** All endpoints of a tenant, of which there are 50 at most. */
export async function tenantEndpoints(table: Table, tenantId: string): Promise<Endpoint[]> {
  const { pk } = keys.endpoint(tenantId, '');
  return await table.queryAll<Endpoint>({ pk, skPrefix: 'W#' });
}

/** Newest first; `before` is the id of the last one of the page before. */
export async function listEndpoints(
  table: Table,
  tenantId: string,
  page: Page,
): Promise<{ items: Endpoint[]; next?: string }> {
  return await newestById<Endpoint>(table, (id) => keys.endpoint(tenantId, id), page);
}

/** `name_taken`: another endpoint has the name; `full`: the tenant has as many as it may have. An endpoint made by an earlier try of the same call is given again. */
export async function createEndpoint(
  deps: Writer,
  origin: Origin,
  endpoint: Endpoint,
): Promise<Endpoint | 'name_taken' | 'full'> {
  const { tenantId, id, name } = endpoint;
  if ((await tenantEndpoints(deps.table, tenantId)).length >= mostEndpoints) return 'full';
  try {
    await deps.table.transact([
      // Clause: the id is new.
      { put: { ...keys.endpoint(tenantId, id), type: 'endpoint', ...endpoint }, condition: 'attribute_not_exists(pk)' },
      nameLock(tenantId, name, id),
      auditWrite(
        origin,
        { action: 'webhook.created', target: id, changes: auditable({ ...endpoint }) },
        deps.randomBytes,
      ),
    ]);
    return endpoint;
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    if (error.failed[0] !== true) return 'name_taken';
    return (await readEndpoint(deps.table, tenantId, id)) ?? 'name_taken';
  }
}

/** Null removes an optional setting. */
export type EndpointChanges = {
  [K in keyof EndpointSettings]?: EndpointSettings[K] | (undefined extends EndpointSettings[K] ? null : never);
};

/**
 * Changes settings. Making it active again forgets why it was disabled; that, or another URL, what its breaker knew. `name_taken`: another endpoint has the new
 * name; undefined: it is not there any more.
 */
export async function updateEndpoint(
  deps: Writer,
  origin: Origin,
  endpoint: Endpoint,
  changes: EndpointChanges,
): Promise<Endpoint | 'name_taken' | undefined> {
  const { tenantId, id } = endpoint;
  const renamed = changes.name !== undefined && changes.name !== endpoint.name ? changes.name : undefined;
  const { update, names, values } = settingsUpdate(changes);
  const writes: Write[] = [
    {
      update,
      key: keys.endpoint(tenantId, id),
      names: { ...names, '#name': 'name' },
      values: { ...values, ':from': endpoint.name },
      // Clauses: it exists; nobody renamed it meanwhile, so that exactly one lock is its own.
      condition: 'attribute_exists(pk) AND #name = :from',
    },
    auditWrite(origin, { action: 'webhook.updated', target: id, changes: auditable({ ...changes }) }, deps.randomBytes),
  ];
  if (renamed !== undefined) {
    writes.push(nameLock(tenantId, renamed, id), { delete: keys.endpointName(tenantId, endpoint.name) });
  }
  if (changes.active === true || changes.url !== undefined) writes.push({ delete: keys.endpointHealth(tenantId, id) });
  try {
    await deps.table.transact(writes);
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    if (error.failed[0] === true) {
      const now = await readEndpoint(deps.table, tenantId, id);
      return now === undefined ? undefined : await updateEndpoint(deps, origin, now, changes);
    }
    return 'name_taken';
  }
  return await readEndpoint(deps.table, tenantId, id);
}

/** Its deliveries end with it: those still waiting are dropped when their time comes. False when it was not there. */
export async function deleteEndpoint(deps: Writer, origin: Origin, endpoint: Endpoint): Promise<boolean> {
  const { tenantId, id, name } = endpoint;
  try {
    await deps.table.transact([
      // Clauses: still there, so that one deletion is told once, and under the name whose lock goes with it.
      {
        delete: keys.endpoint(tenantId, id),
        condition: 'attribute_exists(pk) AND #name = :name',
        names: { '#name': 'name' },
        values: { ':name': name },
      },
      { delete: keys.endpointName(tenantId, name) },
      { delete: keys.endpointHealth(tenantId, id) },
      auditWrite(origin, { action: 'webhook.deleted', target: id, changes: { name } }, deps.randomBytes),
    ]);
    return true;
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    const now = await readEndpoint(deps.table, tenantId, id);
    return now === undefined ? false : await deleteEndpoint(deps, origin, now);
  }
}

/** A new secret; the one before signs beside it for 24 h. Undefined when the endpoint is not there any more. */
export async function rotateSecret(
  deps: Writer,
  origin: Origin,
  endpoint: Endpoint,
  secret: string,
): Promise<Endpoint | undefined> {
  const { tenantId, id } = endpoint;
  const secrets = rotated(endpoint.secrets, secret, deps.nowMs());
  try {
    await deps.table.transact([
      {
        update: 'SET secrets = :new',
        key: keys.endpoint(tenantId, id),
        values: { ':new': secrets, ':seen': endpoint.secrets },
        // Clause: nobody rotated meanwhile, or a secret that still signs would be lost.
        condition: 'secrets = :seen',
      },
      auditWrite(origin, { action: 'webhook.secret_rotated', target: id }, deps.randomBytes),
    ]);
    return { ...endpoint, secrets };
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    const now = await readEndpoint(deps.table, tenantId, id);
    return now === undefined ? undefined : await rotateSecret(deps, origin, now, secret);
  }
}

/**
 * Disables an endpoint that is active; the change stream tells webhook.disabled. False when it was not active any more, or has another URL
 * than the one that failed.
 */
export async function disableEndpoint(
  table: Table,
  ref: Pick<Endpoint, 'tenantId' | 'id' | 'url'>,
  reason: DisabledReason,
  nowMs: number,
): Promise<boolean> {
  try {
    await table.update(keys.endpoint(ref.tenantId, ref.id), {
      update: 'SET active = :no, disabledReason = :reason, disabledAt = :now',
      // Clauses: it exists and is active, so that it is told once; the answer came from where it leads now.
      condition: 'active = :yes AND #url = :url',
      names: { '#url': 'url' },
      values: { ':no': false, ':yes': true, ':reason': reason, ':now': nowMs, ':url': ref.url },
    });
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}

function nameLock(tenantId: string, name: string, id: string): Write {
  return {
    put: { ...keys.endpointName(tenantId, name), type: 'endpointName', id },
    // Clause: no endpoint has the name, or this one has it already.
    condition: 'attribute_not_exists(pk) OR id = :own',
    values: { ':own': id },
  };
}

/** For the audit log: names of headers only, and no secret. A URL's query may be one too. */
function auditable(settings: Item): Item {
  const { secrets: _secrets, headers, url, tenantId: _tenantId, createdAt: _createdAt, ...rest } = settings;
  return {
    ...rest,
    ...(typeof url === 'string' ? { url: url.replace(/[?#].*$/s, '') } : {}),
    ...(headers === undefined ? {} : { headers: Object.keys(headers ?? {}) }),
  };
}

function settingsUpdate(changes: EndpointChanges): {
  update: string;
  names: Record<string, string>;
  values: Item;
} {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  const set = given.filter(([, value]) => value !== null);
  // `type` is set again so that a change of nothing is a legal expression.
  const sets = ['#type = :type', ...set.map(([name]) => `#${name} = :${name}`)].join(', ');
  const removed = given.filter(([, value]) => value === null).map(([name]) => `#${name}`);
  if (changes.active === true) removed.push('disabledReason', 'disabledAt');
  return {
    update: `SET ${sets}${removed.length === 0 ? '' : ` REMOVE ${removed.join(', ')}`}`,
    names: { '#type': 'type', ...Object.fromEntries(given.map(([name]) => [`#${name}`, name])) },
    values: { ':type': 'endpoint', ...Object.fromEntries(set.map(([name, value]) => [`:${name}`, value])) },
  };
}
