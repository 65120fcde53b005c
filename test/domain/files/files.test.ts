import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { readSuppressions, rowsOf } from '../../../functions/api/suppressions/file.ts';
import { csvRecords } from '../../../lib/domain/files/csv.ts';
import { textOf } from '../../../lib/domain/files/file-text.ts';

async function records(file: string, chunkBytes = 7): Promise<{ line: number; fields: string[] }[]> {
  const bytes = Buffer.from(file);
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, n) =>
    bytes.subarray(chunkBytes * n, chunkBytes * (n + 1)),
  );
  const found: { line: number; fields: string[] }[] = [];
  for await (const record of csvRecords(chunks, () => 0)) found.push(record);
  return found;
}

describe('the CSV reader', () => {
  const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
  const cell = fc.string({
    unit: fc.constantFrom('a', 'ü', '😀', '"', ',', ';', ' ', '\n', '\r\n', '\r'),
    maxLength: 6,
  });
  const row = fc.tuple(fc.array(cell, { minLength: 2, maxLength: 4 }), lineEnd);
  const written = (cells: string[]): string =>
    cells.map((text) => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(',');
  const asLines = (text: string) => text.replace(/\r\n?/g, '\n');
  const isBlank = (cells: string[]) =>
    cells.every((text) => text.trim() === '') || (cells.length === 1 && /^[\s,;|]*$/.test(cells[0] ?? ''));

  it('gives back every row that was written, with any line ends, where an editor shows it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 8 }), fc.integer({ min: 1, max: 40 }), async (rows, chunkBytes) => {
        // The first row has commas alone, so that they are the delimiter.
        const all: [string[], string][] = [[['x', 'y', 'z', 'w', 'v', 'u', 't', 's'], '\n'], ...rows];
        const file = all.map(([cells, end]) => written(cells) + end).join('');
        const expected: { line: number; fields: string[] }[] = [];
        let line = 1;
        for (const [cells] of all) {
          const fields = cells.map(asLines);
          if (!isBlank(fields)) expected.push({ line, fields });
          line += asLines(written(cells)).split('\n').length;
        }
        expect(await records(file, chunkBytes)).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('agrees with csv-parse on text with one kind of line end', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '"', '""', ',', '\n', ',"', '",', '"\n'), maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(text, async (tail) => {
        const file = `x,y\n${tail}`;
        const options = { record_delimiter: '\n', relax_column_count: true, skip_empty_lines: true };
        let theirs: string[][] | 'refused';
        try {
          theirs = parse(file, options);
        } catch {
          theirs = 'refused';
        }
        const ours = await records(file).then(
          (found) => found.map(({ fields }) => fields),
          () => 'refused' as const,
        );
        expect(ours).toEqual(theirs === 'refused' ? theirs : theirs.filter((fields) => !isBlank(fields)));
      }),
      { numRuns: 500 },
    );
  });
});

describe('the text of a file', () => {
  it('is the same in every encoding and in chunks of any length', async () => {
    const unit = fc.constantFrom('a', 'é', '€', '😀', '\ufffd', '\r', '\n', '\r\n', '\ufeff', '中');
    const chunked = (bytes: Buffer, chunkBytes: number): Buffer[] =>
      Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, n) =>
        bytes.subarray(chunkBytes * n, chunkBytes * (n + 1)),
      );
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit, maxLength: 700 }),
        fc.integer({ min: 1, max: 700 }),
        async (text, chunkBytes) => {
          const little = Buffer.from(`\ufeff${text}`, 'utf16le');
          for (const bytes of [Buffer.from(`\ufeff${text}`), little, Buffer.from(little).swap16()]) {
            let read = '';
            for await (const part of textOf(chunked(bytes, chunkBytes))) read += part;
            expect(read).toBe(text.replace(/\r\n?/g, '\n'));
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

test('each row of a suppression file is taken, known already, or named, with any line ends', async () => {
  const end = fc.constantFrom('\n', '\r\n', '\r');
  const cell = fc.constantFrom(
    '79991234567',
    '+49 151 12340001',
    '12',
    'x',
    '="79991234567"',
    '491701234567.0',
    '"7\r\n999"',
  );
  const row = fc.tuple(cell, fc.constantFrom('', ';', ';said "no"', ';"a\rb"', ';x;y;z'), end);
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 12 }), end, async (rows, headerEnd) => {
      const named = rows.map(([number, more, rowEnd]) => number + more.replace(' "no"', ' no') + rowEnd).join('');
      const file = await readSuppressions([Buffer.from(`Phone;Reason${headerEnd};;${headerEnd}${named}`)], 'DE');
      expect(rowsOf(file)).toBe(rows.length);
    }),
    { numRuns: 200 },
  );
});
