import { createRoute, z } from '@hono/zod-openapi';
import {
  type AccountChanges,
  type AccountPair,
  createAccount,
  isLinked,
  listAccountIds,
  primaryOf,
  readAccount,
  readAccounts,
  setDesired,
  setPaused,
  updateAccount,
} from '../../../lib/aws/accounts/accounts.ts';
import { deleteAccount } from '../../../lib/aws/contracts/account-contracts.ts';
import type { Deps } from '../../../lib/aws/deps.ts';
import type { Origin } from '../../../lib/aws/tenants/audit.ts';
import { readPlan } from '../../../lib/aws/tenants/tenants.ts';
import { type Account, accountStatuses, isOtherNumber } from '../../../lib/domain/accounts/account.ts';
import { canBePrimary } from '../../../lib/domain/accounts/primary.ts';
import { type AccountView, accountView } from '../../../lib/domain/accounts/view.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import type { NumberReading } from '../../../lib/domain/people/phone.ts';
import { type ApiScope, type Call, idFor, originOf, pathId, tenantOf } from '../http/context.ts';
import { listCursors } from '../http/cursor.ts';
import { invalid } from '../http/field-errors.ts';
import { accountNumber, doubtWarnings } from '../http/numbers.ts';
import {
  type Api,
  answer,
  defined,
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
import { accountInput, accountPatch, accountSchema } from './schema.ts';

const tags = ['Accounts'];
const cursors = listCursors('accounts');

interface Command {
  name: 'pause' | 'resume' | 'connect' | 'disconnect' | 'logout';
  /** The texts of the call in the OpenAPI document. */
  doc: { summary: string; description?: string };
  run(deps: Deps, origin: Origin, pair: AccountPair): Promise<AccountPair>;
}

/** The calls that store a wish of the tenant and answer with the account. */
const commands: readonly Command[] = [
  {
    name: 'pause',
    doc: {
      summary: 'Hold all sending of the account',
      description:
        'At most the message in hand is still sent, and confirmations of opt-outs. The account stays connected and receives; its contracts keep ' +
        'their status and say why they wait.',
    },
    run: (deps, origin, pair) => setPaused(deps, origin, pair, true),
  },
  {
    name: 'resume',
    doc: { summary: 'Continue sending', description: 'What waits is sent under the same pacing as before.' },
    run: (deps, origin, pair) => setPaused(deps, origin, pair, false),
  },
  {
    name: 'connect',
    doc: { summary: 'Connect, or start linking again' },
    run: (deps, origin, pair) => setDesired(deps, origin, pair, 'connected'),
  },
  {
    name: 'disconnect',
    doc: { summary: 'Disconnect and stay linked' },
    run: (deps, origin, pair) => setDesired(deps, origin, pair, 'disconnected'),
  },
  {
    name: 'logout',
    doc: { summary: 'Unlink the device' },
    run: (deps, origin, pair) => setDesired(deps, origin, pair, 'logged_out'),
  },
];

export function accountRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/accounts',
      tags,
      summary: 'Make an account and start linking it',
      ...securedPost(scope, 'manage'),
      request: { headers: idempotencyHeader, ...jsonBody(accountInput) },
      responses: { 201: answer(accountSchema, 'The account'), ...problems(400, 401, 402, 403, 409, 413, 422) },
    }),
    async (c) => {
      const tenant = tenantOf(c);
      const body = c.req.valid('json');
      const number =
        body.phoneNumber === undefined ? undefined : accountNumber(body.phoneNumber, tenant, '/phoneNumber');
      const phoneNumber = number?.digits;
      const linkMethod = body.link ?? 'qr';
      if (linkMethod === 'pairing_code' && phoneNumber === undefined) throw numberWanted();
      const plan = tenant.planId === undefined ? undefined : await readPlan(deps.table, tenant.planId);
      const now = deps.nowMs();
      const account: Omit<Account, 'laneUrls'> = {
        id: idFor(c, deps, 'acc'),
        tenantId: tenant.id,
        name: body.name,
        ...(phoneNumber === undefined ? {} : { phoneNumber }),
        priority: body.priority ?? 999,
        weight: body.weight ?? 1,
        desired: body.connect === false ? 'disconnected' : 'connected',
        status: 'created',
        statusSince: now,
        useLimits: body.useLimits ?? true,
        pacing: body.pacing ?? {},
        linkMethod,
        ...(body.optOutReply === undefined ? {} : { optOutReply: body.optOutReply }),
        warnings: [],
        createdAt: now,
      };
      const made = await createAccount(deps, originOf(c, deps), account, plan?.maxAccounts ?? null);
      return c.json(withDoubts(accountView(made, undefined), number), 201);
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/accounts',
      tags,
      summary: 'List accounts, newest first',
      ...secured('read'),
      request: { query: listQuery.extend({ status: z.enum(accountStatuses).optional() }) },
      responses: { 200: answer(listAnswer('AccountPage', accountSchema), 'One page'), ...problems(400, 401, 403, 422) },
    }),
    async (c) => {
      const { id: tenantId } = tenantOf(c);
      const { limit, cursor, status } = c.req.valid('query');
      let { before } = cursors.asked({ limit, cursor });
      const found: AccountPair[] = [];
      do {
        const room = limit - found.length;
        const listed = await listAccountIds(
          deps.table,
          tenantId,
          before === undefined ? { limit: room } : { limit: room, before },
        );
        for (const pair of await readAccounts(deps.table, tenantId, listed.ids)) {
          if (pair !== undefined && (status === undefined || pair.account.status === status)) found.push(pair);
        }
        before = listed.next;
      } while (before !== undefined && found.length < limit);
      const primary = await primaryAmong(scope, tenantId, found);
      return c.json(
        { items: found.map((pair) => accountView(pair, primary)), nextCursor: cursors.cursorAt(before) },
        200,
      );
    },
  );

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/accounts/{id}',
      tags,
      summary: 'One account',
      ...secured('read'),
      request: { params: idParam },
      responses: { 200: answer(accountSchema, 'The account'), ...problems(401, 403, 404) },
    }),
    async (c) => {
      const pair = await accountOf(c, scope);
      return c.json(accountView(pair, await primaryAmong(scope, tenantOf(c).id, [pair])), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'patch',
      path: '/v1/accounts/{id}',
      tags,
      summary: 'Change the settings of an account',
      ...secured('manage'),
      request: { params: idParam, ...jsonBody(accountPatch) },
      responses: { 200: answer(accountSchema, 'The account'), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const tenant = tenantOf(c);
      const { link, proxy: _proxy, phoneNumber: given, ...rest } = c.req.valid('json');
      const { account } = await accountOf(c, scope);
      const number = given === undefined ? undefined : accountNumber(given, tenant, '/phoneNumber', account);
      const phoneNumber = number?.digits;
      if (phoneNumber !== undefined && isLinked(account) && isOtherNumber(account, phoneNumber)) {
        throw new PacelineError(
          'ILLEGAL_STATE',
          'A linked account keeps its phone number; log it out or make another.',
        );
      }
      if (link === 'pairing_code' && (phoneNumber ?? account.phoneNumber) === undefined) throw numberWanted();
      const changes: AccountChanges = defined({ ...rest, phoneNumber, linkMethod: link });
      const pair = await updateAccount(deps, originOf(c, deps), tenant.id, account.id, changes);
      if (pair === undefined) throw noAccount();
      const view = accountView(pair, await primaryAmong(scope, tenant.id, [pair]));
      return c.json(withDoubts(view, number), 200);
    },
  );

  app.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/accounts/{id}',
      tags,
      summary: 'Log the device out and remove the account',
      description: 'The account answers 404 from now on; its unfinished contracts become FAILED.',
      ...secured('manage'),
      request: { params: idParam },
      responses: { 202: answer(accountSchema, 'It will be removed'), ...problems(401, 403, 404) },
    }),
    async (c) => {
      const pair = await deleteAccount(deps, originOf(c, deps), tenantOf(c).id, pathId(c.req.valid('param').id, 'acc'));
      if (pair === undefined) throw noAccount();
      const { account, hot } = pair;
      return c.json(accountView({ account: { ...account, desired: 'logged_out' }, hot }, undefined), 202);
    },
  );

  for (const { name, doc, run } of commands) {
    app.openapi(
      createRoute({
        method: 'post',
        path: `/v1/accounts/{id}/${name}`,
        tags,
        ...doc,
        ...securedPost(scope, 'manage'),
        request: { params: idParam, headers: idempotencyHeader, ...noBody },
        responses: {
          202: answer(accountSchema, 'The request is stored'),
          ...problems(400, 401, 403, 404, 409, 413, 422),
        },
      }),
      async (c) => {
        const pair = await run(deps, originOf(c, deps), await accountOf(c, scope));
        return c.json(accountView(pair, await primaryAmong(scope, tenantOf(c).id, [pair])), 202);
      },
    );
  }
}

