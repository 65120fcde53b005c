import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csvLine, field } from '../../../functions/api/http/csv.ts';
import { keys } from '../../../lib/aws/keys.ts';
import type { Message } from '../../../lib/domain/messages/message.ts';
import { type Api, rowId, startApi, tenantA } from '../api.ts';

let api: Api;
let accountId: string;
let id: string;
/** 1,000 rows: 900 delivered, 50 failed (every twentieth), 50 not fed yet. */
const sentAt = Date.UTC(2026, 10, 20, 9, 30);
beforeAll(async () => {
  api = await startApi();
  accountId = await api.account({}, { connected: true });
  const recipients = api.recipients(1000).map((row, n) => ({ ...row, externalId: n === 1 ? 'a,"b"' : `ext-${n}` }));
  id = (await api.call('POST', '/v1/contracts', { accountId, name: 'c', recipients, start: true })).json.id;
  await api.deps.table.writeMany(
    Array.from({ length: 950 }, (_, row) => ({
      put: { ...keys.message(tenantA, rowId(id, row)), type: 'message', ...made(row) },
    })),
  );
  await api.deps.table.writeMany([{ put: { ...keys.text(tenantA, rowId(id, 0)), type: 'text', text: 'Hello 0' } }]);
  await api.deps.table.transact({
    writes: [
      {
        update: 'SET nextRow = :n, openFrom = :n, fedCount = :n',
        key: keys.contract(tenantA, id),
        values: { ':n': 950 },
      },
      {
        update: 'SET delivered = :d, failed = :f',
        key: keys.counter(tenantA, id, accountId),
        values: { ':d': 902, ':f': 48 },
      },
    ],
  });
});
afterAll(() => api.stop());

function made(row: number): Message {
  const failed = row % 20 === 3;
  return {
    id: rowId(id, row),
    tenantId: tenantA,
    accountId,
    source: 'contract',
    sourceId: id,
    contractId: id,
    row,
    to: `7999${1_000_000 + row}`,
    lane: 'bulk',
    feedSeq: 1,
    attempts: failed ? 0 : 1,
    createdAt: sentAt - 60_000,
    externalId: row === 1 ? 'a,"b"' : `ext-${row}`,
    ...(failed
      ? { state: 'FAILED', error: { code: 'NOT_ON_WHATSAPP', message: 'The number is not on WhatsApp.' } }
      : { state: 'DELIVERED', sentAt: sentAt + row * 1000, deliveredAt: sentAt + row * 1000 + 500 }),
  };
}

describe('stats', () => {
  it('give counts, rate and both lists, in order of rows, below 300 ms', async () => {
    let stats = await api.call('GET', `/v1/contracts/${id}/stats`);
    // The best of three, of this thread's processor: other work on the machine is not what is measured.
    let bestMs = Number.POSITIVE_INFINITY;
    for (let n = 0; n < 3; n++) {
      const before = process.threadCpuUsage();
      stats = await api.call('GET', `/v1/contracts/${id}/stats`);
      const { user, system } = process.threadCpuUsage(before);
      bestMs = Math.min(bestMs, (user + system) / 1000);
    }
    expect(bestMs).toBeLessThan(300);
    expect(stats.json).toMatchObject({
      status: 'IN_PROGRESS',
      total: 1000,
      success: 902,
      failed: 48,
      suppressed: 0,
      canceled: 0,
      expired: 0,
      pending: 50,
      successRate: '94.95%',
      nextCursor: null,
    });
    const success = stats.json.successPhoneNumbers as unknown[];
    const failed = stats.json.failedPhoneNumbers as unknown[];
    expect([success.length, failed.length]).toEqual([902, 48]);
    expect(success[0]).toEqual({ phoneNumber: '79991000000', sentAt: '2026-11-20T09:30:00.000Z' });
    expect(failed[1]).toEqual({
      phoneNumber: '79991000023',
      errorCode: 'NOT_ON_WHATSAPP',
      errorMessage: 'The number is not on WhatsApp.',
      attempts: 0,
    });
  });

  it('page each list', async () => {
    const seen: unknown[] = [];
    let cursor = '';
    for (let n = 0; n < 20; n++) {
      const page = await api.call('GET', `/v1/contracts/${id}/stats?list=failed&limit=10${cursor}`);
      expect(Object.keys(page.json)).toEqual(['items', 'nextCursor']);
      seen.push(...page.json.items.map((item) => item.phoneNumber));
      if (page.json.nextCursor === null) break;
      cursor = `&cursor=${page.json.nextCursor}`;
    }
    expect(new Set(seen).size).toBe(48);
    expect(seen[47]).toBe('79991000943');
  });

  it('go on from the cursor of the inline lists', async () => {
    const stats = await api.call('GET', `/v1/contracts/${id}/stats?limit=40`);
    const rest = await api.call('GET', `/v1/contracts/${id}/stats?list=failed&cursor=${stats.json.nextCursor}`);
    expect(rest.json.items.map((item) => item.phoneNumber).slice(0, 2)).toEqual(['79991000803', '79991000823']);
    const other = (await api.call('POST', '/v1/contracts', { accountId, name: 'o', recipients: [] })).json.id;
    const foreign = await api.call('GET', `/v1/contracts/${other}/stats?cursor=${stats.json.nextCursor}`);
    expect([foreign.status, foreign.json.code]).toEqual([400, 'BAD_CURSOR']);
  });
});

