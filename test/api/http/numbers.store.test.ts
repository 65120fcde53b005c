import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importFile } from '../../../functions/import/import-file.ts';
import { storeInbound } from '../../../lib/aws/inbound/inbound.ts';
import { ensureTenant } from '../../../lib/aws/tenants/tenants.ts';
import { type Api, startApi } from '../api.ts';

type Country = 'DE' | 'ID' | 'BR';
const tenantIn = (country: Country) => `ten_000000000000000000000000${country}`;

let api: Api;
const key = {} as Record<Country, string>;
const account = {} as Record<Country, string>;
beforeAll(async () => {
  api = await startApi();
  for (const country of ['DE', 'ID', 'BR'] as const) {
    await ensureTenant(api.deps, tenantIn(country), { name: country, defaultCountry: country });
    key[country] = await api.makeKey(['read', 'send', 'manage'], tenantIn(country));
    account[country] = await api.account({}, { key: key[country] });
  }
});
afterAll(() => api.stop());

const call = (country: Country, method: string, path: string, body?: unknown) =>
  api.call(method, path, body, { key: key[country] });

/** A contract to these numbers in a tenant of the country. */
const order = (country: Country, numbers: string[], more: object = {}) =>
  call(country, 'POST', '/v1/contracts', {
    accountId: account[country],
    name: 'x',
    message: 'Hello',
    recipients: numbers.map((phoneNumber) => ({ phoneNumber })),
    ...more,
  });

/** Whom the messages of a contract go to, in the order of its rows. */
async function recipientsOf(country: Country, contractId: string): Promise<unknown[]> {
  const { items } = (await call(country, 'GET', `/v1/messages?contractId=${contractId}`)).json;
  return items.map(({ to }) => to).reverse();
}

/** An inbound message as a host stores it. */
async function wrote(country: Country, from: string, lid?: string): Promise<void> {
  const hold = { tenantId: tenantIn(country), accountId: account[country] };
  const message = {
    id: `3A${from}`,
    from,
    ...(lid === undefined ? {} : { fromLid: lid }),
    at: Date.now(),
    type: 'text' as const,
    text: 'Hi',
  };
  const target = { kind: 'new' as const, id: `inb_${from.padStart(26, '0')}`, dueAt: undefined };
  expect(await storeInbound(api.deps.table, hold, message, target, Date.now())).toBe('stored');
}

const peruvian =
  'AMBIGUOUS_NUMBER: numbers without + that can be national or foreign are read as national. ' +
  'The foreign readings: PE 1. Write + and the country code. Rows: 1, the first is row 1.';

describe('recipients of a contract', () => {
  it.each([
    ['DE', '4915150405214', '4915150405214'],
    ['DE', '0151 50405214', '4915150405214'],
    ['ID', '62812345678', '62812345678'],
    ['BR', '554899120009', '554899120009'],
    ['BR', '+51 99123-4567', '51991234567'],
    ['DE', '(+966) 50 123 4567', '966501234567'],
    ['DE', '+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧', '966501234567'],
  ] as const)('%s: %s is %s, without a doubt', async (country, written, to) => {
    const made = await order(country, [written]);
    expect([made.status, made.json.warnings]).toEqual([201, []]);
    expect(await recipientsOf(country, made.json.id)).toEqual([to]);
  });

  it('are warned of by code where digits alone are read as foreign, with countries and counts', async () => {
    const made = await order('DE', ['4915150405214', '554899120009', '5511987654321', '51991234567']);
    expect(made.json.warnings).toEqual([
      'FOREIGN_NUMBER: numbers without + are read as international: BR 2, PE 1. ' +
        'Write + and the country code to be sure. Rows: 3, the first is row 2.',
    ]);
    expect(await recipientsOf('DE', made.json.id)).toEqual([
      '4915150405214',
      '554899120009',
      '5511987654321',
      '51991234567',
    ]);
  });

  it('that are mobile here and abroad are national and ambiguous, until the foreign person has written', async () => {
    const before = await order('BR', ['51 99123-4567']);
    expect([before.status, before.json.warnings]).toEqual([201, [peruvian]]);
    expect(await recipientsOf('BR', before.json.id)).toEqual(['5551991234567']);
    await wrote('BR', '51991234567');
    const after = await order('BR', ['51 99123-4567', '51 99123-4568']);
    expect(after.json.warnings).toEqual([
      peruvian.replace('row 1.', 'row 2.'),
      'FOREIGN_NUMBER: numbers without + are read as international: PE 1. ' +
        'Write + and the country code to be sure. Rows: 1, the first is row 1.',
    ]);
    expect(await recipientsOf('BR', after.json.id)).toEqual(['51991234567', '5551991234568']);
  });

  it('that opted out under the national reading are those people', async () => {
    await call('BR', 'POST', '/v1/suppressions', { phoneNumber: '+55 51 99123-4569' });
    const made = await order('BR', ['51 99123-4569']);
    expect(made.json).toMatchObject({ counts: { suppressed: 1 } });
    expect(made.json.warnings).toEqual(['Recipients who have opted out: 1. They are recorded as suppressed.']);
  });

  it('are one person in both spellings of a number', async () => {
    const made = await order('DE', ['+5548999120010', '+554899120010']);
    expect(made.json.warnings).toEqual(['Numbers that came before: 1. Each is sent to again.']);
  });

  it.each([
    [
      '491701234567.0',
      'A spreadsheet has turned the number into a decimal one. Format the column as text, and remove the point and the digits after it.',
    ],
    [
      '7.9E+10',
      'A spreadsheet has turned the number into scientific notation, and digits are lost. Format the column as text and enter the number again.',
    ],
    [
      'lid:123456789012345',
      'A LID is no phone number, and messages are sent to phone numbers. Write the number of the person instead.',
    ],
  ])('are refused as %s', async (written, message) => {
    const refused = await order('DE', ['+4915150405214', written]);
    expect([refused.status, refused.json.errors]).toEqual([
      422,
      [{ path: '/recipients/1/phoneNumber', row: 2, code: 'INVALID_NUMBER', message }],
    ]);
  });
});

