import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys } from '../../../lib/aws/keys.ts';
import type { Contract } from '../../../lib/domain/contracts/contract.ts';
import { messageId } from '../../../lib/domain/ids.ts';
import { type Api, rowId, startApi, tenantA } from '../api.ts';

let api: Api;
let accountId: string;
beforeAll(async () => {
  api = await startApi();
  accountId = await api.account();
});
afterAll(() => api.stop());

const order = (more: Record<string, unknown> = {}) => ({
  accountId,
  name: 'Order',
  recipients: [{ phoneNumber: '79991234567', message: 'Hello' }],
  ...more,
});

describe('making a contract', () => {
  it('answers id, totalCount and PENDING, with every row in a page', async () => {
    const made = await api.call('POST', '/v1/contracts', order({ recipients: api.recipients(501) }));
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      name: 'Order',
      accountIds: [accountId],
      lane: 'bulk',
      status: 'PENDING',
      totalCount: 501,
      counts: { pending: 501, queued: 0, sending: 0, sent: 0, failed: 0 },
      startedAt: null,
      template: null,
      warnings: [],
    });
    const stored = await api.deps.pages.list(`pages/${tenantA}/${made.json.id}/`);
    expect(stored).toHaveLength(2);
    const second = new TextDecoder().decode(await api.deps.pages.get(stored[1] ?? ''));
    expect(second).toBe('{"to":"79991000500","text":"Hello 500"}\n');
    const { warnings: _warnings, ...shown } = made.json;
    expect((await api.call('GET', `/v1/contracts/${made.json.id}`)).json).toEqual(shown);
  });

  it('gives messages ids that nobody computes from the contract’s, and shows the key to them nowhere', async () => {
    const made = await api.call('POST', '/v1/contracts', order({ start: true }));
    const id = made.json.id;
    const item = await api.deps.table.get<Contract>(keys.contract(tenantA, id));
    // HMAC-SHA256 under the tenant's secret.
    const idKey = item?.idKey ?? '';
    expect(idKey).toMatch(/^[0-9a-f]{64}$/);
    const messages = await api.call('GET', `/v1/messages?contractId=${id}`);
    const [message] = messages.json.items;
    expect(message?.id).toBe(rowId(id, 0));
    // As versions before derived it.
    expect(message?.id).not.toBe(messageId(id, 0));
    expect((await api.call('GET', `/v1/messages/${message?.id}`)).json.id).toBe(message?.id);
    const shown = [made, messages];
    for (const path of [
      `/v1/contracts/${id}`,
      '/v1/contracts',
      `/v1/contracts/${id}/stats`,
      `/v1/contracts/${id}/results.csv`,
      `/v1/messages/${message?.id}`,
      '/v1/events',
      '/v1/audit',
    ])
      shown.push(await api.call('GET', path));
    shown.push(
      await api.call('POST', `/v1/contracts/${id}/pause`),
      await api.call('POST', `/v1/contracts/${id}/cancel`),
    );
    expect(shown.map(({ status }) => status)).toEqual([201, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]);
    for (const { text } of shown) {
      expect(text).not.toContain(idKey);
      expect(text).not.toContain('idKey');
    }
    expect(JSON.stringify(api.logged)).not.toContain(idKey);
  });

  it('takes to for phoneNumber, text for message, and its own message for rows without one', async () => {
    const recipients = [{ to: '+7 (999) 123-45-67' }, { to: '79991234568@s.whatsapp.net', text: 'Own' }];
    const made = await api.call('POST', '/v1/contracts', order({ recipients, message: 'Shared' }));
    const list = await api.call('GET', `/v1/messages?contractId=${made.json.id}`);
    expect(list.json.items.map((item) => [item.to, item.text])).toEqual([
      ['79991234568', 'Own'],
      ['79991234567', 'Shared'],
    ]);
  });

  it('reads national numbers by the default country of the tenant', async () => {
    const mine = await api.account({}, { key: api.keyB });
    const recipients = [{ phoneNumber: '0151 23456789', message: 'x' }];
    const body = { accountId: mine, name: 'x', recipients };
    const made = await api.call('POST', '/v1/contracts', body, { key: api.keyB });
    const list = await api.call('GET', `/v1/messages?contractId=${made.json.id}`, undefined, { key: api.keyB });
    expect(list.json.items[0]?.to).toBe('4915123456789');
    const refused = await api.call('POST', '/v1/contracts', order({ recipients }));
    expect(refused.json.errors[0]).toMatchObject({ path: '/recipients/0/phoneNumber', row: 1, code: 'INVALID_NUMBER' });
  });

  it('warns of repeated numbers and links, and sends to each all the same', async () => {
    const recipients = [
      { phoneNumber: '+79991234567', message: 'see https://example.com/a' },
      { phoneNumber: '+79991234567', message: 'again' },
      { phoneNumber: '+79991234568', message: `loud${'!'.repeat(11)}` },
    ];
    const made = await api.call('POST', '/v1/contracts', order({ recipients }));
    expect(made.json.totalCount).toBe(3);
    expect(made.json.warnings).toEqual([
      'Numbers that came before: 1. Each is sent to again.',
      'The text contains a link. Rows: 1, the first is row 1.',
      'A character is repeated more than ten times in a row. Rows: 1, the first is row 3.',
    ]);
  });

  it('names every bad row with path, row and reason, and makes nothing', async () => {
    const before = await api.call('GET', '/v1/contracts?limit=100');
    const recipients = [
      { phoneNumber: '79991234567', message: 'fine' },
      { phoneNumber: '123', message: 'x' },
      { to: 'abc', message: 'x' },
      { phoneNumber: '79991234567', message: '   ' },
      { phoneNumber: '79991234567', message: 'x'.repeat(4097) },
      { phoneNumber: '79991234567', message: 'a\u0007b' },
      { phoneNumber: '79991234567' },
      { message: 'x' },
      { phoneNumber: '12', message: '' },
    ];
    const refused = await api.call('POST', '/v1/contracts', order({ recipients }));
    expect(refused.status).toBe(422);
    expect(refused.json.errors.map(({ path, row, code }) => [path, row, code])).toEqual([
      ['/recipients/1/phoneNumber', 2, 'INVALID_NUMBER'],
      ['/recipients/2/to', 3, 'INVALID_NUMBER'],
      ['/recipients/3/message', 4, 'TEXT_EMPTY'],
      ['/recipients/4/message', 5, 'TEXT_TOO_LONG'],
      ['/recipients/5/message', 6, 'TEXT_CONTROL_CHARACTERS'],
      ['/recipients/6/message', 7, 'REQUIRED'],
      ['/recipients/7/phoneNumber', 8, 'REQUIRED'],
      ['/recipients/8/phoneNumber', 9, 'INVALID_NUMBER'],
      ['/recipients/8/message', 9, 'TEXT_EMPTY'],
    ]);
    expect(refused.json.detail).toContain('/recipients/1/phoneNumber (row 2)');
    const after = await api.call('GET', '/v1/contracts?limit=100');
    expect(after.json.items.length).toBe(before.json.items.length);
  });

  it('lists at most 1,000 bad rows and counts all', async () => {
    const recipients = Array.from({ length: 1500 }, () => ({ phoneNumber: '1', message: 'x' }));
    const refused = await api.call('POST', '/v1/contracts', order({ recipients }));
    expect(refused.json.errors).toHaveLength(1000);
    expect(refused.json.detail).toBe(
      '1500 fields are not valid. /recipients/0/phoneNumber (row 1): The number is not a valid phone number. The first 1000 are listed.',
    );
  });

  it.each([
    [{ accountId: 'acc_01KAFXQ8E4WZ8M7D9T2B6R3V5N' }, '/accountId', 'UNKNOWN_ACCOUNT'],
    [{ accountId: undefined }, '/accountId', 'REQUIRED'],
    [{ accountId: undefined, accountIds: ['a', 'b'] }, '/accountIds', 'NOT_SUPPORTED'],
    [{ accountIds: ['a'] }, '/accountIds', 'INVALID'],
    [{ template: 'x' }, '/template', 'NOT_SUPPORTED'],
    [{ templateData: {} }, '/templateData', 'NOT_SUPPORTED'],
    [{ recipients: [{ phoneNumber: '79991234567', message: 'x', data: {} }] }, '/recipients/0/data', 'NOT_SUPPORTED'],
    [{ recipients: [{ phoneNumber: '79991234567', message: 'x', email: {} }] }, '/recipients/0/email', 'NOT_SUPPORTED'],
    [{ recipients: [{ phoneNumber: 79991234567, message: 'x' }] }, '/recipients/0/phoneNumber', 'INVALID'],
    [{ recipients: undefined }, '/recipients', 'REQUIRED'],
    [{ name: 'two\nlines' }, '/name', 'INVALID'],
    [
      { recipients: [{ phoneNumber: '79991234567', message: 'Gr\ufffd\ufffde' }] },
      '/recipients/0/message',
      'TEXT_CONTROL_CHARACTERS',
    ],
    [{ lane: 'fast' }, '/lane', 'INVALID'],
    [{ startAt: 'tomorrow' }, '/startAt', 'INVALID'],
    [{ startAt: '2020-01-01T00:00:00Z' }, '/startAt', 'OUT_OF_RANGE'],
    [{ recipients: [], start: true }, '/start', 'INVALID'],
    [{ message: '' }, '/message', 'TEXT_EMPTY'],
    [{ text: '' }, '/text', 'TEXT_EMPTY'],
    [{ message: 'a', text: 'b' }, '/text', 'INVALID'],
  ])('refuses %j with 422 at %s', async (more, path, code) => {
    const refused = await api.call('POST', '/v1/contracts', order(more));
    expect([refused.status, refused.json.code]).toEqual([422, 'VALIDATION']);
    expect(refused.json.errors[0]).toMatchObject({ path, code });
  });

  it('refuses more than 5,000 rows, naming /import', async () => {
    const refused = await api.call('POST', '/v1/contracts', order({ recipients: api.recipients(5001) }));
    expect(refused.status).toBe(422);
    expect(refused.json.errors).toEqual([
      {
        path: '/recipients',
        code: 'TOO_MANY_ROWS',
        message: 'A request carries at most 5000 recipients; send more with /recipients or /import.',
      },
    ]);
  });

  it('takes 5,000 rows well below 1.5 s', async () => {
    const startedAt = performance.now();
    const made = await api.call('POST', '/v1/contracts', order({ recipients: api.recipients(5000) }));
    expect([made.status, made.json.totalCount]).toEqual([201, 5000]);
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });

  it('with skipInvalid records bad numbers as failed and accepts the rest', async () => {
    const recipients = [
      { phoneNumber: '+79991234567', message: 'a' },
      { phoneNumber: 'nonsense', message: 'b', externalId: 'row-2' },
    ];
    const made = await api.call('POST', '/v1/contracts', order({ recipients, skipInvalid: true }));
    expect(made.json).toMatchObject({ totalCount: 2, counts: { pending: 1, failed: 1 } });
    expect(made.json.warnings).toEqual(['Invalid numbers: 1. They are recorded as failed.']);
    const list = await api.call('GET', `/v1/messages?contractId=${made.json.id}&status=FAILED`);
    expect(list.json.items).toHaveLength(1);
    expect(list.json.items[0]).toMatchObject({
      to: 'nonsense',
      text: 'b',
      externalId: 'row-2',
      status: 'FAILED',
      attempts: 0,
      error: { code: 'INVALID_NUMBER' },
    });
    const one = await api.call('GET', `/v1/messages/${list.json.items[0]?.id}`);
    expect(one.json).toMatchObject({ to: 'nonsense', text: 'b', status: 'FAILED' });
  });

  it('starts at once where asked, and is found by the feed', async () => {
    const made = await api.call('POST', '/v1/contracts', order({ start: true }));
    expect(made.json).toMatchObject({ status: 'IN_PROGRESS', reason: 'Waiting for the account to connect.' });
    expect(made.json.startedAt).not.toBeNull();
    expect(made.json.estimatedEndAt).not.toBeNull();
    const running = await api.deps.table.query<{ ixs: string }>({ index: 'finder', pk: 'running' });
    expect(running.items.map((item) => item.ixs)).toContain(`${tenantA}#${accountId}#${made.json.id}`);
  });

  it('keeps a scheduled start where the sweep finds it', async () => {
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const made = await api.call('POST', '/v1/contracts', order({ startAt }));
    expect(made.json).toMatchObject({ status: 'PENDING', startAt });
    const due = await api.deps.table.query<{ ixs: string }>({ index: 'finder', pk: 'start' });
    expect(due.items.map((item) => item.ixs)).toContain(`${startAt}#${tenantA}#${made.json.id}`);
    await api.call('POST', `/v1/contracts/${made.json.id}/start`);
    const left = await api.deps.table.query<{ ixs: string }>({ index: 'finder', pk: 'start' });
    expect(left.items.map((item) => item.ixs)).not.toContain(`${startAt}#${tenantA}#${made.json.id}`);
  });
});

