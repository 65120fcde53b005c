import { newestById, type Page } from '../client/newest-first.ts';
import { ConditionFailed, type Item, type Table, type Write } from '../client/table.ts';
import { keys } from '../keys.ts';
import { adminTenant, auditWrite, type Origin } from './audit.ts';

/** What an admin sets of a tenant. Items of earlier versions also hold `retention`, which nothing reads. */
export interface TenantSettings {
  name: string;
  planId?: string;
  /** ISO 3166 alpha-2; numbers without a country are of this one. */
  defaultCountry?: string;
  /** IANA name. */
  timeZone: string;
  /** BCP 47. */
  language: string;
}

/** `accountCount` moves with each account in its transaction, so that a plan's limit holds under races. */
export interface Tenant extends TenantSettings {
  id: string;
  accountCount: number;
  createdAt: number;
}

export interface PlanSettings {
  name: string;
  rateLimitPerSec: number | null;
  maxAccounts: number | null;
  messagesPerMonth: number | null;
  proxyGbLimit: number | null;
  onExceeded: 'block' | 'warn' | 'disconnect';
}

/** `tenantCount` moves with each tenant, so that a plan in use is not deleted. */
export interface Plan extends PlanSettings {
  id: string;
  tenantCount: number;
  createdAt: number;
}

interface Writer {
  table: Table;
  nowMs(): number;
  randomBytes(n: number): Uint8Array;
}

export const newTenantSettings: Omit<TenantSettings, 'name'> = {
  timeZone: 'UTC',
  language: 'en',
};

export async function readTenant(table: Table, id: string): Promise<Tenant | undefined> {
  return await table.get<Tenant>(keys.tenant(id));
}

/** Throws ConditionFailed: write 0 when the id is taken, write 2 when the plan does not exist. */
export async function createTenant(
  deps: Writer,
  origin: Origin,
  id: string,
  settings: TenantSettings,
): Promise<Tenant> {
  const tenant: Tenant = { id, ...settings, accountCount: 0, createdAt: deps.nowMs() };
  await deps.table.transact([
    // Clause: the id is new.
    { put: { ...keys.tenant(id), type: 'tenant', ...tenant }, condition: 'attribute_not_exists(pk)' },
    { put: { ...keys.tenantRef(id), type: 'tenantRef', id } },
    ...planWrites(undefined, settings.planId),
    auditWrite(origin, { action: 'tenant.created', target: id, changes: { ...settings } }, deps.randomBytes),
  ]);
  return tenant;
}

/** Undefined when there is no such tenant. Throws ConditionFailed (write 1 or later) when the new plan does not exist. */
export async function updateTenant(
  deps: Writer,
  origin: Origin,
  id: string,
  changes: Partial<Omit<TenantSettings, 'planId' | 'defaultCountry'>> & {
    planId?: string | null;
    defaultCountry?: string | null;
  },
): Promise<Tenant | undefined> {
  const old = await readTenant(deps.table, id);
  if (old === undefined) return undefined;
  const planId = changes.planId === undefined ? old.planId : (changes.planId ?? undefined);
  const { update, names, values } = settingsUpdate('tenant', { ...changes });
  const samePlan = old.planId === undefined ? 'attribute_not_exists(planId)' : 'planId = :oldPlan';
  await deps.table.transact([
    {
      update,
      key: keys.tenant(id),
      // Clauses: still there; the plan is the one whose count goes down.
      condition: `attribute_exists(pk) AND ${samePlan}`,
      names,
      values: { ...values, ...(old.planId === undefined ? {} : { ':oldPlan': old.planId }) },
    },
    ...planWrites(old.planId, planId),
    auditWrite(origin, { action: 'tenant.updated', target: id, changes: { ...changes } }, deps.randomBytes),
  ]);
  return await readTenant(deps.table, id);
}

/** Its keys go first, so that nobody comes in any more. `in_use` while it has accounts. */
export async function deleteTenant(deps: Writer, origin: Origin, id: string): Promise<'deleted' | 'absent' | 'in_use'> {
  const tenant = await readTenant(deps.table, id);
  if (tenant === undefined) return 'absent';
  if (tenant.accountCount > 0) return 'in_use';
  try {
    await deps.table.transact([
      {
        delete: keys.tenant(id),
        // Clauses: still there; no account was made meanwhile.
        condition: 'attribute_exists(pk) AND accountCount = :none',
        values: { ':none': 0 },
      },
      { delete: keys.tenantRef(id) },
      { delete: keys.tenantSecret(id) },
      ...planWrites(tenant.planId, undefined),
      auditWrite(origin, { action: 'tenant.deleted', target: id, changes: { name: tenant.name } }, deps.randomBytes),
    ]);
  } catch (error) {
    if (error instanceof ConditionFailed) return error.olds[0] === undefined ? 'absent' : 'in_use';
    throw error;
  }
  const own = await deps.table.queryAll<{ id: string; hash: string }>({ pk: keys.tenant(id).pk, skPrefix: 'K#' });
  await deps.table.writeMany(
    own.flatMap((key) => [{ delete: keys.keyHash(key.hash) }, { delete: keys.apiKey(id, key.id) }]),
  );
  return 'deleted';
}

