import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSuppressions, suppressionLines } from '../../../functions/api/suppressions/file.ts';
import { planSuppression } from '../../../lib/aws/people/suppressions.ts';
import { ensureTenant } from '../../../lib/aws/tenants/tenants.ts';
import { addressesOf } from '../../../lib/domain/people/person.ts';
import { type Api, startApi, tenantA, tenantB } from '../api.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const add = (phoneNumber: string, more: object = {}, options = {}) =>
  api.call('POST', '/v1/suppressions', { phoneNumber, ...more }, options);
const importFile = (raw: string, options = {}) =>
  api.call('POST', '/v1/suppressions/import', undefined, { raw, headers: { 'content-type': 'text/csv' }, ...options });

describe('the list of suppressions', () => {
  it('takes a number in any spelling, once, and gives it back', async () => {
    const first = await add('+7 (999) 111-00-01', { reason: 'Asked by phone.' });
    expect(first.status).toBe(201);
    expect(first.json).toEqual({
      phoneNumber: '79991110001',
      lid: null,
      reason: 'Asked by phone.',
      source: 'api',
      accountId: null,
      createdAt: expect.stringMatching(/^20\d\d-.*Z$/),
    });
    const again = await add('00 7999 111 0001', { reason: 'Once more.' });
    expect([again.status, again.json]).toEqual([200, first.json]);
    expect((await api.call('GET', '/v1/suppressions/+79991110001')).json).toEqual(first.json);
  });

  it('is another tenant’s own', async () => {
    await add('79991110002');
    expect((await api.call('GET', '/v1/suppressions/79991110002', undefined, { key: api.keyB })).status).toBe(404);
    expect((await api.call('DELETE', '/v1/suppressions/79991110002', undefined, { key: api.keyB })).status).toBe(404);
    expect((await api.call('GET', '/v1/suppressions', undefined, { key: api.keyB })).json.items).toEqual([]);
    expect((await api.call('GET', '/v1/suppressions.csv', undefined, { key: api.keyB })).text).toBe(
      'phoneNumber,lid,reason,source,accountId,createdAt\n',
    );
    expect((await api.call('GET', '/v1/suppressions/79991110002')).status).toBe(200);
  });

  it('forgets a number that may be written to again', async () => {
    await add('79991110003');
    expect((await api.call('DELETE', '/v1/suppressions/79991110003')).status).toBe(204);
    expect((await api.call('DELETE', '/v1/suppressions/79991110003')).status).toBe(404);
    expect((await api.call('GET', '/v1/suppressions/79991110003')).status).toBe(404);
    expect((await add('79991110003')).status).toBe(201);
  });

  it.each([
    ['554899120009', '5548999120009'],
    ['5215512345678', '525512345678'],
    ['541123456789', '5491123456789'],
  ])('takes %s, finds the person by %s too, and forgets both at once', async (given, other) => {
    const first = await add(`+${given}`);
    expect([first.status, first.json.phoneNumber]).toEqual([201, given]);
    expect(await add(other)).toMatchObject({ status: 200, json: { phoneNumber: given } });
    expect((await api.call('GET', `/v1/suppressions/${other}`)).json).toEqual(first.json);
    expect((await api.call('DELETE', `/v1/suppressions/${other}`)).status).toBe(204);
    expect((await api.call('GET', `/v1/suppressions/${given}`)).status).toBe(404);
  });

  it('takes, shows and forgets somebody known by LID alone', async () => {
    const first = await add('lid:555000000000011', { reason: 'Hidden.' });
    expect([first.status, first.json]).toEqual([
      201,
      {
        phoneNumber: 'lid:555000000000011',
        lid: '555000000000011',
        reason: 'Hidden.',
        source: 'api',
        accountId: null,
        createdAt: expect.any(String),
      },
    ]);
    expect((await add('lid:555000000000011')).status).toBe(200);
    expect((await api.call('GET', '/v1/suppressions/lid:555000000000011')).json).toEqual(first.json);
    expect((await api.call('DELETE', '/v1/suppressions/lid:555000000000011')).status).toBe(204);
    expect((await api.call('GET', '/v1/suppressions/lid:555000000000011')).status).toBe(404);
  });

  it('wants the right scopes, and writes down who changed it', async () => {
    const reader = await api.makeKey(['read'], tenantA);
    const sender = await api.makeKey(['send'], tenantA);
    expect((await add('79991110004', {}, { key: reader })).status).toBe(403);
    expect((await add('79991110004', {}, { key: sender })).status).toBe(201);
    const remove = (key: string) => api.call('DELETE', '/v1/suppressions/79991110004', undefined, { key });
    expect((await remove(sender)).status).toBe(403);
    expect((await remove(api.keyA)).status).toBe(204);
    const { items } = (await api.call('GET', '/v1/audit')).json;
    expect(items.slice(0, 2).map(({ action, target }) => [action, target])).toEqual([
      ['suppression.deleted', '79991110004'],
      ['suppression.created', '79991110004'],
    ]);
  });

  it.each([
    [{}, '/phoneNumber', 'REQUIRED'],
    [{ phoneNumber: '123' }, '/phoneNumber', 'INVALID_NUMBER'],
    [{ to: '123' }, '/to', 'INVALID_NUMBER'],
    [{ phoneNumber: '79991110005', to: '79991110005' }, '/to', 'INVALID'],
  ])('refuses %j', async (body, path, code) => {
    const { status, json } = await api.call('POST', '/v1/suppressions', body);
    expect([status, json.errors.map((error) => [error.path, error.code])]).toEqual([422, [[path, code]]]);
  });

  it('names nobody by what is no number', async () => {
    for (const phone of ['123', 'lid:x', '%20']) {
      expect((await api.call('GET', `/v1/suppressions/${phone}`)).status).toBe(404);
    }
  });
});

