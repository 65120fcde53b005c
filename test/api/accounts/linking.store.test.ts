import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAccount } from '../../../lib/aws/accounts/accounts.ts';
import { createWakeQueue, putHost } from '../../../lib/aws/hosts/hosts.ts';
import { claimAccount } from '../../../lib/aws/hosts/ownership.ts';
import { keys } from '../../../lib/aws/keys.ts';
import type { AccountLink } from '../../../lib/domain/accounts/account.ts';
import { newId } from '../../../lib/domain/ids.ts';
import { newHost } from '../../factories.ts';
import { until } from '../../harness/until.ts';
import { type Api, startApi, tenantA } from '../api.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

/** What a host writes when WhatsApp gives a code out. */
async function showLink(id: string, link: AccountLink): Promise<void> {
  await api.deps.table.update(keys.account(tenantA, id), {
    update: 'SET #s = :awaiting, link = :link REMOVE pairingFor',
    names: { '#s': 'status' },
    values: { ':awaiting': 'awaiting_link', ':link': link },
  });
}

describe('the QR code', () => {
  it('comes as JSON, PNG or SVG', async () => {
    const id = await api.account();
    const expiresAt = Date.now() + 60_000;
    await showLink(id, { method: 'qr', code: '2@abc,def', attempt: 2, expiresAt });
    const json = await api.call('GET', `/v1/accounts/${id}/qr`);
    expect(json.status).toBe(200);
    expect(json.json).toMatchObject({ code: '2@abc,def', attempt: 2, expiresAt: new Date(expiresAt).toISOString() });
    expect(json.json.qr).toMatch(/^data:image\/png;base64,iVBOR/);
    const png = await api.call('GET', `/v1/accounts/${id}/qr`, undefined, { headers: { accept: 'image/png' } });
    expect([png.headers.get('content-type'), png.text.slice(1, 4)]).toEqual(['image/png', 'PNG']);
    const svg = await api.call('GET', `/v1/accounts/${id}/qr`, undefined, { headers: { accept: 'image/svg+xml' } });
    expect([svg.headers.get('content-type'), svg.text.slice(0, 4)]).toEqual(['image/svg+xml', '<svg']);
    const link = await api.call('GET', `/v1/accounts/${id}/link`);
    expect(link.json).toMatchObject({ method: 'qr', code: '2@abc,def', attempt: 2 });
  });

  it('is 409 while there is none, and when it has run out', async () => {
    const id = await api.account();
    const none = await api.call('GET', `/v1/accounts/${id}/qr`);
    expect([none.status, none.json.code]).toEqual([409, 'NOT_AWAITING_LINK']);
    await showLink(id, { method: 'qr', code: 'x', attempt: 1, expiresAt: Date.now() - 1 });
    expect((await api.call('GET', `/v1/accounts/${id}/qr`)).json.code).toBe('NOT_AWAITING_LINK');
    expect((await api.call('GET', `/v1/accounts/${id}/link`)).status).toBe(409);
  });

  it('says what to do where none will come by itself', async () => {
    const idle = await api.account({ connect: false });
    expect((await api.call('GET', `/v1/accounts/${idle}/qr`)).json.detail).toBe(
      'The account is disconnected; POST /v1/accounts/:id/connect starts it.',
    );
    const late = await api.account();
    await api.deps.table.update(keys.account(tenantA, late), {
      update: 'SET #s = :s, statusReason = :r',
      names: { '#s': 'status' },
      values: { ':s': 'disconnected', ':r': 'link_timeout' },
    });
    const demanded = await api.account();
    await api.deps.table.update(keys.account(tenantA, demanded), {
      update: 'SET #s = :s, statusReason = :r',
      names: { '#s': 'status' },
      values: { ':s': 'disconnected', ':r': 'passkey_required' },
    });
    const none = await api.call('GET', `/v1/accounts/${demanded}/qr`);
    expect([none.status, none.json.detail]).toEqual([
      409,
      'WhatsApp demands a passkey for linking this phone, which this version of Paceline does not support; the code is no longer shown. POST /v1/accounts/:id/connect starts a new series of codes.',
    ]);
    for (const path of ['qr', 'link']) {
      const refused = await api.call('GET', `/v1/accounts/${late}/${path}`);
      expect([refused.status, refused.json.detail]).toEqual([
        409,
        'No code was used in time, so the account is disconnected; POST /v1/accounts/:id/connect starts a new series of codes.',
      ]);
    }
  });
});