describe('adding recipients', () => {
  it('goes on behind the rows that are there', async () => {
    const made = await api.call('POST', '/v1/contracts', order({ skipInvalid: true }));
    const path = `/v1/contracts/${made.json.id}/recipients`;
    const grown = await api.call('POST', path, {
      recipients: [
        { to: 'bad', text: 'b' },
        { to: '79991234569', text: 'c' },
      ],
    });
    expect(grown.status).toBe(200);
    expect(grown.json).toMatchObject({ totalCount: 3, counts: { pending: 2, failed: 1 } });
    const list = await api.call('GET', `/v1/messages?contractId=${made.json.id}`);
    expect(list.json.items.map((item) => [item.to, item.status])).toEqual([
      ['79991234569', 'PENDING'],
      ['bad', 'FAILED'],
      ['79991234567', 'PENDING'],
    ]);
  });

  it('warns of numbers of the calls before', async () => {
    const made = await api.call('POST', '/v1/contracts', order({ recipients: api.recipients(600) }));
    const path = `/v1/contracts/${made.json.id}/recipients`;
    const grown = await api.call('POST', path, {
      recipients: [...api.recipients(2), { to: '+79995554433', text: 'x' }],
    });
    expect(grown.json.warnings).toEqual(['Numbers that came before: 2. Each is sent to again.']);
    const again = await api.call('POST', path, { recipients: [{ to: '+79995554433', text: 'x' }] });
    expect(again.json).toMatchObject({
      totalCount: 604,
      warnings: ['Numbers that came before: 1. Each is sent to again.'],
    });
  });

  it('loses none when calls race', async () => {
    const made = await api.call('POST', '/v1/contracts', order({ recipients: [] }));
    const path = `/v1/contracts/${made.json.id}/recipients`;
    const answers = await Promise.all(
      [1, 2, 3, 4].map((n) => api.call('POST', path, { recipients: [{ to: `7999000000${n}`, text: 'x' }] })),
    );
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
    const list = await api.call('GET', `/v1/messages?contractId=${made.json.id}`);
    expect(list.json.items.map((item) => item.to).sort()).toEqual([
      '79990000001',
      '79990000002',
      '79990000003',
      '79990000004',
    ]);
  });

  it('names bad rows, and is 409 once the contract runs', async () => {
    const made = await api.call('POST', '/v1/contracts', order());
    const path = `/v1/contracts/${made.json.id}/recipients`;
    const refused = await api.call('POST', path, { recipients: [{ to: '1', text: 'x' }] });
    expect(refused.json.errors[0]).toMatchObject({ path: '/recipients/0/to', row: 1 });
    expect((await api.call('POST', path, { recipients: [] })).status).toBe(422);
    await api.call('POST', `/v1/contracts/${made.json.id}/start`);
    const late = await api.call('POST', path, { recipients: api.recipients(1) });
    expect([late.status, late.json.code]).toEqual([409, 'ILLEGAL_STATE']);
  });

  it('ends at 100,000 rows', async () => {
    const made = await api.call('POST', '/v1/contracts', order());
    await api.deps.table.update(keys.contract(tenantA, made.json.id), {
      update: 'SET totalCount = :n',
      values: { ':n': 99_999 },
    });
    const path = `/v1/contracts/${made.json.id}/recipients`;
    const refused = await api.call('POST', path, { recipients: api.recipients(2) });
    expect(refused.json.errors).toEqual([
      { path: '/recipients', code: 'TOO_MANY_ROWS', message: 'A contract has at most 100000 recipients.' },
    ]);
  });
});

describe('listing contracts', () => {
  it('pages newest first and filters by account and status', async () => {
    const other = await api.account();
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      ids.push((await api.call('POST', '/v1/contracts', order({ accountId: other, name: `n${n}` }))).json.id);
    }
    await api.call('POST', `/v1/contracts/${ids[1]}/start`);
    const first = await api.call('GET', `/v1/contracts?accountId=${other}&limit=2`);
    expect(first.json.items.map((item) => item.id)).toEqual([ids[2], ids[1]]);
    const rest = await api.call('GET', `/v1/contracts?accountId=${other}&limit=2&cursor=${first.json.nextCursor}`);
    expect(rest.json.items.map((item) => item.id)).toEqual([ids[0]]);
    const running = await api.call('GET', `/v1/contracts?accountId=${other}&status=IN_PROGRESS`);
    expect(running.json.items.map((item) => item.id)).toEqual([ids[1]]);
  });
});