describe('a contract with requirePlus', () => {
  const doubts = [
    {
      code: 'AMBIGUOUS_NUMBER',
      message: 'Without + the number can be national or one of PE; write it with + and the country code.',
    },
    {
      code: 'FOREIGN_NUMBER',
      message: 'Without + the number is read as one of DE; write it with + and the country code.',
    },
  ];
  const numbers = ['+51 99123-4568', '51 99123-4568', '4915150405214', '11 98765-4321'];

  it('refuses doubtful rows, and takes those that can be read in one way', async () => {
    const refused = await order('BR', numbers, { requirePlus: true });
    expect([refused.status, refused.json.errors]).toEqual([
      422,
      doubts.map((doubt, index) => ({ path: `/recipients/${index + 1}/phoneNumber`, row: index + 2, ...doubt })),
    ]);
    const made = await order('BR', numbers, { requirePlus: true, skipInvalid: true });
    expect(made.json).toMatchObject({ totalCount: 4, counts: { pending: 2, failed: 2 } });
    expect(made.json.warnings).toEqual([
      'Invalid numbers: 2. They are recorded as failed.',
      ...doubts.map(({ code, message }, index) => `${code}: ${message} Rows: 1, the first is row ${index + 2}.`),
    ]);
    expect(await recipientsOf('BR', made.json.id)).toEqual([
      '51991234568',
      '51 99123-4568',
      '4915150405214',
      '5511987654321',
    ]);
  });

  it('keeps to it in later requests and in files', async () => {
    const { id } = (await order('BR', ['+51 99123-4568'], { requirePlus: true })).json;
    const recipients = numbers.map((to) => ({ to }));
    const more = await call('BR', 'POST', `/v1/contracts/${id}/recipients`, { message: 'x', recipients });
    expect(more.json.errors.map(({ code, row }) => [code, row])).toEqual([
      ['AMBIGUOUS_NUMBER', 2],
      ['FOREIGN_NUMBER', 3],
    ]);
    const empty = (await order('BR', [], { requirePlus: true })).json.id;
    const { uploadUrl } = (await call('BR', 'POST', `/v1/contracts/${empty}/import`, { format: 'csv' })).json;
    const upload = new URL(String(uploadUrl)).pathname.replace(`/${api.emulators.config.PAGES_BUCKET}/`, '');
    await api.deps.pages.put(upload, Buffer.from(['to,text', ...numbers.map((to) => `${to},x`), ''].join('\n')));
    expect(await importFile(api.deps, upload)).toBe('refused');
    expect((await call('BR', 'GET', `/v1/contracts/${empty}`)).json.import).toMatchObject({
      status: 'failed',
      errors: doubts.map((doubt, index) => ({ line: index + 3, ...doubt })),
    });
  });
});