describe('the pairing code', () => {
  it('is what the host answers to the number asked for', async () => {
    const id = await api.account();
    const asked = api.call('POST', `/v1/accounts/${id}/pairing-code`, { phoneNumber: '+7 999 123-45-67' });
    const waitUntil = Date.now() + 5000;
    for (;;) {
      const now = await readAccount(api.deps.table, tenantA, id);
      if (now?.account.pairingFor === '79991234567') break;
      if (Date.now() > waitUntil) throw new Error('the number never reached the account');
      await sleep(20);
    }
    const expiresAt = Date.now() + 180_000;
    await showLink(id, { method: 'pairing_code', code: 'ABCD1234', attempt: 4, expiresAt });
    const answer = await asked;
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ code: 'ABCD1234', expiresAt: new Date(expiresAt).toISOString() });
    const link = await api.call('GET', `/v1/accounts/${id}/link`);
    expect(link.json).toMatchObject({ method: 'pairing_code', code: 'ABCD1234' });
    expect(link.json).not.toHaveProperty('qr');
    expect((await api.call('GET', `/v1/accounts/${id}/qr`)).json.code).toBe('NOT_AWAITING_LINK');
  });

  it.each([
    [429, 429, 'TOO_MANY_PAIRING_CODES', 'too many were asked for'],
    [400, 409, 'PAIRING_CODE_REFUSED', 'WhatsApp gives this number no code'],
    [undefined, 503, 'UNAVAILABLE', 'was not answered'],
  ])('is none where WhatsApp answers %s, and the call says why', async (refusal, status, code, sentence) => {
    const id = await api.account();
    const asked = api.call('POST', `/v1/accounts/${id}/pairing-code`, { phoneNumber: '+7 999 123-45-67' });
    const { account } = await until('the number', async () => {
      const now = await readAccount(api.deps.table, tenantA, id);
      return now?.account.pairingFor === undefined ? undefined : now;
    });
    await api.deps.table.update(keys.account(tenantA, id), {
      update: 'SET pairingRefused = :refused REMOVE pairingFor',
      values: { ':refused': { asked: account.asked, ...(refusal === undefined ? {} : { code: refusal }) } },
    });
    const answer = await asked;
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(answer.json.detail).toContain(sentence);
  });

  it('is refused for a linked account and for a number that is none', async () => {
    const id = await api.account({}, { connected: true });
    const linked = await api.call('POST', `/v1/accounts/${id}/pairing-code`, { phoneNumber: '79991234567' });
    expect([linked.status, linked.json.code]).toEqual([409, 'NOT_AWAITING_LINK']);
    const bad = await api.call('POST', `/v1/accounts/${id}/pairing-code`, { phoneNumber: '1' });
    expect([bad.status, bad.json.errors[0]?.path]).toEqual([422, '/phoneNumber']);
    const none = await api.call('POST', `/v1/accounts/${id}/pairing-code`, {});
    expect(none.json.errors[0]).toMatchObject({ path: '/phoneNumber', code: 'REQUIRED' });
  });

  it('takes the number as to, but not under both names', async () => {
    const id = await api.account({}, { connected: true });
    const path = `/v1/accounts/${id}/pairing-code`;
    expect((await api.call('POST', path, { to: '79991234567' })).json.code).toBe('NOT_AWAITING_LINK');
    expect((await api.call('POST', path, { to: '1' })).json.errors[0]).toMatchObject({ path: '/to' });
    const both = await api.call('POST', path, { to: '79991234567', phoneNumber: '79991234567' });
    expect(both.json.errors[0]).toMatchObject({ path: '/to', code: 'INVALID' });
  });
});