describe('suppressions in and out as CSV', () => {
  it('takes a file, says what is wrong in it, and takes its own export again', async () => {
    const file = 'Phone;Reason;Other\n+4915112340001;"Said; so";x\n12;;\n0151 12340002;;\n+49 151 12340001;;\n';
    const first = await importFile(file, { key: api.keyB });
    expect([first.status, first.json]).toEqual([
      200,
      {
        added: 2,
        existing: 1,
        invalid: 1,
        errors: [{ line: 3, code: 'INVALID_NUMBER', message: 'The number is not a valid phone number.' }],
      },
    ]);
    const { text, headers } = await api.call('GET', '/v1/suppressions.csv', undefined, { key: api.keyB });
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const lines = text.trim().split('\n');
    expect(lines[0]).toBe('phoneNumber,lid,reason,source,accountId,createdAt');
    expect(lines.slice(1).map((line) => line.replace(/,20[^,]*Z$/, ''))).toEqual([
      '4915112340002,,Added by an import.,import,',
      '4915112340001,,Said; so,import,',
    ]);
    expect((await api.call('GET', '/v1/suppressions/4915112340002', undefined, { key: api.keyB })).status).toBe(200);
    expect((await importFile(text, { key: api.keyB })).json).toEqual({ added: 0, existing: 2, invalid: 0, errors: [] });
    expect((await importFile(text)).json).toMatchObject({ added: 2, existing: 0 });
  });

  it('takes a column of numbers without a header, many at once', async () => {
    const numbers = Array.from({ length: 300 }, (_, i) => `7999222${String(i).padStart(4, '0')}`);
    expect((await importFile(numbers.join('\r\n'))).json).toMatchObject({ added: 300, existing: 0, invalid: 0 });
    const found = new Set<unknown>();
    let cursor: string | null = null;
    do {
      const path: string = `/v1/suppressions?limit=70${cursor === null ? '' : `&cursor=${cursor}`}`;
      const { items, nextCursor } = (await api.call('GET', path)).json;
      for (const { phoneNumber } of items) found.add(phoneNumber);
      cursor = nextCursor;
    } while (cursor !== null);
    expect(numbers.filter((number) => !found.has(number))).toEqual([]);
  });

  it('takes no more numbers at once than the table can in the time of a call', async () => {
    const numbers = Array.from({ length: 10_001 }, (_, i) => `7999${String(3_000_000 + i)}`);
    expect(await importFile(numbers.join('\n'))).toMatchObject({
      status: 422,
      json: { errors: [{ code: 'TOO_MANY_ROWS', message: 'A file has at most 10000 numbers; send several.' }] },
    });
  });

  describe('an export', () => {
    const when = '2026-10-01T00:00:00.000Z';
    const head = 'phoneNumber,lid,reason,source,accountId,createdAt';
    const answered = (added: number, existing = 0) => ({ added, existing, invalid: 0, errors: [] });
    /** Another tenant, whose own numbers are Brazilian. */
    let key: string;
    beforeAll(async () => {
      const id = 'ten_0000000000000000000000000C';
      await ensureTenant(api.deps, id, { name: 'C', defaultCountry: 'BR' });
      key = await api.makeKey(['read', 'send', 'manage'], id);
    });
    const exported = async () => (await api.call('GET', '/v1/suppressions.csv', undefined, { key })).text;

    it('of WhatsApp’s own spellings, LIDs and both goes whole into another tenant and into the same one', async () => {
      const at = Date.UTC(2026, 9, 1);
      const people = [
        { phoneNumber: '554899122001', lid: '555000000002001' },
        { lid: '555000000002002' },
        { phoneNumber: '5215512342003' },
        { phoneNumber: '541123452004', lid: '555000000002004' },
        // No numbering plan knows the number, but its owner wrote STOP to an account.
        { phoneNumber: '99912342005' },
        // A Brazilian mobile number to a Brazilian, were it not printed: Peru.
        { phoneNumber: '51991232006' },
      ];
      for (const [index, person] of people.entries()) {
        const { writes } = await planSuppression(api.deps.table, {
          tenantId: tenantB,
          ...person,
          reason: 'The person asked for no more messages.',
          source: 'inbound',
          at: at + index,
        });
        await api.deps.table.transact({ writes });
      }
      const { text } = await api.call('GET', '/v1/suppressions.csv', undefined, { key: api.keyB });
      const lines = text.trim().split('\n');
      const file = [head, ...lines.filter((line) => line.includes(',2026-10-01'))];
      expect(
        file
          .slice(1)
          .reverse()
          .map((line) => line.split(',').slice(0, 2)),
      ).toEqual([
        ['554899122001', '555000000002001'],
        ['lid:555000000002002', '555000000002002'],
        ['5215512342003', ''],
        ['541123452004', '555000000002004'],
        ['99912342005', ''],
        ['51991232006', ''],
      ]);
      expect((await importFile(text, { key: api.keyB })).json).toEqual(answered(0, lines.length - 1));
      expect((await importFile(file.join('\r\n'), { key })).json).toEqual(answered(6));
      expect((await importFile(await exported(), { key })).json).toEqual(answered(0, 6));
      for (const address of [
        '5548999122001',
        'lid:555000000002001',
        'lid:555000000002002',
        '525512342003',
        '5491123452004',
        'lid:555000000002004',
        '99912342005',
        '51991232006',
      ]) {
        expect([address, (await api.call('GET', `/v1/suppressions/${address}`, undefined, { key })).status]).toEqual([
          address,
          200,
        ]);
      }
      expect((await api.call('GET', '/v1/suppressions/5551991232006', undefined, { key })).status).toBe(404);
    });

    it('has each number and each LID of somebody who changed them', async () => {
      const file =
        'phone,lid\n+491701234001,555000000004001\n+491701234002,555000000004001\n+491701234001,555000000004002\n';
      expect((await importFile(file, { key: api.keyB })).json).toMatchObject({ errors: [] });
      const { text } = await api.call('GET', '/v1/suppressions.csv', undefined, { key: api.keyB });
      const lines = text.split('\n').filter((line) => line.includes('55500000000400'));
      expect(lines.map((line) => line.split(',', 2))).toEqual([
        ['491701234001', '555000000004001'],
        ['491701234002', '555000000004001'],
        ['491701234001', '555000000004002'],
      ]);
      await importFile([head, ...lines].join('\n'), { key });
      for (const address of ['491701234001', '491701234002', 'lid:555000000004001', 'lid:555000000004002']) {
        const found = await api.call('GET', `/v1/suppressions/${address}`, undefined, { key });
        expect([address, found.status, found.json.phoneNumber]).toEqual([address, 200, '491701234001']);
      }
      expect((await api.call('DELETE', '/v1/suppressions/491701234002', undefined, { key })).status).toBe(204);
      expect(await exported()).not.toContain('55500000000400');
    });

    it('of any people, with any reasons, gives these people again under every default country', async () => {
      const digits = (least: number, most: number) =>
        fc.stringMatching(new RegExp(`^[1-9]\\d{${least - 1},${most - 1}}$`));
      const person = fc.oneof(
        fc.record({ phoneNumber: digits(5, 15) }),
        fc.record({ lid: digits(5, 20) }),
        fc.record({ phoneNumber: digits(5, 15), lid: digits(5, 20) }),
      );
      const people = fc.uniqueArray(person, { minLength: 1, selector: (one) => Object.values(one).join() });
      const country = fc.constantFrom(undefined, 'BR', 'DE', 'US', 'ID', 'RU');
      const line = { tenantId: tenantA, source: 'import' as const, at: Date.parse(when) };
      await fc.assert(
        fc.asyncProperty(people, country, fc.string(), async (listed, defaultCountry, reason) => {
          const lines = listed.map((one) => suppressionLines({ ...line, ...one, reason }));
          const file = await readSuppressions([Buffer.from(`${head}\n${lines.join('')}`)], defaultCountry);
          expect(file.errors).toEqual([]);
          expect(file.rows.length + file.repeated).toBe(listed.length);
          for (const { person: read } of file.rows) expect(listed).toContainEqual(read);
          const given = new Set(listed.flatMap(addressesOf));
          expect(new Set(file.rows.flatMap(({ person: read }) => addressesOf(read)))).toEqual(given);
        }),
      );
    });

    it('of an earlier version names people known by LID in the column lid alone', async () => {
      const file = `${head}\n,555000000003001,x,inbound,,${when}\n4915112343002,555000000003002,x,inbound,,${when}\n`;
      expect((await importFile(file, { key })).json).toEqual(answered(2));
      const shown = await api.call('GET', '/v1/suppressions/lid:555000000003001', undefined, { key });
      expect(shown.json).toMatchObject({ phoneNumber: 'lid:555000000003001', reason: 'x', source: 'import' });
    });

    it('learns from rows that name a person again; two spellings, or number and LID, are one', async () => {
      const rows = ['554899124001,', '5548999124001,555000000004001', ',555000000004001', ',lid:555000000004002'];
      expect((await importFile(`phone,lid\n${rows.join('\n')}\n`, { key })).json).toEqual(answered(2, 2));
      const lines = (await exported()).split('\n').filter((line) => line.includes('400'));
      expect(lines.map((line) => line.split(',').slice(0, 2)).sort()).toEqual([
        ['554899124001', '555000000004001'],
        ['lid:555000000004002', '555000000004002'],
      ]);
    });

    it('with a LID that is none is refused by its row', async () => {
      const file = 'phone,lid\n4915112345001,x\nlid:555000000005001,555000000005002\n,\nlid:12,\n';
      const { errors, added } = (await importFile(file, { key })).json;
      expect(added).toBe(0);
      expect(errors).toEqual([
        { line: 2, code: 'INVALID_NUMBER', message: 'The LID is not digits, or `lid:` and digits.' },
        { line: 3, code: 'INVALID_NUMBER', message: 'The row names two LIDs.' },
        {
          line: 5,
          code: 'INVALID_NUMBER',
          message: 'The number contains other characters than digits and separators.',
        },
      ]);
    });
  });

  it('guards reasons against spreadsheets, and takes its guards off again', async () => {
    const reasons = ['=1+1', "'=1+1", '＝A1', '+49 30 1', "it's", "'quoted'", '-', '@x, "y"'];
    const key = api.keyB;
    for (const [n, reason] of reasons.entries()) {
      const added = await api.call('POST', '/v1/suppressions', { phoneNumber: `7999555000${n}`, reason }, { key });
      expect(added.status).toBe(201);
    }
    const { text } = await api.call('GET', '/v1/suppressions.csv', undefined, { key });
    const lines = text
      .split('\n')
      .filter((line) => line.startsWith('7999555'))
      .map((line) => line.split(',api,')[0]);
    expect(lines.reverse()).toEqual([
      "79995550000,,'=1+1",
      "79995550001,,''=1+1",
      "79995550002,,'＝A1",
      "79995550003,,'+49 30 1",
      "79995550004,,it's",
      "79995550005,,'quoted'",
      "79995550006,,'-",
      '79995550007,,"\'@x, ""y"""',
    ]);
    expect((await importFile(text.replaceAll('\n', '\r\n'), { key: api.keyA })).json).toMatchObject({ invalid: 0 });
    const { items } = (await api.call('GET', '/v1/suppressions?limit=100', undefined, { key: api.keyA })).json;
    const back = new Map(items.map((item) => [item.phoneNumber, item.reason]));
    expect(reasons.map((_, n) => back.get(`7999555000${n}`))).toEqual(reasons);
    // Not an export: the apostrophe may be the caller's own.
    await importFile("phone,reason\n79995550009,'=1\n", { key: api.keyA });
    expect((await api.call('GET', '/v1/suppressions/79995550009', undefined, { key: api.keyA })).json.reason).toBe(
      "'=1",
    );
  });

  it('takes no more rows than it can read in the time of a call', async () => {
    expect(await importFile(`phone\n${'1\n'.repeat(60_000)}`)).toMatchObject({
      status: 422,
      json: { errors: [{ code: 'TOO_MANY_ROWS', message: 'A file has at most 50000 rows; send several.' }] },
    });
  });

  it('takes any line ends and loses no row', async () => {
    const taken = async (raw: string) => (await importFile(raw)).json;
    // CRLF with one line ended by LF; a CRLF header with LF rows; CR.
    expect(await taken('phone,reason\r\n+79994440001,a\r\n+79994440002,b\n+79994440003,c\r\n')).toEqual({
      added: 3,
      existing: 0,
      invalid: 0,
      errors: [],
    });
    expect(await taken('Phone Number\r\n79994440004\n79994440005\n79994440006\n')).toMatchObject({ added: 3 });
    expect(await taken('sep=;\r;;\rphone_number;x\r+79994440007;\r;;\r;x\r+79994440007;"a\rb"\r12;\r')).toEqual({
      added: 1,
      existing: 1,
      invalid: 2,
      errors: [
        { line: 6, code: 'INVALID_NUMBER', message: 'The number is missing.' },
        { line: 9, code: 'INVALID_NUMBER', message: 'The number is not a valid phone number.' },
      ],
    });
    expect(await taken('79994440008;said, loudly\n79994440009;"x;y"\n')).toMatchObject({ added: 2, invalid: 0 });
  });

  it('takes UTF-16 with its mark, and says what to do with other files', async () => {
    const send = async (bytes: Buffer) => {
      const headers = { authorization: `Bearer ${api.keyA}`, 'content-type': 'text/csv' };
      const answer = await api.app.request('/v1/suppressions/import', {
        method: 'POST',
        body: new Uint8Array(bytes),
        headers,
      });
      return (await answer.json()) as { errors: { message: string }[] };
    };
    expect(await send(Buffer.from('\ufeffmobile\tReason\r\n79994440010\tПрошу\r\n', 'utf16le'))).toMatchObject({
      added: 1,
    });
    expect((await api.call('GET', '/v1/suppressions/79994440010')).json.reason).toBe('Прошу');
    expect(await send(Buffer.from('lid\n5.55E+14\n555000000003001.0\n1234\n'))).toMatchObject({
      invalid: 3,
      errors: [
        ...[2, 3].map((line) => ({
          line,
          message:
            'A spreadsheet has changed the LID, and digits are lost. Take the row from the file as it was exported.',
        })),
        { line: 4, message: 'The LID is not digits, or `lid:` and digits.' },
      ],
    });
    const form = { headers: { 'content-type': 'multipart/form-data; boundary=x' } };
    expect(await importFile('--x--', form)).toMatchObject({
      status: 415,
      json: { detail: 'Send the file itself as the body, with Content-Type: text/csv, and not as a form.' },
    });
    for (const [bytes, message] of [
      [
        Buffer.from('phone\n1\n', 'utf16le'),
        'The file is UTF-16 without a byte order mark; save it as UTF-8, or as UTF-16 with the mark, and upload it again.',
      ],
      [
        Buffer.from('PK\x03\x04'),
        'The file is an Excel workbook (XLSX) or another ZIP archive; open it in the spreadsheet program, save it as "CSV UTF-8" and upload that file.',
      ],
      [
        Buffer.from('phone,reason\n79994440011,Gr\xfc\xdfe\n', 'latin1'),
        'Line 2: The line is not UTF-8, perhaps Windows-1252; save the file as "CSV UTF-8" and upload it again.',
      ],
      [
        Buffer.from('phone,reason\r\n79994440011,"a\r\n'),
        'Line 2: The quote that opens in line 2 does not close; close it, or double the quotes inside a quoted field.',
      ],
      ...['phone,reason', '+79994440011,x'].map((first): [Buffer, string] => [
        Buffer.from(`${first}+79994440012,x+79994440013,x`),
        'The file is one line with further numbers in it: its line ends are lost; send the file as it is (curl: --data-binary).',
      ]),
      [
        Buffer.from('+79994440011,+79994440012,+79994440013\n'),
        'The first line has 3 phone numbers; write each in a line of its own, or name the columns in the first line.',
      ],
      [
        Buffer.from('[{"phoneNumber":"79994440011"}]'),
        'The file is JSON, not CSV. For a contract ask for the import with format "ndjson" and write one object a line; else write a CSV file.',
      ],
      [
        Buffer.from('phone,mobile\n79994440011,79994440012\n'),
        'Two columns mean the phone number; leave one out, or send two files.',
      ],
      [
        Buffer.from('name\nx\n'),
        'The first line names no column phoneNumber (or phone, mobile, to), and does not begin with a phone number.',
      ],
    ] as const) {
      expect((await send(bytes)).errors).toEqual([{ path: '', code: 'INVALID', message }]);
    }
  });

  it.each(['', 'name,age\nx,1\n', '"open'])('refuses %j', async (raw) => {
    expect(await importFile(raw)).toMatchObject({ status: 422, json: { errors: [{ code: 'INVALID' }] } });
  });
});

