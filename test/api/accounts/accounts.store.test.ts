import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAccount, readAccount } from '../../../lib/aws/accounts/accounts.ts';
import { keys } from '../../../lib/aws/keys.ts';
import { newAccount } from '../../factories.ts';
import { type Api, startApi, tenantA } from '../api.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const laneCount = async (id: string): Promise<number> => {
  const { QueueUrls } = await api.emulators.clients.sqs.send(
    new ListQueuesCommand({ QueueNamePrefix: `paceline-${api.emulators.config.STAGE}-lane-${id}` }),
  );
  return QueueUrls?.length ?? 0;
};

describe('making an account', () => {
  it('answers 201 with the whole account, its lanes made and hosts able to find it', async () => {
    const made = await api.call('POST', '/v1/accounts', { name: 'Billing', priority: 1 });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      name: 'Billing',
      phoneNumber: null,
      transport: 'baileys',
      status: 'created',
      desired: 'connected',
      isPrimary: false,
      priority: 1,
      weight: 1,
      messageCount: 0,
      useLimits: true,
      link: 'qr',
      lanes: { express: 0, bulk: 0 },
      warnings: [],
      pacing: { perMinute: 20, gapMs: [3000, 8000], restEvery: 5, restMs: [30000, 120000], dayCap: 1000 },
    });
    expect(made.json.id).toMatch(/^acc_[0-9A-Z]{26}$/);
    expect(await laneCount(made.json.id)).toBe(2);
    const found = await api.deps.table.query<{ ixs: string }>({ index: 'finder', pk: 'unowned' });
    expect(found.items.map((item) => item.ixs)).toContain(`${tenantA}#${made.json.id}`);
  });

  it('with connect:false waits to be connected', async () => {
    const id = await api.account({ connect: false });
    expect((await readAccount(api.deps.table, tenantA, id))?.hot.ix).toBeUndefined();
    const connected = await api.call('POST', `/v1/accounts/${id}/connect`);
    expect([connected.status, connected.json.desired]).toEqual([202, 'connected']);
    expect((await readAccount(api.deps.table, tenantA, id))?.hot.ix).toBe('unowned');
    const rests = await api.call('POST', `/v1/accounts/${id}/disconnect`);
    expect([rests.status, rests.json.desired]).toEqual([202, 'disconnected']);
    expect((await readAccount(api.deps.table, tenantA, id))?.hot.ix).toBeUndefined();
  });

  it('keeps own pacing numbers over the defaults and writes useLimits:false to the audit log', async () => {
    const made = await api.call('POST', '/v1/accounts', {
      name: 'Fast',
      useLimits: false,
      pacing: { perMinute: 60, restEvery: null },
    });
    expect(made.json.pacing).toMatchObject({ perMinute: 60, restEvery: null, gapMs: [3000, 8000] });
    const log = await api.call('GET', '/v1/audit?limit=1');
    expect(log.json.items[0]).toMatchObject({
      action: 'account.created',
      target: made.json.id,
      changes: { useLimits: false },
    });
  });

  it.each([
    [{}, '/name', 'REQUIRED'],
    [{ name: '' }, '/name', 'REQUIRED'],
    [{ name: 5 }, '/name', 'INVALID'],
    [{ name: 'x', colour: 'red' }, '/colour', 'UNKNOWN_FIELD'],
    [{ name: 'x', proxy: 'auto' }, '/proxy', 'NOT_SUPPORTED'],
    [{ name: 'x', proxy: 'prx_1' }, '/proxy', 'NOT_SUPPORTED'],
    [{ name: 'x', priority: 0 }, '/priority', 'OUT_OF_RANGE'],
    [{ name: 'x', phoneNumber: '12' }, '/phoneNumber', 'INVALID_NUMBER'],
    [{ name: 'x', link: 'pairing_code' }, '/phoneNumber', 'REQUIRED'],
    [{ name: 'x', link: 'email' }, '/link', 'INVALID'],
    [{ name: 'x', pacing: { gapMs: [8000, 3000] } }, '/pacing/gapMs', 'OUT_OF_RANGE'],
    [{ name: 'x', pacing: { quietHours: [] } }, '/pacing/quietHours', 'NOT_SUPPORTED'],
    [{ name: 'x', pacing: { perRecipient: {} } }, '/pacing/perRecipient', 'NOT_SUPPORTED'],
    [{ name: 'a\u0007b' }, '/name', 'INVALID'],
  ])('refuses %j with 422 at %s', async (body, path, code) => {
    const before = await api.call('GET', '/v1/accounts');
    const refused = await api.call('POST', '/v1/accounts', body);
    expect(refused.status).toBe(422);
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    expect(refused.json).toMatchObject({ status: 422, code: 'VALIDATION', errors: [{ path, code }] });
    const after = await api.call('GET', '/v1/accounts');
    expect(after.json.items.length).toBe(before.json.items.length);
  });

  it('of a tenant that is deleted meanwhile is refused as a key that is none, and leaves no lanes', async () => {
    const origin = { tenantId: 'ten_gone', keyId: 'key_1', ip: '127.0.0.1', requestId: 'req_1', at: Date.now() };
    const account = newAccount(Date.now(), { tenantId: 'ten_gone' });
    const making = createAccount(api.deps, origin, account, null);
    await expect(making).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      detail: 'The tenant of this key has been deleted.',
    });
    expect(await laneCount(account.id)).toBe(0);
  });

  it('refuses the account beyond the plan with 402, also when calls race, and leaves no lanes', async () => {
    const admin = { key: api.adminKey };
    const plan = await api.call('POST', '/v1/admin/plans', { name: 'Two', maxAccounts: 2 }, admin);
    const tenant = await api.call('POST', '/v1/admin/tenants', { name: 'Small', planId: plan.json.id }, admin);
    const key = await api.makeKey(['read', 'manage'], tenant.json.id);
    const made = await Promise.all(
      [1, 2, 3, 4].map((n) => api.call('POST', '/v1/accounts', { name: `n${n}` }, { key })),
    );
    expect(made.map((answer) => answer.status).sort()).toEqual([201, 201, 402, 402]);
    expect(made.find((answer) => answer.status === 402)?.json.code).toBe('QUOTA_EXCEEDED');
    const kept = await api.call('GET', '/v1/accounts', undefined, { key });
    expect(kept.json.items).toHaveLength(2);
    await api.call('DELETE', `/v1/accounts/${kept.json.items[0]?.id}`, undefined, { key });
    expect((await api.call('POST', '/v1/accounts', { name: 'again' }, { key })).status).toBe(201);
  });
});

