import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys } from '../../../lib/aws/keys.ts';
import type { Contract } from '../../../lib/domain/contracts/contract.ts';
import type { Message } from '../../../lib/domain/messages/message.ts';
import { type Api, rowId, startApi, tenantA } from '../api.ts';

let api: Api;
let accountId: string;
beforeAll(async () => {
  api = await startApi();
  accountId = await api.account({}, { connected: true });
});
afterAll(() => api.stop());

async function contract(more: Record<string, unknown> = {}): Promise<string> {
  const body = { accountId, name: 'c', recipients: api.recipients(3), ...more };
  return (await api.call('POST', '/v1/contracts', body)).json.id;
}

const move = async (id: string, name: string) => {
  const answer = await api.call('POST', `/v1/contracts/${id}/${name}`);
  return [answer.status, answer.json.status === answer.status ? answer.json.code : answer.json.status];
};

/** As the feed and a host leave a contract of three: sent, not on WhatsApp, outcome unknown. */
async function finish(id: string): Promise<void> {
  const outcomes: Partial<Message>[] = [
    { state: 'DELIVERED', attempts: 1, sentAt: 1_790_000_000_000, deliveredAt: 1_790_000_001_000 },
    { state: 'FAILED', error: { code: 'NOT_ON_WHATSAPP', message: 'Not on WhatsApp.' } },
    { state: 'FAILED', error: { code: 'OUTCOME_UNKNOWN', message: 'Nobody knows.' } },
  ];
  await api.deps.table.writeMany(
    outcomes.map((outcome, row) => ({
      put: {
        ...keys.message(tenantA, rowId(id, row)),
        type: 'message',
        id: rowId(id, row),
        tenantId: tenantA,
        accountId,
        contractId: id,
        row,
        to: `7999${1_000_000 + row}`,
        lane: 'bulk',
        feedSeq: 1,
        attempts: 0,
        createdAt: 1,
        ...outcome,
      },
    })),
  );
  await api.deps.table.transact({
    writes: [
      {
        update: 'SET #s = :done, nextRow = :n, openFrom = :n, fedCount = :n, completedAt = :now',
        key: keys.contract(tenantA, id),
        names: { '#s': 'status' },
        values: { ':done': 'COMPLETED', ':n': 3, ':now': Date.now() },
      },
      {
        update: 'SET delivered = :one, failed = :two',
        key: keys.counter(tenantA, id, accountId),
        values: { ':one': 1, ':two': 2 },
      },
      { delete: keys.running(tenantA, accountId, id) },
    ],
  });
}

describe('start, pause, cancel', () => {
  it('goes PENDING, IN_PROGRESS, PAUSED, IN_PROGRESS, CANCELED', async () => {
    const id = await contract();
    expect(await move(id, 'start')).toEqual([200, 'IN_PROGRESS']);
    expect(await move(id, 'pause')).toEqual([200, 'PAUSED']);
    expect(await api.deps.table.get(keys.running(tenantA, accountId, id))).toBeUndefined();
    expect(await move(id, 'start')).toEqual([200, 'IN_PROGRESS']);
    expect(await api.deps.table.get(keys.running(tenantA, accountId, id))).toBeDefined();
    const canceled = await api.call('POST', `/v1/contracts/${id}/cancel`);
    expect(canceled.json).toMatchObject({ status: 'CANCELED', counts: { canceled: 3, pending: 0, queued: 0 } });
    expect(await api.deps.table.get(keys.running(tenantA, accountId, id))).toBeUndefined();
    const stored = await api.deps.table.get<Contract>(keys.contract(tenantA, id));
    expect(stored?.job).toBeUndefined();
  });

  it('is 409 ILLEGAL_STATE where the state does not allow it', async () => {
    const pending = await contract();
    expect(await move(pending, 'pause')).toEqual([409, 'ILLEGAL_STATE']);
    expect(await move(pending, 'retry-failed')).toEqual([409, 'ILLEGAL_STATE']);
    expect(await move(pending, 'clear-failed')).toEqual([409, 'ILLEGAL_STATE']);
    await move(pending, 'start');
    expect(await move(pending, 'start')).toEqual([409, 'ILLEGAL_STATE']);
    await move(pending, 'cancel');
    for (const name of ['start', 'pause', 'cancel', 'retry-failed']) {
      expect(await move(pending, name)).toEqual([409, 'ILLEGAL_STATE']);
    }
    const empty = await contract({ recipients: [] });
    expect(await move(empty, 'start')).toEqual([409, 'ILLEGAL_STATE']);
  });

  it('lets one of two racing starts through', async () => {
    const id = await contract();
    const both = await Promise.all([move(id, 'start'), move(id, 'start')]);
    expect(both.map(([status]) => status).sort()).toEqual([200, 409]);
  });

  it('refuses a body with fields', async () => {
    const id = await contract();
    const refused = await api.call('POST', `/v1/contracts/${id}/start`, { now: true });
    expect(refused.json.errors[0]).toMatchObject({ path: '/now', code: 'UNKNOWN_FIELD' });
    expect((await api.call('POST', `/v1/contracts/${id}/start`, {})).status).toBe(200);
  });

  it('asks the feed to go on', async () => {
    const id = await contract();
    const lonely = await api.account({}, { connected: true });
    const other = await contract({ accountId: lonely });
    await move(id, 'start');
    await move(other, 'start');
    const seen: string[] = [];
    for (let n = 0; n < 60 && !seen.includes(other); n++) {
      const got = await api.deps.sqs.send(
        new ReceiveMessageCommand({ QueueUrl: api.deps.config.FEED_QUEUE_URL, MaxNumberOfMessages: 10 }),
      );
      for (const message of got.Messages ?? []) {
        const request = JSON.parse(message.Body ?? '{}');
        if (request.kind === 'feed') seen.push(request.contractId);
      }
    }
    expect(seen).toContain(other);
  });
});

