import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import type { Context, SQSEvent } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { handler } from '../../functions/import/handler.ts';
import { importFile } from '../../functions/import/import-file.ts';
import { putBack } from '../../lib/aws/contracts/import-lock.ts';
import { keys } from '../../lib/aws/keys.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import { type Api, startApi, tenantA } from '../api/api.ts';

let api: Api;
let accountId: string;
beforeAll(async () => {
  api = await startApi();
  accountId = await api.account();
});
afterAll(() => api.stop());

/** A contract waiting for a file, and the key the file is to have. */
async function waiting(
  format: 'csv' | 'ndjson' = 'csv',
  more: object = {},
): Promise<{ id: string; key: string; upload: Upload }> {
  const made = await api.call('POST', '/v1/contracts', { accountId, name: 'Import', recipients: [], ...more });
  const upload = (await api.call('POST', `/v1/contracts/${made.json.id}/import`, { format })).json as unknown as Upload;
  const key = keyIn(upload.uploadUrl);
  return { id: made.json.id, key, upload };
}

interface Upload {
  uploadUrl: string;
  method: string;
  headers: Record<string, string>;
  expiresAt: string;
}

interface Shown {
  status: string;
  import: { errors: { line: number; code: string; message: string }[] };
}

const keyIn = (uploadUrl: string) => new URL(uploadUrl).pathname.replace(`/${api.emulators.config.PAGES_BUCKET}/`, '');
const put = (key: string, text: string) => api.deps.pages.put(key, Buffer.from(text));
const show = async (id: string) => (await api.call('GET', `/v1/contracts/${id}`)).json;

function note(key: string): SQSEvent {
  const body = JSON.stringify({
    Records: [{ s3: { bucket: { name: api.emulators.config.PAGES_BUCKET }, object: { key } } }],
  });
  return { Records: [{ messageId: 'note-1', body }] } as SQSEvent;
}
const context = { awsRequestId: 'x' } as Context;

describe('asking for an import', () => {
  it('gives a URL that takes the file, and shows IMPORTING until it is read', async () => {
    const { id, key, upload } = await waiting();
    expect(upload).toMatchObject({ method: 'PUT', headers: { 'Content-Type': 'text/csv' } });
    expect(key).toMatch(new RegExp(`^imports/${tenantA}/${id}/imp_[0-9A-Z]{26}\\.csv$`));
    expect(await show(id)).toMatchObject({ status: 'IMPORTING', totalCount: 0, import: { status: 'awaiting_upload' } });
    const file = 'phoneNumber,message,externalId\n+7 999 123-45-67,Hello,e1\n79991234568,"Two\nlines",\n';
    const uploaded = await fetch(upload.uploadUrl, { method: upload.method, headers: upload.headers, body: file });
    expect(uploaded.status).toBe(200);
    expect(await handler(note(encodeURIComponent(key)), context)).toEqual({ batchItemFailures: [] });
    expect(await show(id)).toMatchObject({
      status: 'PENDING',
      totalCount: 2,
      counts: { pending: 2 },
      import: { status: 'completed', rowsRead: 2, errorCount: 0, errors: [] },
    });
    const list = await api.call('GET', `/v1/messages?contractId=${id}`);
    expect(list.json.items.map((item) => [item.to, item.text, item.externalId])).toEqual([
      ['79991234568', 'Two\nlines', null],
      ['79991234567', 'Hello', 'e1'],
    ]);
    expect((await api.call('POST', `/v1/contracts/${id}/start`)).json.status).toBe('IN_PROGRESS');
  });

  it('is refused for a contract with rows, a running one, and an unknown format', async () => {
    const body = { accountId, name: 'x', recipients: api.recipients(1) };
    const full = (await api.call('POST', '/v1/contracts', body)).json.id;
    const refused = await api.call('POST', `/v1/contracts/${full}/import`, { format: 'csv' });
    expect([refused.status, refused.json.code]).toEqual([409, 'ILLEGAL_STATE']);
    const { id } = await waiting();
    expect((await api.call('POST', `/v1/contracts/${id}/import`, { format: 'xlsx' })).status).toBe(422);
    expect((await api.call('POST', `/v1/contracts/${id}/recipients`, { recipients: api.recipients(1) })).status).toBe(
      409,
    );
    expect((await api.call('POST', `/v1/contracts/${id}/start`)).status).toBe(409);
  });

  it('again replaces the first: its file counts no more', async () => {
    const { id, key } = await waiting();
    const second = (await api.call('POST', `/v1/contracts/${id}/import`, { format: 'ndjson' }))
      .json as unknown as Upload;
    await put(key, 'to,text\n79991234567,first\n');
    expect(await importFile(api.deps, key)).toBe('ignored');
    const secondKey = keyIn(second.uploadUrl);
    await put(secondKey, '{"to":"79991234567","text":"second"}\n');
    expect(await importFile(api.deps, secondKey)).toBe('imported');
    expect((await show(id)).totalCount).toBe(1);
  });
});

