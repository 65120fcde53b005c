import { createRoute, z } from '@hono/zod-openapi';
import { adminTenant, listAudit } from '../../../lib/aws/tenants/audit.ts';
import type { ApiScope } from '../http/context.ts';
import { listCursors } from '../http/cursor.ts';
import { type Api, answer, listAnswer, listQuery, problems, secured } from '../http/openapi.ts';
import { auditSchema, auditView } from './schema.ts';

const time = z.iso.datetime({ offset: true }).optional();
/** The earliest possible start of the log of admins. */
const beginning = Date.UTC(2026, 0, 1);

const cursors = listCursors('audit');

export function auditRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;
  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/audit',
      tags: ['Administration'],
      summary: 'List changes with key and IP address, newest first',
      description: 'A tenant sees its own log, an admin the log of admins.',
      ...secured('read', 'manage', 'admin'),
      request: { query: listQuery.extend({ since: time, until: time }) },
      responses: { 200: answer(listAnswer('AuditPage', auditSchema), 'One page'), ...problems(400, 401, 403, 422) },
    }),
    async (c) => {
      const { limit, cursor, since, until } = c.req.valid('query');
      const tenant = c.get('actor')?.tenant;
      const start = tenant?.createdAt ?? beginning;
      const sinceMs = Math.max(since === undefined ? start : Date.parse(since), start);
      // Plus 1 ms: `until` is exclusive, and entries of this millisecond belong to the page.
      const nowMs = deps.nowMs() + 1;
      const untilMs = Math.min(until === undefined ? nowMs : Date.parse(until), nowMs);
      const range = { sinceMs, untilMs, ...cursors.asked({ limit, cursor }) };
      const listed = untilMs <= sinceMs ? { items: [] } : await listAudit(deps.table, tenant?.id ?? adminTenant, range);
      const next = 'next' in listed ? listed.next : undefined;
      return c.json({ items: listed.items.map(auditView), nextCursor: cursors.cursorAt(next) }, 200);
    },
  );
}
