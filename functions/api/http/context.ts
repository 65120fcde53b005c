import type { Context as HonoContext } from 'hono';
import type { Deps } from '../../../lib/aws/deps.ts';
import type { Scope } from '../../../lib/aws/tenants/api-keys.ts';
import { adminTenant, type Origin } from '../../../lib/aws/tenants/audit.ts';
import type { Attempt } from '../../../lib/aws/tenants/idempotency.ts';
import type { Tenant } from '../../../lib/aws/tenants/tenants.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import { type IdPrefix, newId } from '../../../lib/domain/ids.ts';
import type { Egress } from '../../../lib/runtime/egress/egress.ts';
import type { Logger } from '../../../lib/runtime/logger.ts';
import type { Count } from '../../../lib/runtime/metrics.ts';

/** The API key of a call, with its tenant. An admin key has no tenant. */
export interface Actor {
  keyId: string;
  scopes: Scope[];
  tenant?: Tenant;
  /** The key itself, kept only during the call. */
  secret: string;
}

/** The metrics of the API. Recipients are rows of orders; messages are the rows that are to be sent. */
export type ApiCount =
  | 'ContractsCreated'
  | 'RecipientsAccepted'
  | 'RecipientsRefused'
  | 'MessagesAccepted'
  | 'Answers4xx'
  | 'Answers5xx'
  | 'Replays';

/** The dependencies of the app, the same for each call. */
export interface ApiScope {
  deps: Deps;
  logger: Pick<Logger, 'error' | 'info' | 'warn'>;
  /** Checks the URLs of callers; the API itself sends no requests to them. */
  egress: Pick<Egress, 'check'>;
  /** The version in package.json. */
  version: string;
  count: Count<ApiCount>;
}

export interface ApiEnv {
  Bindings: {
    requestContext?: { requestId?: string; http?: { sourceIp?: string } };
    event?: { headers?: Record<string, string | undefined> };
  };
  Variables: {
    requestId: string;
    actor?: Actor;
    attempt?: Attempt;
  };
}

export type Call = HonoContext<ApiEnv>;

/** Returns the tenant of the call. Throws FORBIDDEN for an admin key. */
export function tenantOf(c: Call): Tenant {
  const tenant = c.get('actor')?.tenant;
  if (tenant === undefined) throw new PacelineError('FORBIDDEN', 'This call needs a key of a tenant.');
  return tenant;
}

/** Returns the origin of the call's changes for the audit log. Throws UNAUTHENTICATED. */
export function originOf(c: Call, deps: Deps): Origin {
  const actor = c.get('actor');
  if (actor === undefined) throw new PacelineError('UNAUTHENTICATED', 'This call needs a key.');
  return {
    tenantId: actor.tenant?.id ?? adminTenant,
    keyId: actor.keyId,
    ip: c.env?.requestContext?.http?.sourceIp ?? '-',
    requestId: c.get('requestId'),
    at: deps.nowMs(),
  };
}

/**
 * Returns the id of the item that this call creates. With an Idempotency-Key it derives from the key's first use, so that a repeat after a crash
 * creates the same item. Call it at most once per API call.
 */
export function idFor(c: Call, deps: Deps, prefix: IdPrefix): string {
  const attempt = c.get('attempt');
  if (attempt === undefined) return newId(prefix, deps.nowMs(), deps.randomBytes);
  const seed = Buffer.from(attempt.seed, 'hex');
  return newId(prefix, attempt.createdAt, (n) => new Uint8Array(seed.subarray(0, n)));
}

/** Returns whether an earlier attempt of this call may already have had its effect. */
export function isRepeated(c: Call): boolean {
  return c.get('attempt')?.repeated === true;
}

/** Returns an id from a path. Throws NOT_FOUND when it does not have the form of an id. */
export function pathId(text: string, prefix: IdPrefix | 'msg'): string {
  const form = prefix === 'msg' ? /^msg_[0-9A-F]{18}$/ : new RegExp(`^${prefix}_[0-9A-Za-z]{1,40}$`);
  if (!form.test(text)) throw new PacelineError('NOT_FOUND', 'There is nothing with this id.');
  return text;
}
