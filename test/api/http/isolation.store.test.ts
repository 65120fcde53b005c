import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planDeliveries } from '../../../lib/aws/webhooks/deliveries.ts';
import { derivedId } from '../../../lib/domain/ids.ts';
import { type Api, rowId, startApi } from '../api.ts';

interface Operation {
  method: string;
  path: string;
  roles: string[];
  example: Record<string, unknown> | undefined;
}

let api: Api;
let operations: Operation[];
/** Everything here belongs to tenant A. */
const mine: Record<string, string> = {};

beforeAll(async () => {
  api = await startApi();
  const accountId = await api.account({ name: 'Secret of A' }, { connected: true });
  const recipients = [{ phoneNumber: '79991234567', message: 'A private text', externalId: 'secret-ext' }];
  const contract = await api.call('POST', '/v1/contracts', { accountId, name: 'Secret of A', recipients });
  const key = await api.call('POST', '/v1/api-keys', { name: 'Secret of A', scopes: ['read'] });
  mine.accounts = accountId;
  mine.contracts = contract.json.id;
  mine.messages = rowId(contract.json.id, 0);
  mine['api-keys'] = key.json.id;
  const hook = { name: 'Secret of A', url: 'https://hooks.example.com/', events: ['message'] };
  mine.webhooks = (await api.call('POST', '/v1/webhooks', hook)).json.id;
  const tenantId = 'ten_0000000000000000000000000A';
  const id = derivedId('evt', 'isolation');
  await planDeliveries(api.deps, [{ id, type: 'message.sent', at: Date.now(), tenantId, data: {}, logged: true }]);
  mine.deliveries = (await api.call('GET', `/v1/webhooks/${mine.webhooks}/deliveries`)).json.items[0]?.id ?? '';
  mine.tenants = 'ten_0000000000000000000000000A';
  mine.plans = (await api.call('POST', '/v1/admin/plans', { name: 'p' }, { key: api.adminKey })).json.id;
  operations = await listOperations();
});
afterAll(() => api.stop());

async function listOperations(): Promise<Operation[]> {
  const document = (await api.call('GET', '/openapi.json')).json as unknown as {
    paths: Record<string, Record<string, { security?: { apiKey: string[] }[] }>>;
  };
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      roles: (operation.security ?? []).flatMap((choice) => choice.apiKey),
      example: bodies[`${method.toUpperCase()} ${path}`],
    })),
  );
}

/** Bodies that would be right if the thing were one's own. */
const bodies: Record<string, Record<string, unknown>> = {
  'PATCH /v1/accounts/{id}': { name: 'taken over' },
  'POST /v1/accounts/{id}/pairing-code': { phoneNumber: '79991234567' },
  'POST /v1/contracts/{id}/recipients': { recipients: [{ phoneNumber: '79991234567', message: 'x' }] },
  'POST /v1/contracts/{id}/import': { format: 'csv' },
  'PATCH /v1/admin/tenants/{id}': { name: 'taken over' },
  'PATCH /v1/admin/plans/{id}': { name: 'taken over' },
  'POST /v1/admin/tenants': { name: 'x' },
  'POST /v1/admin/plans': { name: 'x' },
  'POST /v1/accounts': { name: 'x' },
  'POST /v1/contracts': { accountId: 'set below', name: 'x', recipients: [] },
  'PATCH /v1/webhooks/{id}': { name: 'taken over' },
  'POST /v1/webhooks/{id}/replay': { since: '2026-01-01T00:00:00Z' },
  'POST /v1/webhooks': { name: 'x', url: 'https://hooks.example.com/', events: ['message'] },
  'POST /v1/api-keys': { name: 'x', scopes: ['read'] },
};

const pathOf = (operation: Operation): string => {
  const kind = Object.keys(mine).find((name) => operation.path.includes(`/${name}/{id}`)) ?? '';
  return operation.path.replace('{id}', mine[kind] ?? 'missing');
};