describe('reading and changing accounts', () => {
  it('pages newest first and filters by status', async () => {
    const key = await api.makeKey(['read', 'manage'], (await newTenant()).id);
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push(await api.account({ name: `n${n}` }, { key }));
    const first = await api.call('GET', '/v1/accounts?limit=2', undefined, { key });
    expect(first.json.items.map((item) => item.id)).toEqual([ids[2], ids[1]]);
    const second = await api.call('GET', `/v1/accounts?limit=2&cursor=${first.json.nextCursor}`, undefined, { key });
    expect(second.json).toMatchObject({ items: [{ id: ids[0] }], nextCursor: null });
    const none = await api.call('GET', '/v1/accounts?status=connected', undefined, { key });
    expect(none.json).toEqual({ items: [], nextCursor: null });
  });

  it('calls the connected account with the lowest priority number primary', async () => {
    const low = await api.account({ priority: 5 }, { connected: true });
    const high = await api.account({ priority: 700 }, { connected: true });
    expect((await api.call('GET', `/v1/accounts/${low}`)).json.isPrimary).toBe(true);
    expect((await api.call('GET', `/v1/accounts/${high}`)).json.isPrimary).toBe(false);
  });

  it('changes what is given and nothing else', async () => {
    const id = await api.account({ name: 'Old', weight: 3 });
    const changed = await api.call('PATCH', `/v1/accounts/${id}`, { name: 'New', useLimits: false });
    expect([changed.status, changed.json.name, changed.json.useLimits, changed.json.weight]).toEqual([
      200,
      'New',
      false,
      3,
    ]);
    const log = await api.call('GET', '/v1/audit?limit=1');
    expect(log.json.items[0]).toMatchObject({ action: 'account.updated', changes: { name: 'New', useLimits: false } });
  });

  it('keeps the number of a linked account', async () => {
    const id = await api.account({ phoneNumber: '79990000001' }, { connected: true });
    const refused = await api.call('PATCH', `/v1/accounts/${id}`, { phoneNumber: '79990000002' });
    expect([refused.status, refused.json.code]).toEqual([409, 'ILLEGAL_STATE']);
  });

  it('shows what waits in the lanes', async () => {
    const id = await api.account();
    await api.deps.table.update(keys.accountHot(tenantA, id), {
      update: 'SET queuedBulk = :n, messageCount = :m',
      values: { ':n': 7, ':m': 12 },
    });
    expect((await api.call('GET', `/v1/accounts/${id}`)).json).toMatchObject({
      lanes: { express: 0, bulk: 7 },
      messageCount: 12,
    });
  });
});

