import type { PlanLimits } from '../../domain/plans.ts';
import { type ListStep, newestById } from '../client/newest-first.ts';
import { added, given, type Patch, patch } from '../client/patch.ts';
import { absent, type Item, present, type Table, type Write } from '../client/table.ts';
import { keys, ranges } from '../keys.ts';
import { adminTenant, auditWrite, type Origin } from './audit.ts';

/** The settings of a tenant that admins make. Items of earlier versions also hold `retention`, which is not read. */
export interface TenantSettings {
  name: string;
  planId?: string;
  /** ISO 3166 alpha-2. Numbers without a country code belong to this country. */
  defaultCountry?: string;
  /** IANA name. */
  timeZone: string;
  /** BCP 47. */
  language: string;
}

/** `accountCount` changes in the transaction that adds or removes an account, so that a plan's limit holds under races. */
export interface Tenant extends TenantSettings {
  id: string;
  accountCount: number;
  createdAt: number;
}

export interface PlanSettings extends PlanLimits {
  name: string;
}

/** `tenantCount` changes in the same transaction as a tenant's plan, so that a plan in use cannot be deleted. */
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

/** Creates a tenant. Returns `id_taken` when there is a tenant with this id, `no_plan` when the plan does not exist; nothing is written then. */
export async function createTenant(
  deps: Writer,
  origin: Origin,
  id: string,
  settings: TenantSettings,
): Promise<Tenant | 'id_taken' | 'no_plan'> {
  const tenant: Tenant = { id, ...settings, accountCount: 0, createdAt: deps.nowMs() };
  const refused = await deps.table.tryTransact({
    tenant: { put: { ...keys.tenant(id), type: 'tenant', ...tenant }, condition: { idIsNew: absent } },
    ref: { put: { ...keys.tenantRef(id), type: 'tenantRef', id } },
    plans: planWrites(undefined, settings.planId),
    audit: auditWrite(origin, { action: 'tenant.created', target: id, changes: { ...settings } }, deps.randomBytes),
  });
  if (refused === undefined) return tenant;
  return refused.by('tenant') ? 'id_taken' : 'no_plan';
}

/**
 * Returns the changed tenant, or why nothing was written. `absent`: there is no such tenant. `no_plan`: there is no plan with the new id. `changed`:
 * the tenant was deleted or got another plan at the same time.
 */
export async function updateTenant(
  deps: Writer,
  origin: Origin,
  id: string,
  changes: Partial<Omit<TenantSettings, 'planId' | 'defaultCountry'>> & {
    planId?: string | null;
    defaultCountry?: string | null;
  },
): Promise<Tenant | 'absent' | 'changed' | 'no_plan'> {
  const old = await readTenant(deps.table, id);
  if (old === undefined) return 'absent';
  const planId = changes.planId === undefined ? old.planId : (changes.planId ?? undefined);
  const refused = await deps.table.tryTransact({
    tenant: {
      key: keys.tenant(id),
      ...settingsPatch('tenant', { ...changes }),
      condition: {
        exists: present,
        // The count of this plan goes down, so the tenant must still have it.
        hasSamePlan:
          old.planId === undefined
            ? 'attribute_not_exists(planId)'
            : { is: 'planId = :oldPlan', values: { ':oldPlan': old.planId } },
      },
    },
    plans: planWrites(old.planId, planId),
    audit: auditWrite(origin, { action: 'tenant.updated', target: id, changes: { ...changes } }, deps.randomBytes),
  });
  if (refused !== undefined) return refused.by('tenant') ? 'changed' : 'no_plan';
  return (await readTenant(deps.table, id)) ?? 'absent';
}

/** Deletes the tenant, then its API keys. `in_use` while it has accounts: nothing is deleted then. */
export async function deleteTenant(deps: Writer, origin: Origin, id: string): Promise<'deleted' | 'absent' | 'in_use'> {
  const tenant = await readTenant(deps.table, id);
  if (tenant === undefined) return 'absent';
  if (tenant.accountCount > 0) return 'in_use';
  const refused = await deps.table.tryTransact({
    tenant: {
      delete: keys.tenant(id),
      condition: { exists: present, hasNoAccounts: { is: 'accountCount = :none', values: { ':none': 0 } } },
    },
    ref: { delete: keys.tenantRef(id) },
    secret: { delete: keys.tenantSecret(id) },
    plans: planWrites(tenant.planId, undefined),
    audit: auditWrite(
      origin,
      { action: 'tenant.deleted', target: id, changes: { name: tenant.name } },
      deps.randomBytes,
    ),
  });
  if (refused !== undefined) return refused.old('tenant') === undefined ? 'absent' : 'in_use';
  const own = await deps.table.queryAll<{ id: string; hash: string }>(ranges.apiKeys(id));
  await deps.table.writeMany(
    own.flatMap((key) => [{ delete: keys.keyHash(key.hash) }, { delete: keys.apiKey(id, key.id) }]),
  );
  return 'deleted';
}