it('an import warns of doubtful numbers by line, and asks for the people that are known', async () => {
  await wrote('BR', '51991234570');
  const { id } = (await order('BR', [])).json;
  const { uploadUrl } = (await call('BR', 'POST', `/v1/contracts/${id}/import`, { format: 'csv' })).json;
  const upload = new URL(String(uploadUrl)).pathname.replace(`/${api.emulators.config.PAGES_BUCKET}/`, '');
  const lines = ['to,text', '11 98765-4321,x', '51 99123-4571,x', '51 99123-4570,x', '+55 51 99123-4571,x', ''];
  await api.deps.pages.put(upload, Buffer.from(lines.join('\n')));
  expect(await importFile(api.deps, upload)).toBe('imported');
  expect((await call('BR', 'GET', `/v1/contracts/${id}`)).json.warnings).toEqual([
    'Numbers that came before: 1. Each is sent to again.',
    'AMBIGUOUS_NUMBER: numbers without + that can be national or foreign are read as national. ' +
      'The foreign readings: PE 1. Write + and the country code. Rows: 1, the first is in line 3.',
    'FOREIGN_NUMBER: numbers without + are read as international: PE 1. ' +
      'Write + and the country code to be sure. Rows: 1, the first is in line 4.',
  ]);
  expect(await recipientsOf('BR', id)).toEqual(['5511987654321', '5551991234571', '51991234570', '5551991234571']);
});

