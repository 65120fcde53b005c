import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { csvRows, type FileRow, ndjsonRows } from '../../functions/import/read-rows.ts';

const body = (text: string): Readable => Readable.from([Buffer.from(text)]);

async function all(rows: AsyncGenerator<FileRow>): Promise<FileRow[]> {
  const found: FileRow[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

describe('CSV', () => {
  it('takes columns in any order and case, a byte order mark and CRLF', async () => {
    const file = '\ufeffMessage,EXTERNALID,To\r\n"Hello, you",e1,79991234567\r\nHi,,79991234568\r\n';
    expect(await all(csvRows(body(file)))).toEqual([
      { line: 2, input: { text: 'Hello, you', externalId: 'e1', phoneNumber: '79991234567' } },
      { line: 3, input: { text: 'Hi', externalId: '', phoneNumber: '79991234568' } },
    ]);
  });

  it('counts lines over quoted line breaks', async () => {
    const file = 'phoneNumber,message\n1,"two\nlines"\n2,x\n3\n4,y\n';
    expect(await all(csvRows(body(file)))).toEqual([
      { line: 2, input: { phoneNumber: '1', text: 'two\nlines' } },
      { line: 4, input: { phoneNumber: '2', text: 'x' } },
      { line: 5, problem: 'The line has 1 fields, the header has 2.' },
      { line: 6, input: { phoneNumber: '4', text: 'y' } },
    ]);
  });

  it.each([
    ['', 1, 'The file is empty; its first line names the columns.'],
    ['phoneNumber\n1\n', 1, 'The column message (or text) is missing.'],
    ['message\n1\n', 1, 'The column phoneNumber (or to) is missing.'],
    ['to,phoneNumber,text\n', 1, 'A column is there twice.'],
    [
      'phoneNumber,message,colour\n',
      1,
      'The column "colour" is not known; columns are phoneNumber, message and externalId.',
    ],
    [
      'phoneNumber,message,constructor\n',
      1,
      'The column "constructor" is not known; columns are phoneNumber, message and externalId.',
    ],
    ['phoneNumber,message,Email\n', 1, 'Email is not built yet; leave email out.'],
  ])('refuses %j', async (file, line, message) => {
    await expect(all(csvRows(body(file)))).rejects.toMatchObject({ name: 'UnreadableFile', line, message });
  });

  it('names the line of a quote that does not belong', async () => {
    const file = 'phoneNumber,message\n1,a\n2,b"c"\n';
    await expect(all(csvRows(body(file)))).rejects.toMatchObject({ name: 'UnreadableFile', line: 3 });
  });
});

describe('NDJSON', () => {
  it('takes an object a line, under either name', async () => {
    const file = '\ufeff{"to":"1","text":"a"}\r\n\n{"phoneNumber":"2","message":"b","externalId":"e"}';
    expect(await all(ndjsonRows(body(file)))).toEqual([
      { line: 1, input: { phoneNumber: '1', text: 'a', externalId: undefined } },
      { line: 3, input: { phoneNumber: '2', text: 'b', externalId: 'e' } },
    ]);
  });

  it('names lines that are no recipients', async () => {
    const rows = await all(ndjsonRows(body('{"to":1}\nnope\n{"to":"1","text":"a","x":1}\n[]\n')));
    expect(rows.map((row) => row.line)).toEqual([1, 2, 3, 4]);
    expect(rows.map((row) => ('problem' in row ? row.problem : ''))).toEqual([
      'to: Must be a string.',
      'The line is not JSON.',
      'There is no field "x".',
      'The line is not a JSON object.',
    ]);
  });

  it('keeps characters whole that are cut by a chunk', async () => {
    const bytes = Buffer.from('{"to":"1","text":"ü😀"}\n{"to":"2","text":"x"}');
    const chunks = Readable.from([...bytes].map((byte) => Buffer.from([byte])));
    const rows = await all(ndjsonRows(chunks));
    expect(rows.map((row) => ('input' in row ? row.input.text : ''))).toEqual(['ü😀', 'x']);
  });

  it('refuses a line that never ends, and passes a broken stream on', async () => {
    await expect(all(ndjsonRows(body(`{"to":"1","text":"a"}\n${'x'.repeat(200_000)}`)))).rejects.toMatchObject({
      name: 'UnreadableFile',
      line: 2,
    });
    const broken = () =>
      new Readable({
        read() {
          this.destroy(new Error('connection lost'));
        },
      });
    await expect(all(ndjsonRows(broken()))).rejects.toThrow('connection lost');
    await expect(all(csvRows(broken()))).rejects.toThrow('connection lost');
  });
});

describe('encodings', () => {
  const bytes = (content: Uint8Array): Readable =>
    Readable.from(Array.from({ length: Math.ceil(content.length / 7) }, (_, n) => content.subarray(7 * n, 7 * n + 7)));
  const csv = 'to,text\n1,Grüße\n2,\ud83d\ude00\n';
  const rows = [
    { line: 2, input: { phoneNumber: '1', text: 'Grüße' } },
    { line: 3, input: { phoneNumber: '2', text: '\ud83d\ude00' } },
  ];

  it('reads UTF-8, and UTF-16 where its byte order mark says so', async () => {
    const little = Buffer.from(`\ufeff${csv}`, 'utf16le');
    const big = Buffer.from(little).swap16();
    for (const file of [Buffer.from(csv), Buffer.from(`\ufeff${csv}`), little, big]) {
      expect(await all(csvRows(bytes(file)))).toEqual(rows);
    }
    const ndjson = Buffer.from('\ufeff{"to":"1","text":"ü"}\r\n{"to":"2","text":"y"}', 'utf16le');
    expect((await all(ndjsonRows(bytes(ndjson)))).map((row) => row.line)).toEqual([1, 2]);
  });

  it('refuses anything else, naming the line', async () => {
    const refusal = {
      name: 'UnreadableFile',
      line: 3,
      message: 'The line is not UTF-8; save the file as UTF-8 and upload it again.',
    };
    await expect(
      all(csvRows(bytes(Buffer.from('to,text\n1,a\n2,Gr\xfc\xdfe\n3,b\n', 'latin1')))),
    ).rejects.toMatchObject(refusal);
    const ndjson = '{"to":"1","text":"a"}\r\n\r\n{"to":"2","text":"caf\xe9"}';
    await expect(all(ndjsonRows(bytes(Buffer.from(ndjson, 'latin1'))))).rejects.toMatchObject(refusal);
    const half = Buffer.concat([Buffer.from(`\ufeff${csv}1,`, 'utf16le'), Buffer.from([0x3d, 0xd8])]);
    await expect(all(csvRows(bytes(half)))).rejects.toMatchObject({ name: 'UnreadableFile', line: 4 });
  });

  it('takes line ends of CR alone in long files', async () => {
    const file = `to,text\r${'1,abcdefgh\r'.repeat(30_000)}`;
    expect(await all(csvRows(body(file)))).toHaveLength(30_000);
  });
});

describe('delimiters', () => {
  it.each([';', '\t'])('of %j are taken where the header has them', async (mark) => {
    const file = `${['to', 'message'].join(mark)}\n${['1', 'a, b'].join(mark)}\n`;
    expect(await all(csvRows(body(file)))).toEqual([{ line: 2, input: { phoneNumber: '1', text: 'a, b' } }]);
  });

  it('stay commas where the texts have semicolons', async () => {
    expect(await all(csvRows(body('to,text\n1,a; b\n')))).toEqual([
      { line: 2, input: { phoneNumber: '1', text: 'a; b' } },
    ]);
  });
});
