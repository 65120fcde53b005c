import { createRoute } from '@hono/zod-openapi';
import {
  createTenant,
  deleteTenant,
  listTenants,
  newTenantSettings,
  readTenant,
  type TenantSettings,
  updateTenant,
} from '../../../lib/aws/tenants/tenants.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import { type ApiScope, idFor, originOf, pathId } from '../http/context.ts';
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
import { tenantInput, tenantPatch, tenantSchema, tenantView } from './schema.ts';

const tags = ['Administration'];
const cursors = listCursors('tenants');

export function tenantRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/admin/tenants',
      tags,
      summary: 'Make a tenant',
      ...securedPost(scope, 'admin'),
      request: { headers: idempotencyHeader, ...jsonBody(tenantInput) },
      responses: { 201: answer(tenantSchema, 'The tenant'), ...problems(400, 401, 403, 409, 413, 422) },
    }),
    async (c) => {
      const { planId, defaultCountry, retention: _retention, ...rest } = c.req.valid('json');
      const settings: TenantSettings = {
        ...newTenantSettings,
        ...defined(rest),
        ...(planId == null ? {} : { planId }),
        ...(defaultCountry == null ? {} : { defaultCountry }),
      };
      const id = idFor(c, deps, 'ten');
      const made = await createTenant(deps, originOf(c, deps), id, settings);
      // A repeat under the same Idempotency-Key finds the tenant that the first call made.
      const tenant = made === 'id_taken' ? await readTenant(deps.table, id) : made;
      if (tenant === undefined || tenant === 'no_plan') throw noPlan();
      return c.json(tenantView(tenant), 201);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/admin/tenants',
      tags,
      summary: 'List tenants, newest first',
      ...secured('admin'),
      request: { query: listQuery },
      responses: { 200: answer(listAnswer('TenantPage', tenantSchema), 'One page'), ...problems(400, 401, 403, 422) },
    }),
    async (c) => {
      const listed = await listTenants(deps.table, cursors.asked(c.req.valid('query')));
      return c.json({ items: listed.items.map(tenantView), nextCursor: cursors.cursorAt(listed.next) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/admin/tenants/{id}',
      tags,
      summary: 'One tenant',
      ...secured('admin'),
      request: { params: idParam },
      responses: { 200: answer(tenantSchema, 'The tenant'), ...problems(401, 403, 404) },
    }),
    async (c) => {
      const tenant = await readTenant(deps.table, pathId(c.req.valid('param').id, 'ten'));
      if (tenant === undefined) throw noTenant();
      return c.json(tenantView(tenant), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'patch',
      path: '/v1/admin/tenants/{id}',
      tags,
      summary: 'Change a tenant',
      ...secured('admin'),
      request: { params: idParam, ...jsonBody(tenantPatch) },
      responses: { 200: answer(tenantSchema, 'The tenant'), ...problems(400, 401, 403, 404, 413, 422) },
    }),
    async (c) => {
      const id = pathId(c.req.valid('param').id, 'ten');
      const { retention: _retention, ...rest } = c.req.valid('json');
      const tenant = await updateTenant(deps, originOf(c, deps), id, defined(rest));
      if (tenant === 'absent') throw noTenant();
      if (tenant === 'no_plan') throw noPlan();
      if (tenant === 'changed') throw new PacelineError('CONFLICT', 'The tenant changed at the same time; try again.');
      return c.json(tenantView(tenant), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/admin/tenants/{id}',
      tags,
      summary: 'Remove a tenant without accounts, and its keys',
      ...secured('admin'),
      request: { params: idParam },
      responses: { 204: { description: 'Removed' }, ...problems(401, 403, 404, 409) },
    }),
    async (c) => {
      const result = await deleteTenant(deps, originOf(c, deps), pathId(c.req.valid('param').id, 'ten'));
      if (result === 'absent') throw noTenant();
      if (result === 'in_use') throw new PacelineError('CONFLICT', 'The tenant has accounts; delete them first.');
      return c.body(null, 204);
    },
  );
}

const noTenant = () => new PacelineError('NOT_FOUND', 'There is no such tenant.');
const noPlan = () => invalid([{ path: '/planId', code: 'INVALID', message: 'There is no such plan.' }]);