describe('another tenant', () => {
  it('gets 404 on every route with an id of ours, and changes nothing', async () => {
    const before = await snapshot();
    const tried: string[] = [];
    for (const operation of operations.filter(({ path }) => path.includes('{id}'))) {
      const answer = await api.call(operation.method, pathOf(operation), operation.example, { key: api.keyB });
      const expected = operation.roles.every((role) => role === 'admin') ? 403 : 404;
      expect([operation.method, operation.path, answer.status]).toEqual([operation.method, operation.path, expected]);
      expect(answer.text).not.toMatch(/Secret of A|79991234567|private|secret-ext/);
      tried.push(`${operation.method} ${operation.path}`);
    }
    expect(tried).toHaveLength(41);
    expect(await snapshot()).toEqual(before);
  });

  it('sees nothing of ours on any list, with any filter', async () => {
    const lists = operations.filter(
      ({ method, path }) => method === 'GET' && !path.includes('{id}') && path.startsWith('/v1/'),
    );
    expect(lists.length).toBeGreaterThan(6);
    for (const { path } of lists) {
      for (const query of [
        '',
        `?accountId=${mine.accounts}`,
        `?contractId=${mine.contracts}`,
        `?tenantId=${mine.tenants}`,
      ]) {
        const answer = await api.call('GET', `${path}${query}`, undefined, { key: api.keyB });
        for (const id of Object.values(mine)) expect(answer.text).not.toContain(id);
        expect(answer.text).not.toMatch(/Secret of A/);
      }
    }
  });

  it('cannot go on in one of our lists by cursor', async () => {
    await api.account();
    const list = await api.call('GET', '/v1/accounts?limit=1');
    const stolen = await api.call('GET', `/v1/accounts?cursor=${list.json.nextCursor}`, undefined, { key: api.keyB });
    expect(stolen.json).toEqual({ items: [], nextCursor: null });
  });

  it('gets 422 where it names our account in a body', async () => {
    const body = { accountId: mine.accounts, name: 'x', recipients: [{ phoneNumber: '79991234567', message: 'x' }] };
    const refused = await api.call('POST', '/v1/contracts', body, { key: api.keyB });
    expect(refused.status).toBe(422);
    expect(refused.json.errors[0]).toMatchObject({ path: '/accountId', code: 'UNKNOWN_ACCOUNT' });
  });
});

describe('every route', () => {
  it('asks for a key, except /health', async () => {
    for (const operation of operations) {
      const answer = await api.call(operation.method, pathOf(operation), operation.example, { key: undefined });
      expect([operation.path, answer.status]).toEqual([operation.path, operation.path === '/health' ? 200 : 401]);
    }
  });

  it('is 403 for an admin key unless it is an admin route, and 403 for a key without its scope', async () => {
    for (const operation of operations.filter(({ path }) => path.startsWith('/v1/'))) {
      if (!operation.roles.includes('admin')) {
        const answer = await api.call(operation.method, pathOf(operation), operation.example, { key: api.adminKey });
        expect([operation.method, operation.path, answer.status]).toEqual([operation.method, operation.path, 403]);
      }
      const without = (['read', 'send', 'manage'] as const).filter((scope) => !operation.roles.includes(scope));
      if (without.length === 0) continue;
      const key = await api.makeKey([...without], mine.tenants);
      const answer = await api.call(operation.method, pathOf(operation), operation.example, { key });
      expect([operation.method, operation.path, answer.status]).toEqual([operation.method, operation.path, 403]);
    }
  });
});

/** Tenant A as it sees itself. */
async function snapshot(): Promise<unknown[]> {
  const paths = [`/v1/accounts/${mine.accounts}`, `/v1/contracts/${mine.contracts}`, '/v1/api-keys', '/v1/audit'];
  paths.push(`/v1/webhooks/${mine.webhooks}`, `/v1/webhooks/${mine.webhooks}/deliveries`);
  return await Promise.all(paths.map(async (path) => (await api.call('GET', path)).json));
}
