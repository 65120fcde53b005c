import { z } from '@hono/zod-openapi';
import { type ApiKey, scopes } from '../../../lib/aws/tenants/api-keys.ts';
import type { AuditEntry } from '../../../lib/aws/tenants/audit.ts';
import type { Plan, Tenant } from '../../../lib/aws/tenants/tenants.ts';
import { isCountry } from '../../../lib/domain/people/phone.ts';
import { limitsOf, type PlanLimits } from '../../../lib/domain/plans.ts';
import { nameOf, notBuilt } from '../http/input.ts';
import { isoTime } from '../http/openapi.ts';

const kept = 'Kept for a later version; it changes nothing in this one.';
const name = nameOf(200);
const planId = z.string().max(60).nullable();
const defaultCountry = z
  .string()
  .refine(isCountry, 'Must be an ISO 3166 code of a country, such as DE.')
  .nullable()
  .openapi({ type: ['string', 'null'], example: 'DE' });
const timeZone = z
  .string()
  .refine(isTimeZone, 'Must be an IANA time zone, such as Europe/Berlin.')
  .openapi({ example: 'Europe/Berlin', description: kept });
const language = z
  .string()
  .max(100)
  .refine(isLanguage, 'Must be a language tag (BCP 47), such as en or pt-BR.')
  .openapi({ example: 'en', description: kept });
const retention = notBuilt(
  'A retention of its own for each tenant is not built yet; leave retention out. Texts are kept for 15 days, logs for 30, results for 90.',
);

export const tenantInput = z
  .strictObject({
    name,
    planId: planId.optional(),
    defaultCountry: defaultCountry.optional(),
    timeZone: timeZone.optional(),
    language: language.optional(),
    retention,
  })
  .openapi('TenantInput', {
    example: { name: 'Example Ltd', defaultCountry: 'DE', timeZone: 'Europe/Berlin', language: 'de' },
  });

export const tenantPatch = tenantInput.partial().openapi('TenantPatch');

export const tenantSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    planId: z.string().nullable(),
    defaultCountry: z.string().nullable(),
    timeZone: z.string(),
    language: z.string(),
    accountCount: z.int(),
    createdAt: isoTime,
  })
  .openapi('Tenant');

export function tenantView(tenant: Tenant): z.infer<typeof tenantSchema> {
  const { id, name, planId, defaultCountry, timeZone, language, accountCount, createdAt } = tenant;
  return {
    id,
    name,
    planId: planId ?? null,
    defaultCountry: defaultCountry ?? null,
    timeZone,
    language,
    accountCount,
    createdAt: new Date(createdAt).toISOString(),
  };
}

const limit = z.number().min(0).nullable().openapi({ description: kept });
const plan = {
  rateLimitPerSec: limit,
  maxAccounts: z.int().min(0).nullable().openapi({ description: 'Enforced: a further account is refused with 402.' }),
  messagesPerMonth: z.int().min(0).nullable().openapi({ description: kept }),
  proxyGbLimit: limit,
  onExceeded: z.enum(['block', 'warn', 'disconnect']).openapi({ description: kept }),
} satisfies Record<keyof PlanLimits, z.ZodType>;

export const planInput = z.strictObject({ name, ...z.object(plan).partial().shape }).openapi('PlanInput', {
  description: 'null, or left out: no limit. Only maxAccounts is enforced in this version; the others are kept.',
  example: { name: 'Small', maxAccounts: 5 },
});

export const planPatch = planInput.partial().openapi('PlanPatch');

export const planSchema = z.object({ id: z.string(), name: z.string(), ...plan, createdAt: isoTime }).openapi('Plan');

export function planView(stored: Plan): z.infer<typeof planSchema> {
  const { id, name, createdAt } = stored;
  return { id, name, ...limitsOf(stored), createdAt: new Date(createdAt).toISOString() };
}

const scopeList = z
  .array(z.enum(scopes))
  .min(1)
  .refine((list) => new Set(list).size === list.length, 'Name each scope once.');

export const keyInput = z
  .strictObject({ tenantId: z.string().max(60).optional(), name, scopes: scopeList })
  .openapi('ApiKeyInput', {
    description:
      '`tenantId` is for admins; without it, and with the scope admin alone, the key is an admin key. A key of a tenant gives no scopes ' +
      'that it does not have itself.',
    example: { name: 'Backend', scopes: ['read', 'send'] },
  });

export const keySchema = z
  .object({
    id: z.string(),
    tenantId: z.string().nullable(),
    name: z.string(),
    scopes: z.array(z.enum(scopes)),
    createdAt: isoTime,
  })
  .openapi('ApiKey');

export const newKeySchema = keySchema
  .extend({ key: z.string().openapi({ description: 'Shown here and never again.' }) })
  .openapi('NewApiKey');

export function keyView(stored: ApiKey): z.infer<typeof keySchema> {
  const { id, tenantId, name, scopes } = stored;
  return { id, tenantId: tenantId ?? null, name, scopes, createdAt: new Date(stored.createdAt).toISOString() };
}

export const auditSchema = z
  .object({
    id: z.string(),
    at: isoTime,
    actor: z.string().openapi({ description: 'The id of the key.' }),
    action: z.string().openapi({ example: 'contract.started' }),
    target: z.string(),
    ip: z.string(),
    requestId: z.string(),
    changes: z.record(z.string(), z.unknown()),
  })
  .openapi('AuditEntry');

export function auditView(entry: AuditEntry): z.infer<typeof auditSchema> {
  const { id, at, actor, action, target, ip, requestId, changes } = entry;
  return { id, at: new Date(at).toISOString(), actor, action, target, ip, requestId, changes: changes ?? {} };
}

function isLanguage(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