describe('each route that takes a number reads it in the same way', () => {
  /** Written by a user of a tenant in the country, and as answers print it. */
  const written = [
    ['DE', '4915150405214', '4915150405214'],
    ['DE', '0151 50405215', '4915150405215'],
    ['ID', '62812345678', '62812345678'],
    ['BR', '51 99123-4501', '5551991234501'],
    ['BR', '554899120001', '554899120001'],
    ['DE', '5215512345678', '5215512345678'],
    ['DE', '(+966) 50 123 4567', '966501234567'],
  ] as const;

  it.each(written)('%s: %s on the list of suppressions', async (country, text, phoneNumber) => {
    const made = await call(country, 'POST', '/v1/suppressions', { phoneNumber: text });
    expect([made.status, made.json.phoneNumber]).toEqual([201, phoneNumber]);
    for (const spelling of [text, phoneNumber, `+${phoneNumber}`, `${phoneNumber}@s.whatsapp.net`]) {
      const path = `/v1/suppressions/${encodeURIComponent(spelling)}`;
      expect((await call(country, 'GET', path)).json.phoneNumber).toBe(phoneNumber);
    }
    const contract = await order(country, [text]);
    expect(contract.json.counts).toMatchObject({ suppressed: 1 });
    expect((await call(country, 'DELETE', `/v1/suppressions/${phoneNumber}`)).status).toBe(204);
    expect((await call(country, 'GET', `/v1/suppressions/${phoneNumber}`)).status).toBe(404);
  });

  it.each(written)('%s: %s as a filter of messages and of the inbox', async (country, text, printed) => {
    const { id } = (await order(country, [`+${printed}`])).json;
    await wrote(country, printed);
    for (const spelling of [text, printed]) {
      const query = encodeURIComponent(spelling);
      const messages = await call(country, 'GET', `/v1/messages?contractId=${id}&to=${query}`);
      expect(messages.json.items.map(({ to }) => to)).toEqual([printed]);
      const inbox = await call(country, 'GET', `/v1/inbox?from=${query}`);
      expect(inbox.json.items.map(({ from }) => from)).toEqual([printed]);
    }
  });

  it.each(written)('%s: %s as the number of an account', async (country, text, phoneNumber) => {
    const named = { name: 'x', connect: false };
    const made = await call(country, 'POST', '/v1/accounts', { ...named, phoneNumber: text });
    expect([made.status, made.json.phoneNumber]).toEqual([201, phoneNumber]);
    const path = `/v1/accounts/${(await call(country, 'POST', '/v1/accounts', named)).json.id}`;
    expect((await call(country, 'PATCH', path, { phoneNumber: text })).json.phoneNumber).toBe(phoneNumber);
  });

  it('a file of suppressions, which warns by line and asks for the people that are known', async () => {
    await wrote('BR', '51991234541');
    const raw = [
      'phone',
      '51 99123-4540',
      '51 99123-4541',
      '11 98765-4322',
      '+51 99123-4542',
      '+55 51 99123-4541',
      '',
    ].join('\n');
    const options = { key: key.BR, raw, headers: { 'content-type': 'text/csv' } };
    const imported = await api.call('POST', '/v1/suppressions/import', undefined, options);
    expect([imported.status, imported.json]).toEqual([
      200,
      {
        added: 5,
        existing: 0,
        invalid: 0,
        errors: [],
        warnings: [
          'AMBIGUOUS_NUMBER: numbers without + that can be national or foreign are read as national. ' +
            'The foreign readings: PE 1. Write + and the country code. Rows: 1, the first is in line 2.',
          'FOREIGN_NUMBER: numbers without + are read as international: PE 1. ' +
            'Write + and the country code to be sure. Rows: 1, the first is in line 3.',
        ],
      },
    ]);
    for (const number of ['5551991234540', '51991234541', '5511987654322', '51991234542', '5551991234541']) {
      const found = await call('BR', 'GET', `/v1/suppressions/${number}`);
      expect(found.json.phoneNumber).toBe(number);
    }
  });

  it('a filter finds a person in the other spelling, and digits that mean two people find both', async () => {
    const { id } = (await order('BR', ['+554899120020', '+51991234520', '+5551991234520'])).json;
    const found = async (to: string) =>
      (await call('BR', 'GET', `/v1/messages?contractId=${id}&to=${to}`)).json.items.map((item) => item.to);
    expect(await found('5548999120020')).toEqual(['554899120020']);
    expect(await found('51991234520')).toEqual(['5551991234520', '51991234520']);
    expect(await found('%2B51991234520')).toEqual(['51991234520']);
  });

  it('an account is changed by its own number as answers print it, though it is another one at home', async () => {
    const made = await call('BR', 'POST', '/v1/accounts', { name: 'x', connect: false, phoneNumber: '+51991234567' });
    const path = `/v1/accounts/${made.json.id}`;
    expect((await call('BR', 'PATCH', path, { phoneNumber: '51991234567' })).json.phoneNumber).toBe('51991234567');
  });

  it('warns where a number is in doubt', async () => {
    const ambiguous =
      'AMBIGUOUS_NUMBER: without + the number can be one of PE too and is read as national. Write + and the country code.';
    const foreign =
      'FOREIGN_NUMBER: without + the number is read as one of DE. Write + and the country code to be sure.';
    const listed = await call('BR', 'POST', '/v1/suppressions', { to: '51 99123-4530' });
    expect(listed.json).toMatchObject({ phoneNumber: '5551991234530', warnings: [ambiguous] });
    const made = await call('BR', 'POST', '/v1/accounts', { name: 'x', connect: false, phoneNumber: '4915150405214' });
    expect(made.json).toMatchObject({ phoneNumber: '4915150405214', warnings: [foreign] });
    expect((await call('BR', 'GET', `/v1/accounts/${made.json.id}`)).json.warnings).toEqual([]);
  });

  it('a person known by LID alone is printed as lid: and the LID, and taken back so', async () => {
    const lid = '123456789012345';
    await wrote('DE', lid, lid);
    for (const spelling of [`lid:${lid}`, `${lid}@lid`, lid]) {
      const inbox = await call('DE', 'GET', `/v1/inbox?from=${spelling}`);
      expect(inbox.json.items).toMatchObject([{ from: `lid:${lid}`, fromLid: lid }]);
    }
    const listed = await call('DE', 'POST', '/v1/suppressions', { phoneNumber: `lid:${lid}` });
    expect([listed.status, listed.json]).toMatchObject([201, { phoneNumber: `lid:${lid}`, lid }]);
    for (const spelling of [`lid:${lid}`, `${lid}@lid`, lid]) {
      expect((await call('DE', 'GET', `/v1/suppressions/${spelling}`)).json.lid).toBe(lid);
    }
    expect((await call('DE', 'DELETE', `/v1/suppressions/${lid}`)).status).toBe(204);
  });

  it.each(['491701234567.0', '7,9E+10', '#N/A'])('%s is refused by every route', async (text) => {
    const number = { phoneNumber: text };
    const answers = [
      await call('DE', 'POST', '/v1/suppressions', number),
      await call('DE', 'POST', '/v1/accounts', { name: 'x', connect: false, ...number }),
      await call('DE', 'PATCH', `/v1/accounts/${account.DE}`, number),
      await call('DE', 'POST', `/v1/accounts/${account.DE}/pairing-code`, number),
      await call('DE', 'GET', `/v1/messages?to=${encodeURIComponent(text)}`),
      await call('DE', 'GET', `/v1/inbox?from=${encodeURIComponent(text)}`),
    ];
    expect(answers.map(({ status, json }) => [status, json.errors[0]?.code])).toEqual(
      answers.map(() => [422, 'INVALID_NUMBER']),
    );
  });
});