describe('a file with broken rows', () => {
  it('changes nothing and names each line', async () => {
    const { id, key } = await waiting();
    const rows = ['to,text', '79991234567,fine', '12,x', '79991234568,', '79991234569,"a,b",c', ',x'];
    await put(key, rows.join('\n'));
    expect(await importFile(api.deps, key)).toBe('refused');
    expect(await show(id)).toMatchObject({
      status: 'PENDING',
      totalCount: 0,
      import: {
        status: 'failed',
        rowsRead: 5,
        errorCount: 4,
        errors: [
          { line: 3, code: 'INVALID_NUMBER', message: 'The number is not a valid phone number.' },
          { line: 4, code: 'TEXT_EMPTY', message: 'The text is empty.' },
          { line: 5, code: 'MALFORMED_ROW', message: 'The line has 3 fields, the header has 2.' },
          { line: 6, code: 'REQUIRED', message: 'The phone number is missing.' },
        ],
      },
    });
    expect(await api.deps.pages.list(`pages/${tenantA}/${id}/`)).toEqual([]);
    const again = await api.call('POST', `/v1/contracts/${id}/import`, { format: 'csv' });
    expect(again.status).toBe(200);
  });

  it('names the line with half of a character', async () => {
    const { id, key } = await waiting('ndjson');
    const to = '"to":"79991234567"';
    await put(
      key,
      [`{${to},"text":"a"}`, `{${to},"text":"b","externalId":"\\ud800"}`, `{${to},"text":"\\udc00"}`].join('\n'),
    );
    expect(await importFile(api.deps, key)).toBe('refused');
    expect((await show(id)).import).toMatchObject({
      errors: [
        { line: 2, code: 'INVALID', message: 'externalId contains half of a character.' },
        { line: 3, code: 'TEXT_CONTROL_CHARACTERS', message: 'The text contains half of a character.' },
      ],
    });
  });

  it('lists at most 1,000 errors and counts the rest', async () => {
    const { id, key } = await waiting('ndjson');
    await put(key, `${'{"to":"1","text":"x"}\n'.repeat(15_000)}`);
    await importFile(api.deps, key);
    const imported = (await show(id)).import as { errorCount: number; errors: unknown[] };
    expect([imported.errorCount, imported.errors.length]).toEqual([15_000, 1000]);
  });

  it('of more than 100,000 rows names the first too many', async () => {
    const { id, key } = await waiting();
    await put(key, `to,text\n${'79991234567,x\n'.repeat(100_001)}`);
    expect(await importFile(api.deps, key)).toBe('refused');
    expect(await show(id)).toMatchObject({
      totalCount: 0,
      import: {
        errors: [{ line: 100_002, code: 'TOO_MANY_ROWS', message: 'A contract has at most 100000 recipients.' }],
      },
    });
  });

  it('that is no CSV, or empty, says so', async () => {
    const first = await waiting();
    await put(first.key, 'PK\u0003\u0004 spreadsheet');
    await importFile(api.deps, first.key);
    expect((await show(first.id)).import).toMatchObject({
      status: 'failed',
      errors: [{ line: 1, code: 'MALFORMED_ROW' }],
    });
    const second = await waiting();
    await put(second.key, 'to,text\n');
    await importFile(api.deps, second.key);
    expect((await show(second.id)).import).toMatchObject({
      errors: [{ line: 1, code: 'REQUIRED', message: 'The file has no recipients.' }],
    });
  });

  it('with skipInvalid records bad numbers as failed', async () => {
    const { id, key } = await waiting('csv', { skipInvalid: true });
    await put(key, 'to,text\n79991234567,a\nbad,b\n');
    expect(await importFile(api.deps, key)).toBe('imported');
    expect(await show(id)).toMatchObject({ totalCount: 2, counts: { pending: 1, failed: 1 } });
    const failed = await api.call('GET', `/v1/messages?contractId=${id}&status=FAILED`);
    expect(failed.json.items[0]).toMatchObject({ to: 'bad', text: 'b', error: { code: 'INVALID_NUMBER' } });
  });
});