describe('pausing an account', () => {
  const held = async (id: string) => {
    const pair = await readAccount(api.deps.table, tenantA, id);
    return [pair?.account.pausedAt !== undefined, pair?.hot.pausedAt !== undefined];
  };

  it('is kept with the account, where a claim sees it, until it is resumed', async () => {
    const id = await api.account({}, { connected: true });
    const paused = await api.call('POST', `/v1/accounts/${id}/pause`);
    expect([paused.status, paused.json.paused, paused.json.desired]).toEqual([202, true, 'connected']);
    expect(await held(id)).toEqual([true, true]);
    expect((await api.call('GET', `/v1/accounts/${id}`)).json.paused).toBe(true);
    const resumed = await api.call('POST', `/v1/accounts/${id}/resume`);
    expect([resumed.status, resumed.json.paused]).toEqual([202, false]);
    expect(await held(id)).toEqual([false, false]);
  });

  it('twice is once, and each change is in the audit log', async () => {
    const id = await api.account();
    for (const call of ['pause', 'pause', 'resume', 'resume']) {
      expect((await api.call('POST', `/v1/accounts/${id}/${call}`)).status).toBe(202);
    }
    const { items } = (await api.call('GET', '/v1/audit?limit=3')).json;
    expect(items.map((item) => item.action)).toEqual(['account.resumed', 'account.paused', 'account.created']);
  });

  it('needs the scope manage, an account of the tenant, and no body', async () => {
    const id = await api.account();
    const reader = await api.makeKey(['read', 'send'], tenantA);
    expect((await api.call('POST', `/v1/accounts/${id}/pause`, undefined, { key: reader })).status).toBe(403);
    expect((await api.call('POST', `/v1/accounts/${id}/pause`, undefined, { key: api.keyB })).status).toBe(404);
    expect((await api.call('POST', `/v1/accounts/${id}/pause`, { minutes: 5 })).status).toBe(422);
    expect(await held(id)).toEqual([false, false]);
  });
});

describe('deleting an account', () => {
  it('answers 404 at once, fails its running contracts and asks the feed to take the rest away', async () => {
    const id = await api.account({}, { connected: true });
    const body = { accountId: id, name: 'c', recipients: api.recipients(2), start: true };
    const contract = await api.call('POST', '/v1/contracts', body);
    const gone = await api.call('DELETE', `/v1/accounts/${id}`);
    expect([gone.status, gone.json.desired]).toEqual([202, 'logged_out']);
    expect((await api.call('GET', `/v1/accounts/${id}`)).status).toBe(404);
    expect((await api.call('DELETE', `/v1/accounts/${id}`)).status).toBe(404);
    expect((await api.call('GET', `/v1/contracts/${contract.json.id}`)).json).toMatchObject({
      status: 'FAILED',
      reason: 'The account was deleted.',
    });
    expect((await api.call('POST', `/v1/contracts/${contract.json.id}/retry-failed`)).status).toBe(409);
    // A host has to log the device out.
    const [hot] = await api.deps.table.getMany<{ ix: string }>([keys.accountHot(tenantA, id)]);
    expect(hot?.ix).toBe('unowned');
  });
});

async function newTenant(): Promise<{ id: string }> {
  return (await api.call('POST', '/v1/admin/tenants', { name: 'Other' }, { key: api.adminKey })).json;
}