/** Returns the account that the path names. Throws NOT_FOUND, also for an account of another tenant. */
export async function accountOf(c: Call, { deps }: ApiScope): Promise<AccountPair> {
  const id = pathId(c.req.param('id') ?? '', 'acc');
  const pair = await readAccount(deps.table, tenantOf(c).id, id);
  if (pair === undefined) throw noAccount();
  return pair;
}

const noAccount = () => new PacelineError('NOT_FOUND', 'There is no such account.');

function numberWanted(): PacelineError {
  return invalid([
    { path: '/phoneNumber', code: 'REQUIRED', message: 'Linking by pairing code needs the phone number.' },
  ]);
}

/** Adds the doubts about a number to the answer of the call that set it. Later answers do not repeat them. */
function withDoubts(view: AccountView, number: NumberReading | undefined): AccountView {
  return number === undefined ? view : { ...view, warnings: [...view.warnings, ...doubtWarnings(number)] };
}

/** Returns the tenant's primary account, if it can be one of `pairs`. When none of them can, nothing is read. */
async function primaryAmong({ deps }: ApiScope, tenantId: string, pairs: AccountPair[]): Promise<string | undefined> {
  if (!pairs.some(({ account }) => canBePrimary(account))) return undefined;
  return (await primaryOf(deps.table, tenantId))?.id;
}
