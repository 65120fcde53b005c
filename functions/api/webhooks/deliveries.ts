import { createRoute, z } from '@hono/zod-openapi';
import { readEvents } from '../../../lib/aws/events/events.ts';
import { auditWrite } from '../../../lib/aws/tenants/audit.ts';
import { findDelivery, planDeliveriesTo } from '../../../lib/aws/webhooks/deliveries.ts';
import { listDeliveries } from '../../../lib/aws/webhooks/delivery-list.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import { isoOf } from '../../../lib/domain/times.ts';
import { deliveryView } from '../../../lib/domain/webhooks/delivery-view.ts';
import type { Endpoint } from '../../../lib/domain/webhooks/endpoint.ts';
import { type ApiScope, type Call, idFor, originOf, pathId, tenantOf } from '../http/context.ts';
import { listCursors } from '../http/cursor.ts';
import { invalid } from '../http/field-errors.ts';
import {
  type Api,
  answer,
  idempotencyHeader,
  idParam,
  jsonBody,
  listAnswer,
  listQuery,
  noBody,
  problems,
  secured,
  securedPost,
} from '../http/openapi.ts';
import { deliverySchema, replayInput, replaySchema } from './schema.ts';
import { endpointOf } from './webhooks.ts';

const tags = ['Webhooks'];
const cursors = listCursors('deliveries');
const time = z.iso.datetime({ offset: true }).optional();

export function deliveryRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/webhooks/{id}/deliveries',
      tags,
      summary: 'List the deliveries to a webhook with each attempt, newest first',
      description:
        'Kept 30 days. With a status a page may hold fewer than asked for, or none, and still have a nextCursor.',
      ...secured('read'),
      request: {
        params: idParam,
        query: listQuery.extend({
          status: z.enum(['pending', 'delivered', 'failed']).optional(),
          since: time,
          until: time,
        }),
      },
      responses: {
        200: answer(listAnswer('DeliveryPage', deliverySchema), 'One page'),
        ...problems(400, 401, 403, 404, 422),
      },
    }),
    async (c) => {
      const { limit, cursor, status, since, until } = c.req.valid('query');
      const { tenantId, id } = await endpointOf(scope, c, c.req.valid('param').id);
      const { before: after } = cursors.asked({ limit, cursor });
      const listed = await listDeliveries(
        deps.table,
        { tenantId, id },
        {
          limit,
          ...(after === undefined ? {} : { after }),
          ...(status === undefined ? {} : { status }),
          ...(since === undefined ? {} : { sinceMs: Date.parse(since) }),
          ...(until === undefined ? {} : { untilMs: Date.parse(until) }),
        },
      );
      return c.json({ items: listed.items.map(deliveryView), nextCursor: cursors.cursorAt(listed.next) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/deliveries/{id}/replay',
      tags,
      summary: 'Send one delivery again, as a new delivery of the same event',
      ...securedPost(scope, 'manage'),
      request: { params: idParam, headers: idempotencyHeader, ...noBody },
      responses: { 202: answer(deliverySchema, 'The new delivery'), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const tenantId = tenantOf(c).id;
      const found = await findDelivery(deps.table, tenantId, pathId(c.req.valid('param').id, 'dlv'));
      if (found === undefined) throw new PacelineError('NOT_FOUND', 'There is no such delivery.');
      const { delivery, endpoint } = found;
      mustBeActive(endpoint);
      const [event] = await readEvents(deps.table, [{ tenantId, at: delivery.eventAt, id: delivery.eventId }]);
      if (event === undefined) throw new PacelineError('ILLEGAL_STATE', 'The content of this event is no longer kept.');
      const replayId = idFor(c, deps, 'req');
      await audit(c, endpoint, { deliveryId: delivery.id });
      const [planned] = await planDeliveriesTo(deps, endpoint, [event], { at: deps.nowMs(), replayId });
      return c.json(deliveryView(planned ?? delivery), 202);
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/webhooks/{id}/replay',
      tags,
      summary: 'Send a range again',
      description:
        'Every event of the log in the range that the webhook wants, also from before it existed or while it was disabled; with `onlyFailed` the ' +
        'deliveries of the range that failed. Continues after the answer, oldest first.',
      ...securedPost(scope, 'manage'),
      request: { params: idParam, headers: idempotencyHeader, ...jsonBody(replayInput) },
      responses: { 202: answer(replaySchema, 'It will be sent'), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const endpoint = await endpointOf(scope, c, c.req.valid('param').id);
      const { since, until, onlyFailed = false } = c.req.valid('json');
      const nowMs = deps.nowMs();
      const sinceMs = Date.parse(since);
      const untilMs = Math.min(until === undefined ? nowMs + 1 : Date.parse(until), nowMs + 1);
      if (sinceMs >= untilMs) {
        throw invalid([{ path: '/since', code: 'INVALID', message: 'Must be before now, and before "until".' }]);
      }
      mustBeActive(endpoint);
      const replay = idFor(c, deps, 'req');
      await audit(c, endpoint, { since, until: isoOf(untilMs), onlyFailed });
      const range = { since: Math.max(0, sinceMs), until: untilMs, onlyFailed };
      const message = { replay, t: endpoint.tenantId, w: endpoint.id, ...range, at: nowMs };
      await deps.deliveries.send([{ message, key: replay }]);
      return c.json({ since: isoOf(range.since), until: isoOf(untilMs), onlyFailed }, 202);
    },
  );

  async function audit(c: Call, endpoint: Endpoint, changes: Record<string, unknown>): Promise<void> {
    const change = { action: 'webhook.replayed', target: endpoint.id, changes };
    await deps.table.transact({ audit: auditWrite(originOf(c, deps), change, deps.randomBytes) });
  }
}

function mustBeActive(endpoint: Endpoint): void {
  if (endpoint.active) return;
  throw new PacelineError('ILLEGAL_STATE', 'The webhook is not active; enable it first.');
}