describe('the number of another phone', () => {
  const confirm = (id: string) => api.call('POST', `/v1/accounts/${id}/confirm-number`);
  /** As a host leaves it. */
  async function halted(desired: string): Promise<string> {
    const id = await api.account({ phoneNumber: '+7 999 000-00-01' }, { connected: true });
    await api.deps.table.update(keys.account(tenantA, id), {
      update: 'SET #s = :s, statusReason = :r, linkedNumber = :n, desired = :d',
      names: { '#s': 'status' },
      values: { ':s': 'disconnected', ':r': 'number_changed', ':n': '79990000002', ':d': desired },
    });
    return id;
  }

  it('is shown, and taken when the tenant confirms it', async () => {
    const id = await halted('connected');
    const shown = { status: 'disconnected', statusReason: 'number_changed', phoneNumber: '79990000001' };
    expect((await api.call('GET', `/v1/accounts/${id}`)).json).toMatchObject({ ...shown, linkedNumber: '79990000002' });
    const asked = await api.call('POST', `/v1/accounts/${id}/connect`);
    expect([asked.status, asked.json]).toMatchObject([202, shown]);
    expect((await api.call('GET', `/v1/accounts/${id}/qr`)).json.detail).toBe(
      'The account is linked with a phone of another number; POST /v1/accounts/:id/confirm-number goes on with that number, POST /v1/accounts/:id/logout unlinks it.',
    );
    const patched = await api.call('PATCH', `/v1/accounts/${id}`, { phoneNumber: '79990000002' });
    expect([patched.status, patched.json.code]).toEqual([409, 'ILLEGAL_STATE']);
    const answer = await confirm(id);
    expect([answer.status, answer.json]).toMatchObject([
      200,
      {
        phoneNumber: '79990000002',
        linkedNumber: null,
        desired: 'connected',
        status: 'connecting',
        statusReason: null,
      },
    ]);
    expect((await readAccount(api.deps.table, tenantA, id))?.hot.ix).toBe('unowned');
    const again = await confirm(id);
    expect([again.status, again.json.code]).toEqual([409, 'ILLEGAL_STATE']);
    const audit = (await api.call('GET', '/v1/audit')).json.items;
    expect(audit.filter((entry) => entry.action === 'account.number_confirmed')).toMatchObject([{ target: id }]);
  });

  it('leaves an account disconnected that its tenant has disconnected', async () => {
    const { status, json } = await confirm(await halted('disconnected'));
    expect([status, json]).toMatchObject([
      200,
      { phoneNumber: '79990000002', status: 'disconnected', statusReason: 'by_request' },
    ]);
  });

  it('is not confirmed while the device is logged out, for an account that has none, nor by a key that only sends', async () => {
    expect((await confirm(await halted('logged_out'))).json.code).toBe('ILLEGAL_STATE');
    expect((await confirm(await api.account())).json.code).toBe('ILLEGAL_STATE');
    const key = await api.makeKey(['read', 'send'], tenantA);
    const id = await halted('connected');
    expect((await api.call('POST', `/v1/accounts/${id}/confirm-number`, undefined, { key })).status).toBe(403);
  });
});

describe('logout', () => {
  it('is done at once where no device is linked, and left to a host where one is', async () => {
    const fresh = await api.account();
    const out = await api.call('POST', `/v1/accounts/${fresh}/logout`);
    expect([out.status, out.json.desired, out.json.status]).toEqual([202, 'logged_out', 'logged_out']);
    const linked = await api.account({}, { connected: true });
    const asked = await api.call('POST', `/v1/accounts/${linked}/logout`);
    expect([asked.status, asked.json.desired, asked.json.status]).toEqual([202, 'logged_out', 'connected']);
    expect((await readAccount(api.deps.table, tenantA, linked))?.hot.ix).toBe('unowned');
  });
});

describe('what the tenant desires', () => {
  it.each(['connect', 'disconnect', 'logout'])(
    'is 503 on %s while the host that has the account cannot be woken',
    async (name) => {
      const { table, sqs, config } = api.deps;
      const id = await api.account({}, { connected: true });
      const hostId = newId('hst', Date.now(), randomBytes);
      const wakeQueueUrl = await createWakeQueue(sqs, config.WAKE_QUEUE_PREFIX, hostId);
      const host = newHost(hostId, { accounts: 1 });
      await putHost(table, { ...host, wakeQueueUrl: `${wakeQueueUrl}-gone` });
      const hot = (await readAccount(table, tenantA, id))?.hot;
      if (hot !== undefined) await claimAccount(table, hot, hostId);
      const ask = () =>
        api.call('POST', `/v1/accounts/${id}/${name}`, undefined, { headers: { 'idempotency-key': id } });
      const refused = await ask();
      expect([refused.status, refused.json.code, refused.json.detail]).toEqual([
        503,
        'UNAVAILABLE',
        'This is noted, but the host that has the account could not be woken; send the call again.',
      ]);
      expect(api.logged.at(-1)).toMatchObject(['a call failed', { error: { cause: { name: 'QueueDoesNotExist' } } }]);
      await putHost(table, { ...host, wakeQueueUrl });
      const answer = await ask();
      expect(answer.status).toBe(202);
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: wakeQueueUrl }));
      expect(Messages.map(({ Body = '' }) => JSON.parse(Body))).toEqual([{ t: tenantA, a: id }]);
    },
  );
});