describe('after the end', () => {
  it('retry-failed sends again what may be sent again, under the same ids', async () => {
    const id = await contract();
    await finish(id);
    const retried = await api.call('POST', `/v1/contracts/${id}/retry-failed`);
    expect(retried.json).toMatchObject({
      status: 'IN_PROGRESS',
      completedAt: null,
      counts: { failed: 1, pending: 1, delivered: 1 },
    });
    const stats = await api.call('GET', `/v1/contracts/${id}/stats`);
    expect(stats.json.failedPhoneNumbers).toEqual([
      { phoneNumber: '79991000002', errorCode: 'OUTCOME_UNKNOWN', errorMessage: 'Nobody knows.', attempts: 0 },
    ]);
    expect((await api.call('GET', `/v1/messages/${rowId(id, 1)}`)).json.status).toBe('PENDING');
  });

  it('retry-failed with nothing to retry is 409 and leaves a finished contract finished', async () => {
    const id = await contract();
    await finish(id);
    await api.deps.table.update(keys.message(tenantA, rowId(id, 1)), {
      update: 'SET #e.code = :code',
      names: { '#e': 'error' },
      values: { ':code': 'INVALID_NUMBER' },
    });
    const before = (await api.call('GET', `/v1/contracts/${id}`)).json;
    const refused = await api.call('POST', `/v1/contracts/${id}/retry-failed`);
    expect([refused.status, refused.json.code]).toEqual([409, 'ILLEGAL_STATE']);
    expect(refused.json.detail).toContain('No failed message can be retried');
    expect((await api.call('GET', `/v1/contracts/${id}`)).json).toEqual(before);
    expect(before.status).toBe('COMPLETED');
  });

  it('clear-failed with nothing failed changes nothing', async () => {
    const id = await contract();
    await finish(id);
    await api.call('POST', `/v1/contracts/${id}/clear-failed`);
    const before = (await api.call('GET', `/v1/contracts/${id}`)).json;
    const log = (await api.call('GET', '/v1/audit?limit=1')).json.items[0]?.id;
    const cleared = await api.call('POST', `/v1/contracts/${id}/clear-failed`);
    expect([cleared.status, cleared.json]).toEqual([200, before]);
    expect((await api.call('GET', '/v1/audit?limit=1')).json.items[0]?.id).toBe(log);
  });

  it('clear-failed takes the failures off the total', async () => {
    const id = await contract();
    await finish(id);
    const cleared = await api.call('POST', `/v1/contracts/${id}/clear-failed`);
    expect(cleared.json).toMatchObject({ status: 'COMPLETED', totalCount: 1, counts: { failed: 0, delivered: 1 } });
    const stats = await api.call('GET', `/v1/contracts/${id}/stats`);
    expect(stats.json).toMatchObject({
      total: 1,
      success: 1,
      failed: 0,
      successRate: '100.00%',
      failedPhoneNumbers: [],
    });
  });

  it('DELETE answers 202 and 404 from then on', async () => {
    const id = await contract({ start: true });
    expect((await api.call('DELETE', `/v1/contracts/${id}`)).status).toBe(202);
    for (const path of ['', '/stats', '/results.csv']) {
      expect((await api.call('GET', `/v1/contracts/${id}${path}`)).status).toBe(404);
    }
    expect((await api.call('DELETE', `/v1/contracts/${id}`)).status).toBe(404);
    expect((await api.call('POST', `/v1/contracts/${id}/start`)).status).toBe(404);
    expect((await api.call('GET', `/v1/messages/${rowId(id, 0)}`)).status).toBe(404);
    const list = await api.call('GET', '/v1/contracts?limit=100');
    expect(list.json.items.map((item) => item.id)).not.toContain(id);
    expect(await api.deps.table.get(keys.running(tenantA, accountId, id))).toBeUndefined();
  });
});

describe('an account that cannot send', () => {
  it('does not hold a start up, and is named as reason', async () => {
    const waiting = await api.account();
    const id = await contract({ accountId: waiting });
    await api.deps.table.update(keys.account(tenantA, waiting), {
      update: 'SET #s = :s, statusReason = :r',
      names: { '#s': 'status' },
      values: { ':s': 'disconnected', ':r': 'link_timeout' },
    });
    const started = await api.call('POST', `/v1/contracts/${id}/start`);
    expect(started.json).toMatchObject({
      status: 'IN_PROGRESS',
      reason:
        'Waiting: the account was not linked in time; POST /v1/accounts/:id/connect starts a new series of codes.',
    });
  });

  it('says how to start one that is not to be connected', async () => {
    const idle = await api.account({ connect: false });
    const id = await contract({ accountId: idle, start: true });
    expect((await api.call('GET', `/v1/contracts/${id}`)).json.reason).toBe(
      'Waiting: the account is disconnected; POST /v1/accounts/:id/connect starts it.',
    );
  });

  it('because it was deleted is named before the start too', async () => {
    const gone = await api.account();
    const id = await contract({ accountId: gone });
    await api.deps.table.update(keys.account(tenantA, gone), { update: 'SET deletedAt = :now', values: { ':now': 1 } });
    expect((await api.call('GET', `/v1/contracts/${id}`)).json).toMatchObject({
      status: 'PENDING',
      reason: 'The account was deleted; the contract cannot be started any more.',
    });
  });
});