describe('results.csv', () => {
  it('has a line for each row, fed or not', async () => {
    const csv = await api.call('GET', `/v1/contracts/${id}/results.csv`);
    expect(csv.status).toBe(200);
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const lines = csv.text.split('\n');
    expect(lines).toHaveLength(1002);
    expect(lines[0]).toBe('phoneNumber,externalId,status,sentAt,deliveredAt,readAt,attempts,error');
    expect(lines[1]).toBe('79991000000,ext-0,DELIVERED,2026-11-20T09:30:00.000Z,2026-11-20T09:30:00.500Z,,1,');
    expect(lines[2]).toBe('79991000001,"a,""b""",DELIVERED,2026-11-20T09:30:01.000Z,2026-11-20T09:30:01.500Z,,1,');
    expect(lines[4]).toBe('79991000003,ext-3,FAILED,,,,0,NOT_ON_WHATSAPP: The number is not on WhatsApp.');
    expect(lines[1000]).toBe('79991000999,ext-999,PENDING,,,,0,');
  });

  it('defuses formulas', async () => {
    const recipients = [{ phoneNumber: '79991234567', message: 'x', externalId: '=HYPERLINK("http://x")' }];
    const other = (await api.call('POST', '/v1/contracts', { accountId, name: 'o', recipients })).json.id;
    const csv = await api.call('GET', `/v1/contracts/${other}/results.csv`);
    expect(csv.text.split('\n')[1]).toBe(`79991234567,"'=HYPERLINK(""http://x"")",PENDING,,,,0,`);
  });

  it('comes from S3 where it is too large for one answer', async () => {
    const page = Array.from({ length: 500 }, (_, n) => ({
      to: `7999${1_000_000 + n}`,
      text: 'x',
      externalId: 'e'.repeat(128),
    }));
    const body = { accountId, name: 'large', recipients: [] };
    const large = (await api.call('POST', '/v1/contracts', body)).json.id;
    const key = `pages/${tenantA}/${large}/x-00000.ndjson`;
    await api.deps.pages.put(key, Buffer.from(page.map((row) => `${JSON.stringify(row)}\n`).join('')));
    await api.deps.table.update(keys.contract(tenantA, large), {
      update: 'SET pages = :pages, totalCount = :n',
      values: { ':pages': Array.from({ length: 45 }, () => ({ key, rows: 500 })), ':n': 22_500 },
    });
    const answer = await api.call('GET', `/v1/contracts/${large}/results.csv`);
    expect(answer.status).toBe(302);
    const file = await fetch(answer.headers.get('location') ?? '');
    const lines = (await file.text()).split('\n');
    expect(lines).toHaveLength(22_502);
    expect(lines[22_500]).toMatch(/^79991000499,e{128},PENDING,,,,0,$/);
    await api.call('DELETE', `/v1/contracts/${large}`);
  });
});

