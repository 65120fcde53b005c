import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keys } from '../../../lib/aws/keys.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { type Api, startApi } from '../api.ts';

let api: Api;
let tenantId: string;
let key: string;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());
beforeEach(async () => {
  tenantId = (await api.call('POST', '/v1/admin/tenants', { name: 'T' }, { key: api.adminKey })).json.id;
  key = await api.makeKey(['read', 'send', 'manage'], tenantId);
});

async function account(priority: number, fields: Partial<Account> = {}): Promise<string> {
  const id = await api.account({ priority }, { key });
  const all = { status: 'connected', linkedAt: 1, ...fields };
  await api.deps.table.update(keys.account(tenantId, id), {
    update: `SET ${Object.keys(all)
      .map((name) => `#${name} = :${name}`)
      .join(', ')}`,
    names: Object.fromEntries(Object.keys(all).map((name) => [`#${name}`, name])),
    values: Object.fromEntries(Object.entries(all).map(([name, value]) => [`:${name}`, value])),
  });
  return id;
}
const people = [{ to: '+12015550101' }, { phoneNumber: '+12015550102', text: 'For you alone' }];
const bulk = (body: object, headers: Record<string, string> = {}) =>
  api.call('POST', '/v1/messages/bulk', body, { key, headers });
const contracts = async () => (await api.call('GET', '/v1/contracts', undefined, { key })).json.items;

describe('POST /v1/messages/bulk', () => {
  it('makes a contract on the express lane that runs, from the account with the lowest priority number', async () => {
    await account(5);
    const primary = await account(1);
    const made = await bulk({ recipients: people, text: 'Hello' });
    expect([made.status, made.json.queued, made.json.warnings]).toEqual([202, 2, []]);
    const contract = await api.call('GET', `/v1/contracts/${made.json.contractId}`, undefined, { key });
    expect(contract.json).toMatchObject({
      lane: 'express',
      status: 'IN_PROGRESS',
      accountIds: [primary],
      totalCount: 2,
      name: expect.stringMatching(/^Bulk of 20\d\d-\d\d-\d\dT/),
    });
    const messages = await api.call('GET', `/v1/messages?contractId=${made.json.contractId}`, undefined, { key });
    expect(messages.json.items.map(({ to, text, lane }) => [to, text, lane])).toEqual([
      ['12015550102', 'For you alone', 'express'],
      ['12015550101', 'Hello', 'express'],
    ]);
  });

  it('is sent by the account that is named, whatever its priority', async () => {
    await account(1);
    const other = await account(9);
    const made = await bulk({ recipients: people, text: 'Hello', accountId: other });
    const contract = await api.call('GET', `/v1/contracts/${made.json.contractId}`, undefined, { key });
    expect([made.status, contract.json.accountIds]).toEqual([202, [other]]);
  });

  it('counts people who have opted out apart', async () => {
    await account(1);
    await api.call('POST', '/v1/suppressions', { phoneNumber: '12015550101' }, { key });
    const made = await bulk({ recipients: people, text: 'Hello' });
    expect([made.status, made.json.queued]).toEqual([202, 1]);
  });

  it('repeated under its Idempotency-Key orders nothing again', async () => {
    await account(1);
    const headers = { 'idempotency-key': 'bulk-1' };
    const first = await bulk({ recipients: people, text: 'Hello' }, headers);
    const again = await bulk({ recipients: people, text: 'Hello' }, headers);
    expect([again.status, again.json.contractId]).toEqual([202, first.json.contractId]);
    expect(await contracts()).toHaveLength(1);
  });
});

it('a repeat of a call that had made its contract finds it, though the primary account is restricted by now', async () => {
  const primary = await account(1);
  const headers = { 'idempotency-key': 'bulk-2' };
  const { sqs } = api.deps;
  const send = sqs.send.bind(sqs);
  sqs.send = (() => Promise.reject(new Error('SQS is away'))) as never;
  const failed = await bulk({ recipients: people, text: 'Hello' }, headers);
  sqs.send = send;
  expect([failed.status, (await contracts()).length]).toEqual([500, 1]);
  await api.deps.table.update(keys.account(tenantId, primary), {
    update: 'SET restrictedUntil = :then, #status = :restricted',
    names: { '#status': 'status' },
    values: { ':then': Date.now() + 60_000, ':restricted': 'restricted' },
  });
  const again = await bulk({ recipients: people, text: 'Hello' }, headers);
  expect([again.status, again.json.contractId]).toEqual([202, (await contracts())[0]?.id]);
  expect(await contracts()).toHaveLength(1);
});

describe('POST /v1/messages/bulk refuses, and makes nothing:', () => {
  it.each<[string, object, string, string]>([
    ['no recipients', { recipients: [], text: 'x' }, '/recipients', 'OUT_OF_RANGE'],
    ['a number that is none', { recipients: [{ to: '12' }], text: 'x' }, '/recipients/0/to', 'INVALID_NUMBER'],
    ['a missing text', { recipients: [{ to: '12015550101' }] }, '/recipients/0/message', 'REQUIRED'],
    ['an empty text', { recipients: people, text: '' }, '/text', 'TEXT_EMPTY'],
    ['an unknown account', { recipients: people, text: 'x', accountId: 'acc_x' }, '/accountId', 'UNKNOWN_ACCOUNT'],
    ['an unknown field', { recipients: people, text: 'x', lane: 'bulk' }, '/lane', 'UNKNOWN_FIELD'],
    ['a template', { recipients: people, template: 'welcome' }, '/template', 'NOT_SUPPORTED'],
  ])('%s', async (_, body, path, code) => {
    await account(1);
    const refused = await bulk(body);
    expect(refused.status).toBe(422);
    expect(refused.json.errors).toContainEqual(expect.objectContaining({ path, code }));
    expect(await contracts()).toEqual([]);
  });

  it('where no account is linked', async () => {
    await account(1, { desired: 'disconnected' });
    await api.account({}, { key });
    const refused = await bulk({ recipients: people, text: 'Hello' });
    expect([refused.status, refused.json.code, refused.json.detail]).toEqual([
      409,
      'NO_ACCOUNT',
      'No account is linked: create one with POST /v1/accounts and link it, or name one with accountId.',
    ]);
    expect(await contracts()).toEqual([]);
  });

  it.each(['restricted', 'banned'] as const)(
    'where the primary account is %s, though another one could send',
    async (status) => {
      const primary = await account(1, {
        status,
        ...(status === 'restricted' ? { restrictedUntil: Date.now() + 60_000 } : {}),
      });
      await account(2);
      const refused = await bulk({ recipients: people, text: 'Hello' });
      expect([refused.status, refused.json.code, refused.json.detail]).toEqual([
        409,
        'PRIMARY_RESTRICTED',
        `WhatsApp has ${status} the primary account ${primary}. Name another one with accountId, or give another one a lower priority number.`,
      ]);
      expect(await contracts()).toEqual([]);
    },
  );

  it('the rows before it looks for an account', async () => {
    const refused = await bulk({ recipients: [{ to: '12' }], text: 'x' });
    expect([refused.status, refused.json.errors.map(({ code }) => code)]).toEqual([422, ['INVALID_NUMBER']]);
  });
});
