import { createRoute, z } from '@hono/zod-openapi';
import { acceptContract, acceptRecipients } from '../../../lib/accept/contracts.ts';
import { tooManyRows } from '../../../lib/accept/rows.ts';
import { readAccount } from '../../../lib/aws/accounts/accounts.ts';
import { listContracts, mustTakeRows } from '../../../lib/aws/contracts/contracts.ts';
import { accountsOf, type Contract, maxRows } from '../../../lib/domain/contracts/contract.ts';
import { contractView } from '../../../lib/domain/contracts/view.ts';
import type { FieldError } from '../../../lib/domain/errors.ts';
import { type ApiScope, idFor, originOf, tenantOf } from '../http/context.ts';
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
import { acceptedCounts } from './counts.ts';
import { contractOf, viewOf, withCounters } from './reading.ts';
import { checkRecipients, messageOf } from './recipients.ts';
import { contractInput, contractSchema, recipientsInput, visibleStates } from './schema.ts';

const tags = ['Contracts'];
const cursors = listCursors('contracts');
/** Most contracts read for one request of a filtered list. The cursor continues after them. */
const maxLookedAt = 1000;

export function contractRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;
  const counts = acceptedCounts(scope);

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/contracts',
      tags,
      summary: 'Order up to 5,000 messages',
      description: 'All rows are checked first. Either all are accepted, or none is and the answer names each bad one.',
      ...securedPost(scope, 'send'),
      request: { headers: idempotencyHeader, ...jsonBody(contractInput) },
      responses: { 201: answer(contractSchema, 'The contract'), ...problems(400, 401, 403, 409, 413, 422) },
    }),
    async (c) => {
      const tenant = tenantOf(c);
      const body = c.req.valid('json');
      const now = deps.nowMs();
      const { accountId, errors } = onlyAccount(body);
      const startAt = body.startAt === undefined ? undefined : Date.parse(body.startAt);
      if (startAt !== undefined && startAt <= now) {
        errors.push({ path: '/startAt', code: 'OUT_OF_RANGE', message: 'startAt must be in the future.' });
      }
      if (startAt !== undefined && body.start === true) {
        errors.push({ path: '/start', code: 'INVALID', message: 'Send start or startAt, not both.' });
      }
      if (body.start === true && body.recipients.length === 0) {
        errors.push({ path: '/start', code: 'INVALID', message: 'A contract without recipients cannot be started.' });
      }
      const message = messageOf(body, errors);
      const pair = accountId === undefined ? undefined : await readAccount(deps.table, tenant.id, accountId);
      if (accountId !== undefined && pair === undefined) {
        const path = body.accountId === undefined ? '/accountIds/0' : '/accountId';
        errors.push({ path, code: 'UNKNOWN_ACCOUNT', message: 'There is no such account.' });
      }
      const skipInvalid = body.skipInvalid ?? false;
      const requirePlus = body.requirePlus ?? false;
      const { defaultCountry } = tenant;
      const checks = checkRecipients(body.recipients, message, { defaultCountry, skipInvalid, requirePlus });
      errors.push(...checks.errors);
      counts.refused(checks.errors);
      if (errors.length > 0 || pair === undefined) throw invalid(errors);

      const accepted = await acceptContract(deps, originOf(c, deps), {
        id: idFor(c, deps, 'con'),
        name: body.name,
        accountId: pair.account.id,
        lane: body.lane ?? 'bulk',
        skipInvalid,
        requirePlus,
        start: body.start === true,
        startAt,
        createdAt: now,
        rows: checks.checked,
      });
      counts.created();
      counts.rows(accepted);
      return c.json(await viewOf(scope, accepted.contract, accepted.warnings), 201);
    },
  );

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/contracts/{id}/recipients',
      tags,
      summary: 'Add up to 5,000 recipients while PENDING',
      ...securedPost(scope, 'send'),
      request: { params: idParam, headers: idempotencyHeader, ...jsonBody(recipientsInput) },
      responses: { 200: answer(contractSchema, 'The contract'), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const tenant = tenantOf(c);
      const contract = await contractOf(c, scope);
      mustTakeRows(contract);
      const body = c.req.valid('json');
      const errors: FieldError[] = [];
      const message = messageOf(body, errors);
      const { defaultCountry } = tenant;
      const { skipInvalid, requirePlus } = contract;
      const checks = checkRecipients(body.recipients, message, { defaultCountry, skipInvalid, requirePlus });
      errors.push(...checks.errors);
      counts.refused(checks.errors);
      if (contract.totalCount + body.recipients.length > maxRows) {
        errors.push({ path: '/recipients', ...tooManyRows });
      }
      if (errors.length > 0) throw invalid(errors);
      const request = idFor(c, deps, 'req');
      const accepted = await acceptRecipients(deps, originOf(c, deps), contract, { request, rows: checks.checked });
      counts.rows(accepted);
      return c.json(await viewOf(scope, accepted.contract, accepted.warnings), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/contracts',
      tags,
      summary: 'List contracts, newest first',
      description: 'A filtered page may hold fewer items than asked for and still have a nextCursor.',
      ...secured('read'),
      request: {
        query: listQuery.extend({ status: z.enum(visibleStates).optional(), accountId: z.string().optional() }),
      },
      responses: {
        200: answer(listAnswer('ContractPage', contractSchema), 'One page'),
        ...problems(400, 401, 403, 422),
      },
    }),
    async (c) => {
      const { id: tenantId } = tenantOf(c);
      const { limit, cursor, status, accountId } = c.req.valid('query');
      let { before } = cursors.asked({ limit, cursor });
      const found: Contract[] = [];
      let lookedAt = 0;
      do {
        const room = limit - found.length;
        const step = await listContracts(
          deps.table,
          tenantId,
          before === undefined ? { limit: room } : { limit: room, before },
        );
        lookedAt += room;
        for (const contract of step.items) {
          if (status !== undefined && contract.status !== status) continue;
          if (accountId !== undefined && !accountsOf(contract).includes(accountId)) continue;
          found.push(contract);
        }
        before = step.next;
      } while (before !== undefined && found.length < limit && lookedAt < maxLookedAt);
      const now = deps.nowMs();
      const full = await withCounters(scope, found);
      const items = full.map(({ contract, counter, pair }) => contractView(contract, counter, pair, now));
      return c.json({ items, nextCursor: cursors.cursorAt(before) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/contracts/{id}',
      tags,
      summary: 'One contract',
      ...secured('read'),
      request: { params: idParam },
      responses: { 200: answer(contractSchema, 'The contract'), ...problems(401, 403, 404) },
    }),
    async (c) => c.json(await viewOf(scope, await contractOf(c, scope)), 200),
  );
}

/** Returns the account of a body that names it by `accountId` or `accountIds`. Several accounts come with groups. */
function onlyAccount(body: { accountId?: string | undefined; accountIds?: string[] | undefined }): {
  accountId: string | undefined;
  errors: FieldError[];
} {
  const { accountId, accountIds } = body;
  const errors: FieldError[] = [];
  if (accountId !== undefined && accountIds !== undefined) {
    errors.push({ path: '/accountIds', code: 'INVALID', message: 'Send accountId or accountIds, not both.' });
  } else if (accountIds !== undefined && accountIds.length > 1) {
    const message = 'Sending from several accounts is not built yet; name one.';
    errors.push({ path: '/accountIds', code: 'NOT_SUPPORTED', message });
  } else if (accountId === undefined && accountIds?.[0] === undefined) {
    errors.push({ path: '/accountId', code: 'REQUIRED', message: 'Name the account to send from.' });
  }
  const wanted = errors.length > 0 ? undefined : (accountId ?? accountIds?.[0]);
  return { accountId: wanted, errors };
}