describe('messages', () => {
  it('are shown one by one, fed or not', async () => {
    const sent = await api.call('GET', `/v1/messages/${rowId(id, 0)}`);
    expect(sent.json).toEqual({
      id: rowId(id, 0),
      whatsappId: rowId(id, 0).replace('msg_', '3EB0'),
      accountId,
      contractId: id,
      source: 'contract',
      lane: 'bulk',
      to: '79991000000',
      sentTo: '79991000000',
      type: 'text',
      text: 'Hello 0',
      template: null,
      externalId: 'ext-0',
      status: 'DELIVERED',
      reason: null,
      attempts: 1,
      createdAt: '2026-11-20T09:29:00.000Z',
      queuedAt: null,
      sentAt: '2026-11-20T09:30:00.000Z',
      deliveredAt: '2026-11-20T09:30:00.500Z',
      readAt: null,
      expiresAt: null,
      error: null,
    });
    const unfed = await api.call('GET', `/v1/messages/${rowId(id, 990)}`);
    expect(unfed.json).toMatchObject({ to: '79991000990', sentTo: null, text: 'Hello 990', status: 'PENDING' });
    expect((await api.call('GET', '/v1/messages/msg_000000000000000000')).status).toBe(404);
    expect((await api.call('GET', '/v1/messages/nonsense')).status).toBe(404);
  });

  it('are listed newest first over contracts, through cursors, each once', async () => {
    const newer = await api.call('POST', '/v1/contracts', { accountId, name: 'n', recipients: api.recipients(3) });
    const seen: string[] = [];
    let cursor = '';
    for (let n = 0; n < 40; n++) {
      const page = await api.call('GET', `/v1/messages?limit=100${cursor}`);
      seen.push(...page.json.items.map((item) => item.id));
      if (page.json.nextCursor === null) break;
      cursor = `&cursor=${page.json.nextCursor}`;
    }
    expect(seen.slice(0, 3)).toEqual([2, 1, 0].map((row) => rowId(newer.json.id, row)));
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toContain(rowId(id, 0));
  });

  it('are filtered by status, number and account', async () => {
    const path = `/v1/messages?contractId=${id}`;
    const failed = await api.call('GET', `${path}&status=FAILED&limit=2`);
    expect(failed.json.items.map((item) => item.to)).toEqual(['79991000943', '79991000923']);
    const next = await api.call('GET', `${path}&status=FAILED&limit=2&cursor=${failed.json.nextCursor}`);
    expect(next.json.items.map((item) => item.to)).toEqual(['79991000903', '79991000883']);
    const one = await api.call('GET', `${path}&to=%2B7%20999%20100-00-07`);
    expect(one.json.items.map((item) => item.id)).toEqual([rowId(id, 7)]);
    // The number by which WhatsApp knows the recipient is printed as sentTo, and finds the message too.
    await api.deps.table.update(keys.message(tenantA, rowId(id, 8)), {
      update: 'SET sentTo = :other',
      values: { ':other': '12025550177' },
    });
    const answered = await api.call('GET', `${path}&to=12025550177`);
    expect(answered.json.items.map((item) => [item.to, item.sentTo])).toEqual([['79991000008', '12025550177']]);
    const none = await api.call('GET', `${path}&accountId=acc_other`);
    expect(none.json).toEqual({ items: [], nextCursor: null });
    expect((await api.call('GET', `${path}&to=12`)).status).toBe(422);
  });
});