describe('a file with mixed line ends', () => {
  it('has every row, without the ends, in the lines of an editor', async () => {
    const first = await waiting();
    await put(
      first.key,
      'phone_number;message;external_id\n79991234567;Hello;A1\r\n;;\r\n79991234568;"Two\r\nlines";A2\r\n',
    );
    expect(await importFile(api.deps, first.key)).toBe('imported');
    const list = await api.call('GET', `/v1/messages?contractId=${first.id}`);
    expect(list.json.items.map((item) => [item.to, item.text, item.externalId])).toEqual([
      ['79991234568', 'Two\nlines', 'A2'],
      ['79991234567', 'Hello', 'A1'],
    ]);
    const second = await waiting();
    await put(second.key, 'to,text\r\n79991234567,"a\nb"\n12,x\r12,y\r\n\r\n12,"z');
    expect(await importFile(api.deps, second.key)).toBe('refused');
    const { errors } = ((await show(second.id)) as unknown as Shown).import;
    expect(errors.map(({ line, message }) => [line, message])).toEqual([
      [4, 'The number is not a valid phone number.'],
      [5, 'The number is not a valid phone number.'],
      [7, 'The quote that opens in line 7 does not close; close it, or double the quotes inside a quoted field.'],
    ]);
  });
});

describe('a file with odd rows', () => {
  it('warns in the contract, from then on', async () => {
    const { id, key } = await waiting();
    await put(key, 'to,text\n+79991234567,a\n+79991234568,see https://example.com/a\n+7 999 1234567,again\n');
    expect(await importFile(api.deps, key)).toBe('imported');
    const warnings = [
      'Numbers that came before: 1. Each is sent to again.',
      'The text contains a link. Rows: 1, the first is in line 3.',
    ];
    expect((await show(id)).warnings).toEqual(warnings);
    const list = await api.call('GET', '/v1/contracts?limit=100');
    expect(list.json.items.find((item) => item.id === id)?.warnings).toEqual(warnings);
    const more = await api.call('POST', `/v1/contracts/${id}/recipients`, {
      recipients: [{ to: '+79991234568', text: 'more' }],
    });
    expect(more.json.warnings).toEqual(['Numbers that came before: 1. Each is sent to again.']);
  });

  it('that is not UTF-8 is refused with the line', async () => {
    const { id, key } = await waiting();
    await api.deps.pages.put(key, Buffer.from('to,text\n79991234567,Gr\xfc\xdfe\n', 'latin1'));
    expect(await importFile(api.deps, key)).toBe('refused');
    expect((await show(id)).import).toMatchObject({
      errorCount: 1,
      errors: [
        {
          line: 2,
          code: 'MALFORMED_ROW',
          message: 'The line is not UTF-8, perhaps Windows-1252; save the file as "CSV UTF-8" and upload it again.',
        },
      ],
    });
  });
});

