import { createRoute } from '@hono/zod-openapi';
import { readAccounts } from '../../../lib/aws/accounts/accounts.ts';
import {
  createEndpoint,
  deleteEndpoint,
  type EndpointChanges,
  findEndpoint,
  listEndpoints,
  updateEndpoint,
} from '../../../lib/aws/webhooks/endpoints.ts';
import { type FieldError, PacelineError } from '../../../lib/domain/errors.ts';
import { type Endpoint, mostEndpoints } from '../../../lib/domain/webhooks/endpoint.ts';
import { endpointView } from '../../../lib/domain/webhooks/endpoint-view.ts';
import { newSigningSecret } from '../../../lib/domain/webhooks/signature.ts';
import { EgressFailed, EgressRefused } from '../../../lib/runtime/egress/errors.ts';
import { type ApiScope, type Call, idFor, originOf, tenantOf } from '../http/context.ts';
import { listCursors } from '../http/cursor.ts';
import { invalid } from '../http/field-errors.ts';
import {
  type Api,
  answer,
  defined,
  idempotencyHeader,
  idParam,
  jsonBody,
  listAnswer,
  listQuery,
  problems,
  secured,
  securedPost,
} from '../http/openapi.ts';
import { newWebhookSchema, webhookInput, webhookPatch, webhookSchema } from './schema.ts';

const tags = ['Webhooks'];
const cursors = listCursors('webhooks');

export function webhookRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/webhooks',
      tags,
      summary: 'Create a webhook; the secret is shown once',
      description:
        'Deliveries are POSTs of `{type, timestamp, data}` signed by Standard Webhooks 1.0 (`webhook-id`, `webhook-timestamp`, ' +
        '`webhook-signature`). 2xx within 15 s is success; anything else is tried again, ten attempts in all over three days. 410 disables the webhook. ' +
        'Each event arrives at least once: drop a `webhook-id` seen before.',
      ...securedPost(scope, 'manage', { secret: true }),
      request: { headers: idempotencyHeader, ...jsonBody(webhookInput) },
      responses: { 201: answer(newWebhookSchema, 'The webhook'), ...problems(400, 401, 403, 409, 413, 422) },
    }),
    async (c) => {
      const { secret: given, ...body } = c.req.valid('json');
      const tenant = tenantOf(c);
      await refuseBad(scope, tenant.id, body);
      const secret = given ?? newSigningSecret(deps.randomBytes);
      const endpoint: Endpoint = {
        id: idFor(c, deps, 'whk'),
        tenantId: tenant.id,
        name: body.name,
        url: body.url,
        events: body.events,
        ...(body.accountIds == null ? {} : { accountIds: body.accountIds }),
        ...(body.headers == null ? {} : { headers: body.headers }),
        ...(body.rateLimitPerSec == null ? {} : { rateLimitPerSec: body.rateLimitPerSec }),
        ordered: body.ordered ?? false,
        active: body.active ?? true,
        secrets: [{ secret }],
        createdAt: deps.nowMs(),
      };
      const made = await createEndpoint(deps, originOf(c, deps), endpoint);
      if (made === 'name_taken') throw nameTaken();
      if (made === 'full') {
        throw new PacelineError('CONFLICT', `There are ${mostEndpoints} webhooks already; delete one first.`);
      }
      const [current] = made.secrets;
      const shown = { ...endpointView(made), headers: made.headers ?? {}, secret: current?.secret ?? secret };
      return c.json(shown, 201);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/webhooks',
      tags,
      summary: 'List webhooks, newest first',
      ...secured('read'),
      request: { query: listQuery },
      responses: { 200: answer(listAnswer('WebhookPage', webhookSchema), 'One page'), ...problems(400, 401, 403, 422) },
    }),
    async (c) => {
      const listed = await listEndpoints(deps.table, tenantOf(c).id, cursors.asked(c.req.valid('query')));
      return c.json({ items: listed.items.map(endpointView), nextCursor: cursors.cursorAt(listed.next) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/webhooks/{id}',
      tags,
      summary: 'One webhook, by id or name',
      ...secured('read'),
      request: { params: idParam },
      responses: { 200: answer(webhookSchema, 'The webhook'), ...problems(401, 403, 404) },
    }),
    async (c) => c.json(endpointView(await endpointOf(scope, c, c.req.valid('param').id)), 200),
  );

  app.openapi(
    createRoute({
      method: 'patch',
      path: '/v1/webhooks/{id}',
      tags,
      summary: 'Change a webhook',
      ...secured('manage'),
      request: { params: idParam, ...jsonBody(webhookPatch) },
      responses: { 200: answer(webhookSchema, 'The webhook'), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const endpoint = await endpointOf(scope, c, c.req.valid('param').id);
      const changes: EndpointChanges = defined(c.req.valid('json'));
      await refuseBad(scope, endpoint.tenantId, changes);
      const changed = await updateEndpoint(deps, originOf(c, deps), endpoint, changes);
      if (changed === 'name_taken') throw nameTaken();
      if (changed === undefined) throw noWebhook();
      return c.json(endpointView(changed), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/webhooks/{id}',
      tags,
      summary: 'Delete a webhook; undelivered events are dropped',
      ...secured('manage'),
      request: { params: idParam },
      responses: { 204: { description: 'Deleted' }, ...problems(401, 403, 404) },
    }),
    async (c) => {
      const endpoint = await endpointOf(scope, c, c.req.valid('param').id);
      if (!(await deleteEndpoint(deps, originOf(c, deps), endpoint))) throw noWebhook();
      return c.body(null, 204);
    },
  );
}

export const noWebhook = () => new PacelineError('NOT_FOUND', 'There is no such webhook.');
const nameTaken = () => new PacelineError('CONFLICT', 'Another webhook has this name; names are unique.');

/** Returns the webhook with this id or name. Throws NOT_FOUND. */
export async function endpointOf({ deps }: ApiScope, c: Call, idOrName: string): Promise<Endpoint> {
  const endpoint = await findEndpoint(deps.table, tenantOf(c).id, idOrName);
  if (endpoint === undefined) throw noWebhook();
  return endpoint;
}

/** Throws VALIDATION for a URL that is not allowed, or an account that does not exist. */
async function refuseBad(
  { deps, egress }: ApiScope,
  tenantId: string,
  { url, accountIds }: { url?: string | undefined; accountIds?: string[] | null | undefined },
): Promise<void> {
  const errors: FieldError[] = [];
  if (url !== undefined && !(await isAllowed(egress, url))) {
    // One message for all refusals: the caller must not learn which rule refused the URL, or the address of its name.
    errors.push({ path: '/url', code: 'INVALID', message: new EgressRefused().message });
  }
  const ids = accountIds ?? [];
  const pairs = await readAccounts(deps.table, tenantId, ids);
  for (const [index, pair] of pairs.entries()) {
    if (pair !== undefined) continue;
    errors.push({ path: `/accountIds/${index}`, code: 'UNKNOWN_ACCOUNT', message: 'There is no such account.' });
  }
  if (errors.length > 0) throw invalid(errors);
}

async function isAllowed(egress: ApiScope['egress'], url: string): Promise<boolean> {
  try {
    await egress.check(url);
    return true;
  } catch (error) {
    if (error instanceof EgressRefused || error instanceof EgressFailed) return false;
    throw error;
  }
}