/** Returns a page of tenants, newest first. `step.before` is the last id of the previous page. */
export async function listTenants(table: Table, step: ListStep): Promise<{ items: Tenant[]; next?: string }> {
  const refs = await newestById<{ id: string }>(table, keys.tenantRef, step);
  const tenants = await table.getMany<Tenant>(refs.items.map((ref) => keys.tenant(ref.id)));
  const items = tenants.filter((tenant) => tenant !== undefined);
  return refs.next === undefined ? { items } : { items, next: refs.next };
}

export async function readPlan(table: Table, id: string): Promise<Plan | undefined> {
  return await table.get<Plan>(keys.plan(id));
}

/** Returns undefined when there is a plan of this id already; nothing is written then. */
export async function createPlan(
  deps: Writer,
  origin: Origin,
  id: string,
  settings: PlanSettings,
): Promise<Plan | undefined> {
  const plan: Plan = { id, ...settings, tenantCount: 0, createdAt: deps.nowMs() };
  const refused = await deps.table.tryTransact({
    plan: { put: { ...keys.plan(id), type: 'plan', ...plan }, condition: { idIsNew: absent } },
    audit: auditWrite(origin, { action: 'plan.created', target: id, changes: { ...settings } }, deps.randomBytes),
  });
  return refused === undefined ? plan : undefined;
}

/** Returns undefined when there is no such plan. */
export async function updatePlan(
  deps: Writer,
  origin: Origin,
  id: string,
  changes: Partial<PlanSettings>,
): Promise<Plan | undefined> {
  const refused = await deps.table.tryTransact({
    plan: { key: keys.plan(id), ...settingsPatch('plan', { ...changes }), condition: { exists: present } },
    audit: auditWrite(origin, { action: 'plan.updated', target: id, changes: { ...changes } }, deps.randomBytes),
  });
  return refused === undefined ? await readPlan(deps.table, id) : undefined;
}

/** Deletes a plan. Returns `in_use` while tenants have it; nothing is deleted then. */
export async function deletePlan(deps: Writer, origin: Origin, id: string): Promise<'deleted' | 'absent' | 'in_use'> {
  const refused = await deps.table.tryTransact({
    plan: {
      delete: keys.plan(id),
      condition: { exists: present, hasNoTenants: { is: 'tenantCount = :none', values: { ':none': 0 } } },
    },
    audit: auditWrite(origin, { action: 'plan.deleted', target: id }, deps.randomBytes),
  });
  if (refused === undefined) return 'deleted';
  return refused.old('plan') === undefined ? 'absent' : 'in_use';
}

/** Returns a page of plans, newest first. `step.before` is the last id of the previous page. */
export async function listPlans(table: Table, step: ListStep): Promise<{ items: Plan[]; next?: string }> {
  return await newestById<Plan>(table, keys.plan, step);
}

/** Returns the tenant with this id. Creates it with these settings when there is none; an existing tenant is not changed. */
export async function ensureTenant(
  deps: Writer,
  id: string,
  settings: Partial<TenantSettings> & { name: string },
): Promise<Tenant> {
  const origin: Origin = { tenantId: adminTenant, keyId: 'setup', ip: '-', requestId: '-', at: deps.nowMs() };
  const there = await readTenant(deps.table, id);
  if (there !== undefined) return there;
  const made = await createTenant(deps, origin, id, { ...newTenantSettings, ...settings });
  if (typeof made === 'object') return made;
  // Another process was faster.
  const now = await readTenant(deps.table, id);
  if (now === undefined) throw new Error(`the tenant ${id} could not be made: ${made}`);
  return now;
}

/** Returns the writes that move a tenant from the count of its old plan to that of the new one. */
function planWrites(from: string | undefined, to: string | undefined): Write[] {
  if (from === to) return [];
  const move = (id: string, by: number): Write => ({
    key: keys.plan(id),
    ...patch({ tenantCount: added(by) }),
    condition: { exists: present },
  });
  return [...(to === undefined ? [] : [move(to, 1)]), ...(from === undefined ? [] : [move(from, -1)])];
}

/** Returns the update of the given settings; null removes the plan or the country. `type` is set again, because DynamoDB refuses an empty update. */
function settingsPatch(type: string, changes: Item): Patch {
  return patch({ type, ...given(changes, (name) => name === 'planId' || name === 'defaultCountry') });
}