describe('events', () => {
  it('that come twice import once', async () => {
    const { id, key } = await waiting();
    await put(key, 'to,text\n79991234567,a\n');
    expect(await importFile(api.deps, key)).toBe('imported');
    expect(await importFile(api.deps, key)).toBe('ignored');
    expect((await show(id)).totalCount).toBe(1);
  });

  it('that come after a crash in the middle start over', async () => {
    const { id, key } = await waiting();
    await put(key, `to,text\n${'79991234567,a\n'.repeat(1200)}`);
    const broken = { ...api.deps.pages, put: () => Promise.reject(new Error('connection lost')) };
    await expect(importFile({ ...api.deps, pages: broken }, key)).rejects.toThrow('connection lost');
    expect(await show(id)).toMatchObject({ status: 'IMPORTING', totalCount: 0, import: { status: 'reading' } });
    expect(await importFile(api.deps, key)).toBe('imported');
    expect((await show(id)).totalCount).toBe(1200);
  });

  it('of which two are handled side by side leave whole pages', async () => {
    const { id, key } = await waiting();
    const lines = Array.from({ length: 12_000 }, (_, n) => `7999${1_000_000 + n},Hello ${n}\n`);
    await put(key, `to,text\n${lines.join('')}`);
    const both = await Promise.all([importFile(api.deps, key), importFile(api.deps, key)]);
    expect(both).toContain('imported');
    expect((await show(id)).totalCount).toBe(12_000);
    const csv = await api.call('GET', `/v1/contracts/${id}/results.csv`);
    expect(csv.text.split('\n')).toHaveLength(12_002);
  });

  it('for contracts canceled while their file is read leave nothing behind', async () => {
    const { id, key } = await waiting();
    await put(key, `to,text\n${'79991234567,a\n'.repeat(30_000)}`);
    const importing = importFile(api.deps, key);
    for (;;) {
      const contract = await api.deps.table.get<Contract>(keys.contract(tenantA, id));
      if (contract?.import?.status === 'reading') break;
    }
    expect((await api.call('POST', `/v1/contracts/${id}/cancel`)).status).toBe(200);
    expect(await importing).toBe('ignored');
    expect(await show(id)).toMatchObject({ status: 'CANCELED', totalCount: 0 });
    expect(await api.deps.pages.list(`pages/${tenantA}/${id}/`)).toEqual([]);
  });

  it('for canceled contracts, other objects and missing files are ignored', async () => {
    const { id, key } = await waiting();
    await put(key, 'to,text\n79991234567,a\n');
    await api.call('POST', `/v1/contracts/${id}/cancel`);
    expect(await importFile(api.deps, key)).toBe('ignored');
    expect((await show(id)).status).toBe('CANCELED');
    expect(await importFile(api.deps, `pages/${tenantA}/${id}/x-00000.ndjson`)).toBe('ignored');
    const other = await waiting();
    expect(await importFile(api.deps, other.key)).toBe('ignored');
    expect(
      await handler({ Records: [{ messageId: 'm', body: '{"Event":"s3:TestEvent"}' }] } as SQSEvent, context),
    ).toEqual({
      batchItemFailures: [],
    });
  });

  it('that cannot be handled come again', async () => {
    const result = await handler({ Records: [{ messageId: 'bad', body: 'nonsense' }] } as SQSEvent, context);
    expect(result).toEqual({ batchItemFailures: [{ itemIdentifier: 'bad' }] });
  });
});