it('an account says whether it answers those who opt out', async () => {
  const id = await api.account({ optOutReply: false });
  expect((await api.call('GET', `/v1/accounts/${id}`)).json.optOutReply).toBe(false);
  expect((await api.call('PATCH', `/v1/accounts/${id}`, { optOutReply: true })).json.optOutReply).toBe(true);
  expect((await api.call('GET', `/v1/accounts/${await api.account()}`)).json.optOutReply).toBe(true);
});

describe('a contract to somebody on the list', () => {
  const counts = { pending: 1, suppressed: 1, failed: 0 };

  it('is accepted; that message is suppressed at once, with its reason, and counted apart', async () => {
    await add('79993330001');
    const accountId = await api.account({}, { connected: true });
    const made = await api.call('POST', '/v1/contracts', {
      accountId,
      name: 'x',
      message: 'Hello',
      recipients: [{ phoneNumber: '+79993330001', externalId: 'a' }, { phoneNumber: '+79993330002' }],
    });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({ totalCount: 2, counts });
    expect(made.json.warnings).toEqual(['Recipients who have opted out: 1. They are recorded as suppressed.']);
    const { items } = (await api.call('GET', `/v1/messages?contractId=${made.json.id}&status=SUPPRESSED`)).json;
    expect(items).toMatchObject([
      {
        to: '79993330001',
        status: 'SUPPRESSED',
        reason: 'The recipient has asked for no more messages.',
        error: { code: 'OPTED_OUT' },
        attempts: 0,
      },
    ]);
    const added = await api.call('POST', `/v1/contracts/${made.json.id}/recipients`, {
      message: 'More',
      recipients: [{ phoneNumber: '79993330001' }, { phoneNumber: '79993330003' }],
    });
    expect(added.json).toMatchObject({ totalCount: 4, counts: { pending: 2, suppressed: 2 } });
    const stats = (await api.call('GET', `/v1/contracts/${made.json.id}/stats`)).json;
    expect(stats).toMatchObject({ total: 4, suppressed: 2, failed: 0, success: 0, pending: 2, successRate: '0.00%' });
    const csv = (await api.call('GET', `/v1/contracts/${made.json.id}/results.csv`)).text;
    expect(csv.split('\n')[1]).toBe(
      '79993330001,a,SUPPRESSED,,,,0,OPTED_OUT: The recipient has asked for no more messages.',
    );
  });

  it('is suppressed in either spelling', async () => {
    await add('554899121111');
    await add('+52 55 1234 1111');
    const accountId = await api.account({}, { connected: true });
    const made = await api.call('POST', '/v1/contracts', {
      accountId,
      name: 'x',
      message: 'Hello',
      recipients: ['+5548999121111', '+554899121111', '+525512341111', '+5215512341111', '+5548999121112'].map(
        (phoneNumber) => ({ phoneNumber }),
      ),
    });
    expect(made.json).toMatchObject({ totalCount: 5, counts: { pending: 1, suppressed: 4 } });
  });

  it('is of another tenant’s concern only by its own list', async () => {
    await add('4915112349999');
    const accountId = await api.account({}, { key: api.keyB, connected: true });
    const body = { accountId, name: 'x', recipients: [{ phoneNumber: '4915112349999', message: 'x' }] };
    const made = await api.call('POST', '/v1/contracts', body, { key: api.keyB });
    expect(made.json).toMatchObject({ counts: { pending: 1, suppressed: 0 } });
  });

  it('has the same rows however often it is asked for', async () => {
    const accountId = await api.account({}, { connected: true });
    const body = { accountId, name: 'x', recipients: [{ phoneNumber: '79993330009', message: 'x' }] };
    const headers = { 'idempotency-key': 'once' };
    const first = await api.call('POST', '/v1/contracts', body, { headers });
    await add('79993330009');
    const second = await api.call('POST', '/v1/contracts', body, { headers });
    expect(second.text).toBe(first.text);
    expect((await api.call('GET', `/v1/contracts/${first.json.id}`)).json).toMatchObject({
      counts: { pending: 1, suppressed: 0 },
    });
  });
});
