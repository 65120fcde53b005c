import { createRoute } from '@hono/zod-openapi';
import { planDeliveriesTo, readDelivery } from '../../../lib/aws/webhooks/deliveries.ts';
import { rotateSecret, updateEndpoint } from '../../../lib/aws/webhooks/endpoints.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import type { PacelineEvent } from '../../../lib/domain/events/events.ts';
import { derivedId } from '../../../lib/domain/ids.ts';
import type { Delivery } from '../../../lib/domain/webhooks/delivery.ts';
import { deliveryView } from '../../../lib/domain/webhooks/delivery-view.ts';
import { type Endpoint, secretOverlapMs } from '../../../lib/domain/webhooks/endpoint.ts';
import { endpointView } from '../../../lib/domain/webhooks/endpoint-view.ts';
import { newSigningSecret } from '../../../lib/domain/webhooks/signature.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { type ApiScope, idFor, originOf } from '../http/context.ts';
import {
  type Api,
  answer,
  idempotencyHeader,
  idParam,
  noBody,
  optionalBody,
  problems,
  securedPost,
} from '../http/openapi.ts';
import { deliverySchema, rotatedSchema, rotateInput, webhookSchema } from './schema.ts';
import { endpointOf, noWebhook } from './webhooks.ts';

const tags = ['Webhooks'];
/** An attempt takes 15 s at most; API Gateway gives up after 30. */
const testWaitMs = 24_000;
const testLookMs = 150;

/** Adds the calls of a webhook other than create, read, change and delete. */
export function webhookCallRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/webhooks/{id}/test',
      tags,
      summary: 'Send a webhook.test event once and return its delivery',
      description:
        'Works for a disabled webhook too. Status `delivered` or `failed` with the one attempt; `pending` when there was no result within 24 s.',
      ...securedPost(scope, 'manage'),
      request: { params: idParam, headers: idempotencyHeader, ...noBody },
      responses: { 200: answer(deliverySchema, 'The delivery'), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const endpoint = await endpointOf(scope, c, c.req.valid('param').id);
      const event = testEvent(endpoint, idFor(c, deps, 'req'), deps.nowMs());
      const [planned] = await planDeliveriesTo(deps, endpoint, [event], { at: event.at, once: true });
      if (planned === undefined) throw noWebhook();
      return c.json(deliveryView(await outcomeOf(planned)), 200);
    },
  );

  /** Returns the delivery after its attempt, or as it is after 24 s. */
  async function outcomeOf(planned: Delivery): Promise<Delivery> {
    const { monotonicMs, sleep } = systemClock;
    const untilMs = monotonicMs() + testWaitMs;
    for (;;) {
      const delivery = await readDelivery(deps.table, planned);
      if (delivery === undefined) throw noWebhook();
      if (delivery.status !== 'pending' || monotonicMs() > untilMs) return delivery;
      await sleep(testLookMs);
    }
  }

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/webhooks/{id}/rotate-secret',
      tags,
      summary: 'Replace the secret; the previous one also signs for 24 hours',
      ...securedPost(scope, 'manage', { secret: true }),
      request: { params: idParam, headers: idempotencyHeader, ...optionalBody(rotateInput) },
      responses: { 200: answer(rotatedSchema, 'The new secret'), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const endpoint = await endpointOf(scope, c, c.req.valid('param').id);
      const secret = c.req.valid('json')?.secret ?? newSigningSecret(deps.randomBytes);
      const changed = await rotateSecret(deps, originOf(c, deps), endpoint, secret);
      if (changed === undefined) throw noWebhook();
      const previousUntil = new Date(changed.secrets[1]?.until ?? deps.nowMs() + secretOverlapMs).toISOString();
      return c.json({ secret, previousUntil }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/webhooks/{id}/enable',
      tags,
      summary: 'Enable a webhook; send failed events again with /replay',
      ...securedPost(scope, 'manage'),
      request: { params: idParam, headers: idempotencyHeader, ...noBody },
      responses: { 200: answer(webhookSchema, 'The webhook'), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const endpoint = await endpointOf(scope, c, c.req.valid('param').id);
      const changed = await updateEndpoint(deps, originOf(c, deps), endpoint, { active: true });
      if (changed === undefined) throw noWebhook();
      if (changed === 'name_taken') throw new PacelineError('CONFLICT', 'The webhook changed meanwhile; try again.');
      return c.json(endpointView(changed), 200);
    },
  );
}

/** Returns an event about the webhook itself. It is not stored in the log. */
function testEvent(endpoint: Endpoint, callId: string, at: number): PacelineEvent {
  const { id, tenantId, name } = endpoint;
  return {
    id: derivedId('evt', 'webhook.test', id, callId),
    type: 'webhook.test',
    at,
    tenantId,
    data: { webhook: { id, name } },
    logged: false,
  };
}