describe('the readers of all tenants', () => {
  const lock = keys.importLock(tenantA);

  it('read one file of a tenant at a time; the next ones go back into the queue, later each time', async () => {
    const { id, key } = await waiting();
    await put(key, 'to,text\n79991234567,a\n');
    const until = Date.now() + 60_000;
    await api.deps.table.put({ ...lock, type: 'importTurn', importId: 'imp_OTHER', until });
    expect(await importFile(api.deps, key)).toBe('waiting');
    expect(await show(id)).toMatchObject({ status: 'IMPORTING', import: { status: 'awaiting_upload' } });
    const sent: unknown[] = [];
    const sqs = { send: (command: { input: unknown }) => Promise.resolve(sent.push(command.input)) } as never;
    const record = { s3: { object: { key } }, eventName: 'ObjectCreated:Put' };
    for (const waits of [0, 1, 3, 4, 5000]) await putBack({ ...api.deps, sqs }, record, waits);
    const body = (waits: number) => JSON.stringify({ Records: [{ s3: { object: { key } } }], waits });
    expect(sent).toEqual([
      { QueueUrl: api.deps.config.IMPORT_QUEUE_URL, MessageBody: body(1), DelaySeconds: 10 },
      { QueueUrl: api.deps.config.IMPORT_QUEUE_URL, MessageBody: body(2), DelaySeconds: 20 },
      { QueueUrl: api.deps.config.IMPORT_QUEUE_URL, MessageBody: body(4), DelaySeconds: 80 },
      { QueueUrl: api.deps.config.IMPORT_QUEUE_URL, MessageBody: body(5), DelaySeconds: 120 },
      { QueueUrl: api.deps.config.IMPORT_QUEUE_URL, MessageBody: body(5001), DelaySeconds: 120 },
    ]);
    const count = async () =>
      (
        await api.deps.sqs.send(
          new GetQueueAttributesCommand({
            QueueUrl: api.deps.config.IMPORT_QUEUE_URL,
            AttributeNames: ['ApproximateNumberOfMessagesDelayed'],
          }),
        )
      ).Attributes?.ApproximateNumberOfMessagesDelayed;
    const before = Number(await count());
    expect(await handler(note(key), context)).toEqual({ batchItemFailures: [] });
    expect(Number(await count())).toBe(before + 1);
    // Another tenant's file is read meanwhile.
    const accountB = await api.account({}, { key: api.keyB });
    const order = { accountId: accountB, name: 'Import', recipients: [] };
    const other = (await api.call('POST', '/v1/contracts', order, { key: api.keyB })).json.id;
    const asked = await api.call('POST', `/v1/contracts/${other}/import`, { format: 'csv' }, { key: api.keyB });
    const keyOfB = keyIn(String(asked.json.uploadUrl));
    await put(keyOfB, 'to,text\n79991234567,a\n');
    expect(await importFile(api.deps, keyOfB)).toBe('imported');
    await api.deps.table.delete(lock);
    const back = { Records: [{ messageId: 'back-1', body: body(1) }] } as SQSEvent;
    expect(await handler(back, context)).toEqual({ batchItemFailures: [] });
    expect(await show(id)).toMatchObject({ status: 'PENDING', totalCount: 1 });
    expect(await api.deps.table.get(lock)).toBeUndefined();
  });

  it('take over the lock of a reader that was killed, and their own', async () => {
    for (const held of [
      { importId: 'imp_OTHER', until: Date.now() - 1 },
      { importId: '', until: Date.now() + 60_000 },
    ]) {
      const { key } = await waiting();
      await put(key, 'to,text\n79991234567,a\n');
      const own = /imp_[0-9A-Z]{26}/.exec(key)?.[0] ?? '';
      await api.deps.table.put({ ...lock, type: 'importTurn', ...held, importId: held.importId || own });
      expect(await importFile(api.deps, key)).toBe('imported');
      expect(await api.deps.table.get(lock)).toBeUndefined();
    }
  });

  it('unlock when reading fails', async () => {
    const { key } = await waiting();
    await put(key, 'to,text\n79991234567,a\n');
    const broken = { ...api.deps.pages, put: () => Promise.reject(new Error('connection lost')) };
    await expect(importFile({ ...api.deps, pages: broken }, key)).rejects.toThrow('connection lost');
    expect(await api.deps.table.get(lock)).toBeUndefined();
  });

  it('are free again after two minutes, and say what to do', async () => {
    const { id, key } = await waiting();
    await put(key, `to,text\n${'79991234567,a\n'.repeat(20_000)}`);
    let now = Date.now();
    // A minute for each part of the file.
    const nowMs = () => {
      now += 60_000;
      return now;
    };
    expect(await importFile({ ...api.deps, nowMs }, key)).toBe('refused');
    const { status, import: imported } = (await show(id)) as unknown as Shown;
    expect([status, imported.errors.length]).toEqual(['PENDING', 1]);
    expect(imported.errors[0]?.code).toBe('NOT_READ');
    expect(imported.errors[0]?.message).toMatch(
      /^Reading ended after 2 minutes, when \d+ rows had been read\. Split the file into smaller ones and import each into a contract of its own\.$/,
    );
    expect(await api.deps.pages.list(`pages/${tenantA}/${id}/`)).toEqual([]);
  });
});

describe('100,000 rows', () => {
  it('are imported below 30 s, with progress on the way', async () => {
    const { id, key } = await waiting();
    const lines = Array.from({ length: 100_000 }, (_, n) => `7999${1_000_000 + n},Hello ${n}\n`);
    await put(key, `phoneNumber,message\n${lines.join('')}`);
    const startedAt = performance.now();
    const importing = importFile(api.deps, key);
    const seen = new Set<number>();
    let done = false;
    const watching = (async () => {
      while (!done) {
        const contract = await api.deps.table.get<Contract>(keys.contract(tenantA, id));
        if (contract?.status === 'IMPORTING') seen.add(contract.import?.rowsRead ?? -1);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    expect(await importing).toBe('imported');
    done = true;
    await watching;
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect([...seen].some((rows) => rows >= 10_000)).toBe(true);
    expect(await show(id)).toMatchObject({ status: 'PENDING', totalCount: 100_000, counts: { pending: 100_000 } });
    const csv = await api.call('GET', `/v1/contracts/${id}/results.csv`);
    const text = csv.status === 302 ? await (await fetch(csv.headers.get('location') ?? '')).text() : csv.text;
    const rows = text.split('\n');
    expect(rows).toHaveLength(100_002);
    expect(rows[100_000]).toBe('79991099999,,PENDING,,,,0,');
  });
});