/** Newest first; `before` is the id of the last one of the page before. */
export async function listTenants(table: Table, page: Page): Promise<{ items: Tenant[]; next?: string }> {
  const refs = await newestById<{ id: string }>(table, keys.tenantRef, page);
  const tenants = await table.getMany<Tenant>(refs.items.map((ref) => keys.tenant(ref.id)));
  const items = tenants.filter((tenant) => tenant !== undefined);
  return refs.next === undefined ? { items } : { items, next: refs.next };
}

export async function readPlan(table: Table, id: string): Promise<Plan | undefined> {
  return await table.get<Plan>(keys.plan(id));
}

export async function createPlan(deps: Writer, origin: Origin, id: string, settings: PlanSettings): Promise<Plan> {
  const plan: Plan = { id, ...settings, tenantCount: 0, createdAt: deps.nowMs() };
  await deps.table.transact([
    // Clause: the id is new.
    { put: { ...keys.plan(id), type: 'plan', ...plan }, condition: 'attribute_not_exists(pk)' },
    auditWrite(origin, { action: 'plan.created', target: id, changes: { ...settings } }, deps.randomBytes),
  ]);
  return plan;
}

export async function updatePlan(
  deps: Writer,
  origin: Origin,
  id: string,
  changes: Partial<PlanSettings>,
): Promise<Plan | undefined> {
  const { update, names, values } = settingsUpdate('plan', { ...changes });
  try {
    await deps.table.transact([
      // Clause: it exists.
      { update, key: keys.plan(id), condition: 'attribute_exists(pk)', names, values },
      auditWrite(origin, { action: 'plan.updated', target: id, changes: { ...changes } }, deps.randomBytes),
    ]);
  } catch (error) {
    if (error instanceof ConditionFailed) return undefined;
    throw error;
  }
  return await readPlan(deps.table, id);
}

export async function deletePlan(deps: Writer, origin: Origin, id: string): Promise<'deleted' | 'absent' | 'in_use'> {
  try {
    await deps.table.transact([
      {
        delete: keys.plan(id),
        // Clauses: it exists; no tenant has it.
        condition: 'attribute_exists(pk) AND tenantCount = :none',
        values: { ':none': 0 },
      },
      auditWrite(origin, { action: 'plan.deleted', target: id }, deps.randomBytes),
    ]);
    return 'deleted';
  } catch (error) {
    if (error instanceof ConditionFailed) return error.olds[0] === undefined ? 'absent' : 'in_use';
    throw error;
  }
}

/** Newest first; `before` is the id of the last one of the page before. */
export async function listPlans(table: Table, page: Page): Promise<{ items: Plan[]; next?: string }> {
  return await newestById<Plan>(table, keys.plan, page);
}

/** Makes sure that the tenant exists; one that does is left as it is. */
export async function ensureTenant(
  deps: Writer,
  id: string,
  settings: Partial<TenantSettings> & { name: string },
): Promise<Tenant> {
  const origin: Origin = { tenantId: adminTenant, keyId: 'setup', ip: '-', requestId: '-', at: deps.nowMs() };
  const there = await readTenant(deps.table, id);
  if (there !== undefined) return there;
  try {
    return await createTenant(deps, origin, id, { ...newTenantSettings, ...settings });
  } catch (error) {
    const now = error instanceof ConditionFailed ? await readTenant(deps.table, id) : undefined;
    if (now === undefined) throw error;
    return now;
  }
}

/** Counts a tenant out of its old plan and into the new one. */
function planWrites(from: string | undefined, to: string | undefined): Write[] {
  if (from === to) return [];
  const move = (id: string, by: number): Write => ({
    update: 'ADD tenantCount :by',
    key: keys.plan(id),
    // Clause: the plan exists.
    condition: 'attribute_exists(pk)',
    values: { ':by': by },
  });
  return [...(to === undefined ? [] : [move(to, 1)]), ...(from === undefined ? [] : [move(from, -1)])];
}

/** SET for what is given, REMOVE for what is null where null means "none" (`planId`, `defaultCountry`). */
function settingsUpdate(type: string, changes: Item): { update: string; names: Record<string, string>; values: Item } {
  const removable = new Set(['planId', 'defaultCountry']);
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  const removed = given.filter(([name, value]) => value === null && removable.has(name));
  const set = given.filter((entry) => !removed.includes(entry));
  // `type` is set again so that a change of nothing is a legal expression.
  const sets = ['#type = :type', ...set.map(([name]) => `#${name} = :${name}`)].join(', ');
  const removes = removed.length === 0 ? '' : ` REMOVE ${removed.map(([name]) => `#${name}`).join(', ')}`;
  return {
    update: `SET ${sets}${removes}`,
    names: { '#type': 'type', ...Object.fromEntries(given.map(([name]) => [`#${name}`, name])) },
    values: { ':type': type, ...Object.fromEntries(set.map(([name, value]) => [`:${name}`, value])) },
  };
}
