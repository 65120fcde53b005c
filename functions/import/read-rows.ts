import type { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { z } from 'zod';
import type { RowInput } from '../../lib/aws/pages.ts';

/** One row of a file: what it says, or why it cannot be read. `line` counts from 1 and is where the row begins. */
export type FileRow = { line: number; input: RowInput } | { line: number; problem: string };

/** A file that is not what it should be as a whole, with the line that shows it. */
export class UnreadableFile extends Error {
  override name = 'UnreadableFile';
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** Longer lines are no recipients: a text has at most 4,096 characters. */
const maxRecordBytes = 128 * 1024;

const columns: Record<string, keyof RowInput> = {
  phonenumber: 'phoneNumber',
  to: 'phoneNumber',
  message: 'text',
  text: 'text',
  externalid: 'externalId',
};

/**
 * Rows of a CSV file with a header line: phoneNumber (or to), message (or text), optionally externalId, in any order and case. A byte order
 * mark and CRLF are fine. Throws UnreadableFile.
 */
export async function* csvRows(body: Readable): AsyncGenerator<FileRow> {
  const parser = body.pipe(
    parse({
      bom: true,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: false,
      max_record_size: maxRecordBytes,
    }),
  );
  // pipe does not carry errors over.
  body.on('error', (error) => parser.destroy(error));
  let names: (keyof RowInput)[] | undefined;
  let line = 1;
  try {
    for await (const item of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const { record, info } = item;
      if (names === undefined) {
        names = headerOf(record);
      } else if (record.length !== names.length) {
        yield { line, problem: `The line has ${record.length} fields, the header has ${names.length}.` };
      } else {
        const input: RowInput = { phoneNumber: undefined, text: undefined };
        names.forEach((name, index) => {
          input[name] = record[index];
        });
        yield { line, input };
      }
      // `info.lines` is where the parser stands after the record.
      line = info.lines + 1;
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new UnreadableFile(
      typeof error.lines === 'number' ? error.lines : line,
      `The file is not CSV: ${error.message}`,
    );
  } finally {
    body.destroy();
  }
  if (names === undefined) throw new UnreadableFile(1, 'The file is empty; its first line names the columns.');
}

function headerOf(record: string[]): (keyof RowInput)[] {
  const names = record.map((title) => {
    const name = columns[title.trim().toLowerCase()];
    if (name === undefined) {
      const message = `The column "${title.slice(0, 50)}" is not known; columns are phoneNumber, message and externalId.`;
      throw new UnreadableFile(1, message);
    }
    return name;
  });
  if (new Set(names).size !== names.length) throw new UnreadableFile(1, 'A column is there twice.');
  if (!names.includes('phoneNumber')) throw new UnreadableFile(1, 'The column phoneNumber (or to) is missing.');
  if (!names.includes('text')) throw new UnreadableFile(1, 'The column message (or text) is missing.');
  return names;
}

const recipient = z.strictObject({
  phoneNumber: z.string().optional(),
  to: z.string().optional(),
  message: z.string().optional(),
  text: z.string().optional(),
  externalId: z.string().optional(),
});

/** Rows of a file with one JSON object a line; empty lines are skipped. Throws UnreadableFile. */
export async function* ndjsonRows(body: Readable): AsyncGenerator<FileRow> {
  let line = 0;
  for await (const text of linesOf(body)) {
    line += 1;
    if (text.length > maxRecordBytes) throw new UnreadableFile(line, 'The line is too long to be a recipient.');
    if (text.trim() !== '') yield ndjsonRow(line, text);
  }
}

/** Lines without their ends; a byte order mark is dropped. A line beyond the bound comes cut off, and is the last. */
async function* linesOf(body: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > maxRecordBytes) break;
  }
  yield rest + decoder.decode();
}

function ndjsonRow(line: number, text: string): FileRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { line, problem: 'The line is not JSON.' };
  }
  const parsed = recipient.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') ?? '';
    return { line, problem: `${where === '' ? '' : `${where}: `}${issue?.message ?? 'The line is not a recipient.'}` };
  }
  const { phoneNumber, to, message, text: other, externalId } = parsed.data;
  return { line, input: { phoneNumber: phoneNumber ?? to, text: message ?? other, externalId } };
}
