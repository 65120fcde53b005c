import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys } from '../../../lib/aws/keys.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { type Api, startApi, tenantA } from '../api.ts';

describe('a running contract says why it waits when its account', () => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.stop());

  const until = Date.UTC(2099, 0, 2, 3, 4, 5);

  /** The reason in GET and in the list, and the estimate. */
  async function shown(fields: Partial<Account>): Promise<{ reason: unknown; estimatedEndAt: unknown }> {
    const accountId = await api.account({}, { connected: true });
    const body = { accountId, name: 'c', recipients: api.recipients(2), start: true };
    const { id } = (await api.call('POST', '/v1/contracts', body)).json;
    const names = Object.keys(fields);
    await api.deps.table.update(keys.account(tenantA, accountId), {
      update: `SET ${names.map((name) => `#${name} = :${name}`).join(', ')}`,
      names: Object.fromEntries(names.map((name) => [`#${name}`, name])),
      values: Object.fromEntries(Object.entries(fields).map(([name, value]) => [`:${name}`, value])),
    });
    const one = (await api.call('GET', `/v1/contracts/${id}`)).json;
    const list = (await api.call('GET', `/v1/contracts?accountId=${accountId}`)).json.items;
    expect(list.map((item) => item.reason)).toEqual([one.reason]);
    expect(one.status).toBe('IN_PROGRESS');
    return { reason: one.reason, estimatedEndAt: one.estimatedEndAt };
  }

  it.each<[string, Partial<Account>, string]>([
    [
      'is logged out',
      { status: 'logged_out', statusReason: 'by_whatsapp' },
      'Waiting: the account is logged out (by_whatsapp); POST /v1/accounts/:id/connect and link it again.',
    ],
    [
      'is paused',
      { pausedAt: 1 },
      'Waiting: sending is paused for the account; POST /v1/accounts/:id/resume continues it.',
    ],
    [
      'is paused and has lost its connection',
      { pausedAt: 1, status: 'disconnected', statusReason: 'connection_lost' },
      'Waiting: the account is disconnected (connection_lost) and connects again by itself. In addition, sending is paused for the account; POST /v1/accounts/:id/resume continues it.',
    ],
    [
      'is paused, and its restriction has ended',
      { pausedAt: 1, status: 'restricted', statusReason: 'temporary_ban', restrictedUntil: 1 },
      'Waiting for the account to connect: its restriction has ended. In addition, sending is paused for the account; POST /v1/accounts/:id/resume continues it.',
    ],
    [
      'is banned',
      { status: 'banned', statusReason: 'refused_403' },
      'Waiting: WhatsApp has banned the account (refused_403); when WhatsApp has lifted the ban, POST /v1/accounts/:id/connect.',
    ],
    [
      'is restricted',
      { status: 'restricted', statusReason: 'temporary_ban', restrictedUntil: until },
      'Waiting: WhatsApp has restricted the account (temporary_ban) until 2099-01-02T03:04:05.000Z; it then continues by itself.',
    ],
    [
      'has an old client',
      { status: 'failed', statusReason: 'client_outdated' },
      'Waiting: the account cannot connect (client_outdated): WhatsApp refuses this version of Paceline; upgrade it, then POST /v1/accounts/:id/connect.',
    ],
    [
      'is in use elsewhere',
      { status: 'failed', statusReason: 'replaced_elsewhere' },
      'Waiting: the account cannot connect (replaced_elsewhere): the same linked device is in use somewhere else; end that, then POST /v1/accounts/:id/connect.',
    ],
    [
      'has a link that is not valid any more',
      { status: 'failed', statusReason: 'multidevice_mismatch' },
      'Waiting: the account cannot connect (multidevice_mismatch): its link is no longer valid; log it out and link it again.',
    ],
    [
      'has damaged keys',
      { status: 'failed', statusReason: 'auth_state_damaged' },
      'Waiting: the account cannot connect (auth_state_damaged): its keys are damaged; restore them, or log it out and link it again.',
    ],
    [
      'failed for another reason',
      { status: 'failed', statusReason: 'client_error' },
      'Waiting: the account cannot connect (client_error): POST /v1/accounts/:id/connect tries again.',
    ],
    [
      'was not linked in time',
      { status: 'disconnected', statusReason: 'link_timeout' },
      'Waiting: the account was not linked in time; POST /v1/accounts/:id/connect starts a new series of codes.',
    ],
    [
      'is to be linked with a phone that demands a passkey',
      { status: 'disconnected', statusReason: 'passkey_required' },
      'Waiting: WhatsApp demands a passkey for linking this phone, which this version of Paceline does not support; the code is no longer shown. POST /v1/accounts/:id/connect starts a new series of codes.',
    ],
    [
      'was linked with another number',
      { status: 'disconnected', statusReason: 'number_changed', linkedNumber: '79990000002' },
      'Waiting: the account was linked with a phone of another number (number_changed); POST /v1/accounts/:id/confirm-number goes on with that number, POST /v1/accounts/:id/logout unlinks it.',
    ],
    [
      'is about to be disconnected by its tenant',
      { desired: 'disconnected' },
      'Waiting: the account is disconnected; POST /v1/accounts/:id/connect starts it.',
    ],
    [
      'is about to be logged out by its tenant',
      { desired: 'logged_out' },
      'Waiting: the account is being logged out; POST /v1/accounts/:id/connect and link it again.',
    ],
  ])('%s, and foretells no end', async (_, fields, reason) => {
    expect(await shown(fields)).toEqual({ reason, estimatedEndAt: null });
  });

  it.each<[string, Partial<Account>, string | null]>([
    ['is connected', { status: 'connected' }, null],
    ['connects', { status: 'connecting' }, 'Waiting for the account to connect.'],
    [
      'has lost its line',
      { status: 'disconnected', statusReason: 'connection_lost' },
      'Waiting: the account is disconnected (connection_lost) and connects again by itself.',
    ],
    [
      'was restricted until now',
      { status: 'restricted', restrictedUntil: 1 },
      'Waiting for the account to connect: its restriction has ended.',
    ],
    ['shows a QR code', { status: 'awaiting_link' }, 'Waiting for the account to be linked: scan its QR code.'],
    [
      'shows a pairing code',
      { status: 'awaiting_link', link: { method: 'pairing_code', code: 'ABCD1234', attempt: 1, expiresAt: until } },
      'Waiting for the account to be linked: enter its pairing code on the phone.',
    ],
  ])('%s, and foretells an end', async (_, fields, reason) => {
    expect(await shown(fields)).toEqual({ reason, estimatedEndAt: expect.any(String) });
  });
});
