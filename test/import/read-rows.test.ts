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
      'to: Invalid input: expected string, received number',
      'The line is not JSON.',
      'Unrecognized key: "x"',
      'Invalid input: expected object, received array',
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