describe('fields of a CSV file', () => {
  it.each([
    ['\n=1', '"\'\n=1"'],
    ['\0=1', "'\0=1"],
    ['\tx', "'\tx"],
    ['\rx', '"\'\rx"'],
    ['\u00a0 \u200b=1', "'\u00a0 \u200b=1"],
    ['＝1', "'＝1"],
    ['＋1', "'＋1"],
    ['－1', "'－1"],
    ['＠x', "'＠x"],
    ['a=1', 'a=1'],
    ['  plain', '  plain'],
  ])('%j is written as %j', (text, written) => {
    expect(field(text)).toBe(written);
  });

  it('never guard a number, but what stands in place of one', () => {
    const line = (to: string) => csvLine({ to, state: 'FAILED', attempts: 0 } as Message);
    expect(line('79991234567')).toBe('79991234567,,FAILED,,,,0,\n');
    expect(line('+49 (0)30-12/34')).toBe('+49 (0)30-12/34,,FAILED,,,,0,\n');
    expect(line('=cmd()')).toBe("'=cmd(),,FAILED,,,,0,\n");
    expect(line('+cmd')).toBe("'+cmd,,FAILED,,,,0,\n");
  });
});

describe('queue status', () => {
  it('adds all contracts up', async () => {
    const key = await api.makeKey(['read'], 'ten_0000000000000000000000000B');
    const empty = await api.call('GET', '/v1/queues/status', undefined, { key });
    expect(empty.json).toEqual({
      contracts: { waiting: 0, active: 0, completed: 0, failed: 0 },
      messages: { waiting: 0, active: 0, completed: 0, failed: 0 },
    });
    const mine = await api.call('GET', '/v1/queues/status');
    expect(mine.json.contracts).toMatchObject({ active: 1 });
    expect(mine.json.messages).toMatchObject({ active: 0, completed: 902, failed: 48 });
  });
});

describe('results that are not kept any more', () => {
  it('are not guessed: UNKNOWN in the file, left out of lists, 404 by id', async () => {
    const recipients = api.recipients(3).map((row, n) => ({ ...row, externalId: `e${n}` }));
    const { id: ended } = (await api.call('POST', '/v1/contracts', { accountId, name: 'ended', recipients })).json;
    await api.deps.table.update(keys.contract(tenantA, ended), {
      update:
        'SET #s = :completed, nextRow = :n, openFrom = :n, fedCount = :n, startedAt = :started, completedAt = :started',
      names: { '#s': 'status' },
      values: { ':completed': 'COMPLETED', ':n': 3, ':started': Date.now() - 91 * 86_400_000 },
    });
    await api.deps.table.update(keys.counter(tenantA, ended, accountId), {
      update: 'SET delivered = :n',
      values: { ':n': 3 },
    });
    // One had its receipt late; DynamoDB has removed the others.
    const kept = { ...made(2), id: rowId(ended, 2), contractId: ended };
    await api.deps.table.put({ ...keys.message(tenantA, kept.id), type: 'message', ...kept });
    const note = "The result of a message is kept for 90 days after its last change; the contract's counts stay.";
    expect((await api.call('GET', `/v1/contracts/${ended}/stats`)).json).toMatchObject({
      status: 'COMPLETED',
      success: 3,
      note,
      successPhoneNumbers: [{ phoneNumber: '79991000002' }],
    });
    const csv = await api.call('GET', `/v1/contracts/${ended}/results.csv`);
    expect(csv.text.split('\n').slice(1)).toEqual([
      `79991000000,e0,UNKNOWN,,,,,NOT_KEPT: ${note}`,
      `79991000001,e1,UNKNOWN,,,,,NOT_KEPT: ${note}`,
      '79991000002,ext-2,DELIVERED,2026-11-20T09:30:02.000Z,2026-11-20T09:30:02.500Z,,1,',
      '',
    ]);
    const list = await api.call('GET', `/v1/messages?contractId=${ended}`);
    expect(list.json.items.map((item) => item.id)).toEqual([rowId(ended, 2)]);
    const gone = await api.call('GET', `/v1/messages/${rowId(ended, 0)}`);
    expect([gone.status, gone.json.detail]).toEqual([404, `There is no such message. ${note}`]);
    // A contract whose results are all kept says nothing.
    expect((await api.call('GET', `/v1/contracts/${id}/stats`)).json.note).toBeNull();
  });
});
