import { createRoute } from '@hono/zod-openapi';
import {
  createPlan,
  deletePlan,
  listPlans,
  type PlanSettings,
  readPlan,
  updatePlan,
} from '../../../lib/aws/tenants/tenants.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import { noLimits } from '../../../lib/domain/plans.ts';
import { type ApiScope, idFor, originOf, pathId } from '../http/context.ts';
import { listCursors } from '../http/cursor.ts';
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
import { planInput, planPatch, planSchema, planView } from './schema.ts';

const tags = ['Administration'];
const cursors = listCursors('plans');

export function planRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/admin/plans',
      tags,
      summary: 'Make a plan',
      ...securedPost(scope, 'admin'),
      request: { headers: idempotencyHeader, ...jsonBody(planInput) },
      responses: { 201: answer(planSchema, 'The plan'), ...problems(400, 401, 403, 409, 413, 422) },
    }),
    async (c) => {
      const settings: PlanSettings = { ...noLimits, ...defined(c.req.valid('json')) };
      const id = idFor(c, deps, 'pln');
      // A repeat under the same Idempotency-Key finds the plan that the first call made.
      const plan = (await createPlan(deps, originOf(c, deps), id, settings)) ?? (await readPlan(deps.table, id));
      if (plan === undefined) throw new Error(`the plan ${id} was deleted while it was made`);
      return c.json(planView(plan), 201);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/admin/plans',
      tags,
      summary: 'List plans, newest first',
      ...secured('admin'),
      request: { query: listQuery },
      responses: { 200: answer(listAnswer('PlanPage', planSchema), 'One page'), ...problems(400, 401, 403, 422) },
    }),
    async (c) => {
      const listed = await listPlans(deps.table, cursors.asked(c.req.valid('query')));
      return c.json({ items: listed.items.map(planView), nextCursor: cursors.cursorAt(listed.next) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/admin/plans/{id}',
      tags,
      summary: 'One plan',
      ...secured('admin'),
      request: { params: idParam },
      responses: { 200: answer(planSchema, 'The plan'), ...problems(401, 403, 404) },
    }),
    async (c) => {
      const plan = await readPlan(deps.table, pathId(c.req.valid('param').id, 'pln'));
      if (plan === undefined) throw noPlan();
      return c.json(planView(plan), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'patch',
      path: '/v1/admin/plans/{id}',
      tags,
      summary: 'Change a plan',
      ...secured('admin'),
      request: { params: idParam, ...jsonBody(planPatch) },
      responses: { 200: answer(planSchema, 'The plan'), ...problems(400, 401, 403, 404, 413, 422) },
    }),
    async (c) => {
      const id = pathId(c.req.valid('param').id, 'pln');
      const plan = await updatePlan(deps, originOf(c, deps), id, defined(c.req.valid('json')));
      if (plan === undefined) throw noPlan();
      return c.json(planView(plan), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/admin/plans/{id}',
      tags,
      summary: 'Delete a plan that no tenant has',
      ...secured('admin'),
      request: { params: idParam },
      responses: { 204: { description: 'Removed' }, ...problems(401, 403, 404, 409) },
    }),
    async (c) => {
      const result = await deletePlan(deps, originOf(c, deps), pathId(c.req.valid('param').id, 'pln'));
      if (result === 'absent') throw noPlan();
      if (result === 'in_use') throw new PacelineError('CONFLICT', 'Tenants have this plan; give them another first.');
      return c.body(null, 204);
    },
  );
}

const noPlan = () => new PacelineError('NOT_FOUND', 'There is no such plan.');
