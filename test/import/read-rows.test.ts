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
      { line: 5, problem: 'The line has 1 field, the header has 2.' },
      { line: 6, input: { phoneNumber: '4', text: 'y' } },
    ]);
  });

  it.each([
    ['', 1, 'The file is empty; its first line names the columns.'],
    ['phoneNumber\n1\n', 1, 'The column message (or text) is missing.'],
    ['message\n1\n', 1, 'The column phoneNumber (or phone, to) is missing.'],
    ['to,phoneNumber,text\n', 1, 'A column is there twice: "to" and "phoneNumber" mean the same; leave one out.'],
    ['\n\nto,text,mobile\n', 3, 'A column is there twice: "to" and "mobile" mean the same; leave one out.'],
    ['sep=#\nto#text\n', 1, 'The first line names an unknown delimiter; use a comma, a semicolon, a tab or |.'],
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
    [
      '79991234567,Hello\n',
      1,
      'The first line names the columns: phoneNumber, message and optionally externalId; "79991234567" is none of them.',
    ],
    ['phoneNumber,message,Email\n', 1, 'Email is not built yet; leave email out.'],
  ])('refuses %j', async (file, line, message) => {
    await expect(all(csvRows(body(file)))).rejects.toMatchObject({ name: 'UnreadableFile', line, message });
  });

  it('names the line of a quote that does not belong', async () => {
    const middle =
      'A quote stands in the middle of a field; put the whole field into quotes and double the quotes inside.';
    const closes =
      'The quote that opens in line 3 closes in the middle of a field; double the quotes inside a quoted field.';
    const open = 'The quote that opens in line 4 does not close; close it, or double the quotes inside a quoted field.';
    for (const [file, line, message] of [
      ['phoneNumber,message\n1,a\n2,b"c"\n', 3, middle],
      ['phoneNumber,message\r\n1,a\r\n2,"b\r\nc"d\r\n', 4, closes],
      ['phoneNumber,message\r1,a\r"2\n","b\r3,c\r4,d\r', 4, open],
      [`phoneNumber,message\r1,a\r"2\n","b\r${'3,c\r4,d\r'.repeat(20_000)}`, 4, open],
    ] as const) {
      await expect(all(csvRows(body(file)))).rejects.toMatchObject({ name: 'UnreadableFile', line, message });
    }
  });

  it('takes any mixture of line ends, with lines as an editor counts them', async () => {
    const file = 'to,text,externalId\n1,a,A1\r\n\r\n2,"b\r\nb\rb",A2\r3,c,A3\n\r4,"d\n",A4';
    const rows = [
      { line: 2, input: { phoneNumber: '1', text: 'a', externalId: 'A1' } },
      { line: 4, input: { phoneNumber: '2', text: 'b\nb\nb', externalId: 'A2' } },
      { line: 7, input: { phoneNumber: '3', text: 'c', externalId: 'A3' } },
      { line: 9, input: { phoneNumber: '4', text: 'd\n', externalId: 'A4' } },
    ];
    const bytes = Buffer.from(file);
    expect(await all(csvRows(body(file)))).toEqual(rows);
    expect(await all(csvRows(Readable.from([...bytes].map((byte) => Buffer.from([byte])))))).toEqual(rows);
  });

  it('takes a number that a spreadsheet keeps as text', async () => {
    expect(await all(csvRows(body('to;text\n="79991234567";"=1"\n')))).toEqual([
      { line: 2, input: { phoneNumber: '79991234567', text: '=1' } },
    ]);
  });

  it('passes over blank rows, padding, and a hint at the delimiter', async () => {
    const file =
      '\ufeffsep=;\r\n;;;\r\nPhone Number;Message;;\r\n;;;\r\n +7 999 1 ;"a;b";;\r\n;  ;\t;\r\n 2; "b" ;\r\n;;;\r\n3;c;;x\r\n4';
    expect(await all(csvRows(body(file)))).toEqual([
      { line: 5, input: { phoneNumber: ' +7 999 1 ', text: 'a;b' } },
      { line: 7, input: { phoneNumber: ' 2', text: 'b' } },
      { line: 9, problem: 'The line has 4 fields, the header has 2.' },
      { line: 10, problem: 'The line has 1 field, the header has 2.' },
    ]);
  });

  it.each([
    'phone',
    'phone_number',
    'Phone Number',
    'PHONE-NUMBER',
    ' mobile ',
    'phoneNumber',
    'To',
    'Mobile\u00a0Phone',
    'WhatsApp Number',
    'Tel',
  ])('knows the column %j', async (title) => {
    const file = `External_ID|${title}|TEXT\nA1|1|a\n`;
    expect(await all(csvRows(body(file)))).toEqual([
      { line: 2, input: { phoneNumber: '1', text: 'a', externalId: 'A1' } },
    ]);
  });

  const mixtures = ['\n', '\r\n', '\r'];
  it('gives each row of any mixture once, whole, in any chunks', async () => {
    // Every assignment of three line ends to header, row, line end in quotes, row.
    for (let n = 0; n < 81; n += 1) {
      const end = (place: number) => mixtures[Math.floor(n / 3 ** place) % 3] ?? '';
      const file = `to,text${end(0)}1,a${end(1)}2,"b${end(2)}b"${end(3)}3,c`;
      const half = Buffer.from(file);
      const cut = 8 + (n % 20);
      expect(await all(csvRows(Readable.from([half.subarray(0, cut), half.subarray(cut)])))).toEqual([
        { line: 2, input: { phoneNumber: '1', text: 'a' } },
        { line: 3, input: { phoneNumber: '2', text: 'b\nb' } },
        { line: 5, input: { phoneNumber: '3', text: 'c' } },
      ]);
    }
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

  it('refuses both names of a field, as inline recipients are refused', async () => {
    const file =
      '{"to":"1","phoneNumber":"2","text":"a"}\r{"to":"1","text":"a","message":"b"}\n\r\n[\n{"to":"1","text":"a"},\r';
    expect(await all(ndjsonRows(body(file)))).toEqual([
      { line: 1, problem: 'Send phoneNumber or to, not both.' },
      { line: 2, problem: 'Send message or text, not both.' },
      {
        line: 4,
        problem: 'The line is not a whole JSON object; write each recipient on one line, without a list around them.',
      },
      {
        line: 5,
        problem: 'The line is not a whole JSON object; write each recipient on one line, without a list around them.',
      },
    ]);
  });

  it('names lines that are no recipients', async () => {
    const rows = await all(ndjsonRows(body('{"to":1}\nnope\n{"to":"1","text":"a","x":1}\nnull\n')));
    expect(rows.map((row) => row.line)).toEqual([1, 2, 3, 4]);
    expect(rows.map((row) => ('problem' in row ? row.problem : ''))).toEqual([
      'to: Must be a string.',
      'The line is not JSON.',
      'There is no field "x".',
      'The line is not a JSON object.',
    ]);
  });

  it('says of a list on one line that each recipient has its own', async () => {
    expect(await all(ndjsonRows(body('[{"to":"1","text":"a"}]')))).toEqual([
      {
        line: 1,
        problem: 'The line is not a whole JSON object; write each recipient on one line, without a list around them.',
      },
    ]);
  });

  it.each(['to,text\n1,a\n', '\n"Phone Number";"Message"\n"1";"a"\n'])('says of %j that it is CSV', async (file) => {
    await expect(all(ndjsonRows(body(file)))).rejects.toMatchObject({
      name: 'UnreadableFile',
      message: 'The file is CSV, not NDJSON. Ask for the import again, with format "csv".',
    });
  });

  it('takes a text that reads like a header for a text', async () => {
    const rows = await all(ndjsonRows(body('{"text":"a, phone, b","to":"1"}')));
    expect(rows).toEqual([{ line: 1, input: { phoneNumber: '1', text: 'a, phone, b', externalId: undefined } }]);
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
      message: 'The line is not UTF-8, perhaps Windows-1252; save the file as "CSV UTF-8" and upload it again.',
    };
    await expect(
      all(csvRows(bytes(Buffer.from('to,text\n1,a\n2,Gr\xfc\xdfe\n3,b\n', 'latin1')))),
    ).rejects.toMatchObject(refusal);
    const ndjson = '{"to":"1","text":"a"}\r\n\r\n{"to":"2","text":"caf\xe9"}';
    await expect(all(ndjsonRows(bytes(Buffer.from(ndjson, 'latin1'))))).rejects.toMatchObject(refusal);
    const half = Buffer.concat([Buffer.from(`\ufeff${csv}1,`, 'utf16le'), Buffer.from([0x3d, 0xd8])]);
    await expect(all(csvRows(bytes(half)))).rejects.toMatchObject({ name: 'UnreadableFile', line: 4 });
  });

  it.each([
    [
      'PK\x03\x04xl/workbook',
      'The file is an Excel workbook (XLSX) or another ZIP archive; open it in the spreadsheet program, save it as "CSV UTF-8" and upload that file.',
    ],
    [
      '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0',
      'The file is an old Excel workbook (XLS); open it in the spreadsheet program, save it as "CSV UTF-8" and upload that file.',
    ],
    ['\x1f\x8b\x08\0', 'The file is compressed with gzip; unpack it and upload the file inside.'],
    ['\xfd7zXZ\0', 'The file is a compressed archive; unpack it and upload the file inside.'],
    [
      '{\\rtf1\\ansi to,text',
      'The file is a text document (RTF); put its table into a spreadsheet program, save it as "CSV UTF-8" and upload that file.',
    ],
    ['\x89PNG\r\n', 'The file is a picture; take the table it shows, save it as "CSV UTF-8" and upload that file.'],
    ['BEGIN:VCARD\r\n', 'The file holds contacts (vCard); export them as CSV and upload that file.'],
    ['%PDF-1.7\n', 'The file is a PDF; take the table it was made from, save it as "CSV UTF-8" and upload that file.'],
    [
      '\n<!DOCTYPE html>\n<html>',
      'The file is a web page (HTML); open it in the spreadsheet program, save it as "CSV UTF-8" and upload that file.',
    ],
    [
      '<?xml version="1.0"?><Workbook>',
      'The file is XML; open it in the spreadsheet program, save it as "CSV UTF-8" and upload that file.',
    ],
    [
      Buffer.from('to,text\r\n1,a\r\n', 'utf16le').toString('latin1'),
      'The file is UTF-16 without a byte order mark; save it as UTF-8, or as UTF-16 with the mark, and upload it again.',
    ],
    [
      Buffer.from('to,text\n1,Привет\n', 'utf16le').swap16().toString('latin1'),
      'The file is UTF-16 without a byte order mark; save it as UTF-8, or as UTF-16 with the mark, and upload it again.',
    ],
  ])('says what to do with %j', async (start, message) => {
    const refusal = { name: 'UnreadableFile', line: 1, message };
    await expect(all(csvRows(bytes(Buffer.from(start, 'latin1'))))).rejects.toMatchObject(refusal);
    await expect(all(ndjsonRows(bytes(Buffer.from(start, 'latin1'))))).rejects.toMatchObject(refusal);
  });

  it('names the line of a NUL', async () => {
    const message =
      'The line contains a NUL character, so the file is no plain text; save it as "CSV UTF-8" and upload it again.';
    await expect(all(csvRows(body('to,text\r\n1,a\r2,b\0\n')))).rejects.toMatchObject({ line: 3, message });
  });

  it('names the line that is not UTF-8 behind any line ends', async () => {
    const file = Buffer.from('to,text\r1,a\r\n2,b\n3,Gr\xfc\xdfe\r\n', 'latin1');
    await expect(all(csvRows(bytes(file)))).rejects.toMatchObject({ line: 4 });
    await expect(all(csvRows(Readable.from([file])))).rejects.toMatchObject({ line: 4 });
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
