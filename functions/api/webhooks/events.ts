import { createRoute, z } from '@hono/zod-openapi';
import { eventDays, eventsKeptMs, listEvents, withContent } from '../../../lib/aws/events/events.ts';
import { matchesType } from '../../../lib/domain/events/events.ts';
import { type ApiScope, tenantOf } from '../http/context.ts';
import { decodeCursor, encodeCursor, idPosition } from '../http/cursor.ts';
import { eventSelector } from '../http/input.ts';
import { type Api, answer, jsonBody, listAnswer, listQuery, problems, secured } from '../http/openapi.ts';
import { eventSchema, eventView, sentEventSchema } from './event-schema.ts';

const time = z.iso.datetime({ offset: true }).optional();

export function eventRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;
  app.openAPIRegistry.registerWebhook({
    method: 'post',
    path: 'event',
    summary: 'The event that an endpoint of /v1/webhooks receives',
    description:
      'Signed as Standard Webhooks say: `webhook-id` is the id of the event, the same in each repetition, `webhook-timestamp` the seconds of ' +
      'the attempt, `webhook-signature` one or more of `v1,<base64>`. A 2xx answer accepts the event, 410 disables the endpoint.',
    request: {
      headers: z.object({
        'webhook-id': z.string(),
        'webhook-timestamp': z.string(),
        'webhook-signature': z.string(),
      }),
      ...jsonBody(sentEventSchema),
    },
    responses: { 204: { description: 'Accepted' } },
  });
  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/events',
      tags: ['Events'],
      summary: 'List events, newest first',
      description:
        `Events are kept ${eventDays} days, the texts of messages 15. QR and pairing codes are not kept. \`type\` is a type or a group ` +
        '(`message`). To poll, ask with `since` a minute before the last answer, follow `nextCursor`, and drop the ids already seen. ' +
        'A filtered page may hold fewer items than asked for, or none, and still have a nextCursor.',
      ...secured('read'),
      request: {
        query: listQuery.extend({ since: time, until: time, type: eventSelector.optional() }),
      },
      responses: { 200: answer(listAnswer('EventPage', eventSchema), 'One page'), ...problems(400, 401, 403, 422) },
    }),
    async (c) => {
      const tenant = tenantOf(c);
      const { limit, cursor, since, until, type } = c.req.valid('query');
      // Plus 1 ms: `until` is exclusive, and events of this millisecond belong to the list page.
      const nowMs = deps.nowMs() + 1;
      const sinceMs = Math.max(
        since === undefined ? 0 : Date.parse(since),
        // Events carry whole seconds, so the first ones can look older than their tenant.
        tenant.createdAt - 1000,
        nowMs - eventsKeptMs,
      );
      const untilMs = Math.min(until === undefined ? nowMs : Date.parse(until), nowMs);
      const before = decodeCursor(cursor, 'events', { a: z.int().min(0).max(9_999_999_999_999), b: idPosition });
      const range = {
        sinceMs,
        untilMs,
        limit,
        ...(before === undefined ? {} : { before: { at: before.a, id: before.b } }),
      };
      const listed =
        untilMs <= sinceMs
          ? { items: [] }
          : await listEvents(deps.table, tenant.id, range, (one) => type === undefined || matchesType(type, one));
      const next = 'next' in listed ? listed.next : undefined;
      const nextCursor = next === undefined ? null : encodeCursor('events', { a: next.at, b: next.id });
      const items = await withContent(deps.table, listed.items);
      return c.json({ items: items.map(eventView), nextCursor }, 200);
    },
  );
}
