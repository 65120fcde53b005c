import { createRoute, z } from '@hono/zod-openapi';
import { createKey, deleteKey, listKeys, newSecret, readKey } from '../../../lib/aws/tenants/api-keys.ts';
import { adminTenant } from '../../../lib/aws/tenants/audit.ts';
import { type FieldError, PacelineError } from '../../../lib/domain/errors.ts';
import { type ApiScope, type Call, originOf, pathId } from '../http/context.ts';
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
  problems,
  secured,
  securedPost,
} from '../http/openapi.ts';
import { keyInput, keySchema, keyView, newKeySchema } from './schema.ts';

const tags = ['Administration'];
const cursors = listCursors('api-keys');
/** Admins name the tenant of the keys; without it the call is about the admin keys. */
const tenantQuery = z.strictObject({ tenantId: z.string().max(60).optional() });

export function apiKeyRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/api-keys',
      tags,
      summary: 'Make a key; it is shown once and stored hashed',
      ...securedPost(scope, ['manage', 'admin'], { secret: true }),
      request: { headers: idempotencyHeader, ...jsonBody(keyInput) },
      responses: { 201: answer(newKeySchema, 'The key'), ...problems(400, 401, 403, 409, 413, 422) },
    }),
    async (c) => {
      const body = c.req.valid('json');
      const own = c.get('actor')?.tenant?.id;
      const tenantId = own ?? body.tenantId;
      const errors: FieldError[] = [];
      if (own !== undefined && body.tenantId !== undefined && body.tenantId !== own) {
        errors.push({ path: '/tenantId', code: 'INVALID', message: 'There is no such tenant.' });
      }
      const admin = body.scopes.includes('admin');
      if (admin && tenantId !== undefined) {
        errors.push({ path: '/scopes', code: 'INVALID', message: 'A key of a tenant cannot have the scope admin.' });
      }
      if (admin && body.scopes.length > 1) {
        errors.push({
          path: '/scopes',
          code: 'INVALID',
          message: 'The scope admin cannot be combined with other scopes.',
        });
      }
      if (!admin && tenantId === undefined) {
        errors.push({
          path: '/tenantId',
          code: 'REQUIRED',
          message: 'Name the tenant, or send the scope admin alone.',
        });
      }
      if (errors.length > 0) throw invalid(errors);
      const lacking = own === undefined ? [] : body.scopes.filter((given) => !c.get('actor')?.scopes.includes(given));
      if (lacking.length > 0) {
        const message = `This key does not have the scope "${lacking.join('" and "')}" itself and cannot give it.`;
        throw new PacelineError('FORBIDDEN', message);
      }
      const secret = newSecret(admin, deps.randomBytes);
      const wanted = { name: body.name, scopes: body.scopes, secret, ...(tenantId === undefined ? {} : { tenantId }) };
      const key = await createKey(deps, originOf(c, deps), wanted);
      if (typeof key === 'string')
        throw invalid([{ path: '/tenantId', code: 'INVALID', message: 'There is no such tenant.' }]);
      return c.json({ ...keyView(key), key: secret }, 201);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/api-keys',
      tags,
      summary: 'List keys, newest first, without the keys themselves',
      ...secured('read', 'manage', 'admin'),
      request: { query: listQuery.extend(tenantQuery.shape) },
      responses: { 200: answer(listAnswer('ApiKeyPage', keySchema), 'One page'), ...problems(400, 401, 403, 422) },
    }),
    async (c) => {
      const query = c.req.valid('query');
      const asked = cursors.asked(query);
      const listed = await listKeys(deps.table, ownerOf(c, query.tenantId), asked);
      return c.json({ items: listed.items.map(keyView), nextCursor: cursors.cursorAt(listed.next) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/api-keys/{id}',
      tags,
      summary: 'One key, without the key itself',
      ...secured('read', 'manage', 'admin'),
      request: { params: idParam, query: tenantQuery },
      responses: { 200: answer(keySchema, 'The key'), ...problems(401, 403, 404) },
    }),
    async (c) => {
      const owner = ownerOf(c, c.req.valid('query').tenantId);
      const key = await readKey(deps.table, owner, pathId(c.req.valid('param').id, 'key'));
      if (key === undefined) throw noKey();
      return c.json(keyView(key), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/api-keys/{id}',
      tags,
      summary: 'Delete a key; requests with it are refused from now on',
      ...secured('manage', 'admin'),
      request: { params: idParam, query: tenantQuery },
      responses: { 204: { description: 'Deleted' }, ...problems(401, 403, 404) },
    }),
    async (c) => {
      const owner = ownerOf(c, c.req.valid('query').tenantId);
      const gone = await deleteKey(deps, originOf(c, deps), owner, pathId(c.req.valid('param').id, 'key'));
      if (!gone) throw noKey();
      return c.body(null, 204);
    },
  );
}

/** Returns the tenant whose keys the call is about. A key of a tenant always gets its own tenant. */
function ownerOf(c: Call, asked: string | undefined): string {
  return c.get('actor')?.tenant?.id ?? asked ?? adminTenant;
}

const noKey = () => new PacelineError('NOT_FOUND', 'There is no such key.');
