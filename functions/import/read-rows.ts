import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { z } from 'zod';
import type { RowInput } from '../../lib/aws/pages.ts';
import { sentenceOf } from '../../lib/domain/field-sentences.ts';
import { cut } from '../../lib/domain/well-formed.ts';
import { maxLineBytes, textOf, UnreadableFile } from './file-text.ts';

/** One row of a file: what it says, or why it cannot be read. `line` counts from 1 and is where the row begins. */
export type FileRow = { line: number; input: RowInput } | { line: number; problem: string };

/** Fields of later releases, by name in small letters. */
const notBuilt = new Map([
  ['email', 'Email is not built yet; leave email out.'],
  ['data', 'Templates are not built yet: leave data out and send the message as it is to be.'],
]);

const columns = new Map<string, keyof RowInput>([
  ['phonenumber', 'phoneNumber'],
  ['to', 'phoneNumber'],
  ['message', 'text'],
  ['text', 'text'],
  ['externalid', 'externalId'],
]);

/**
 * Rows of a CSV file with a header line: phoneNumber (or to), message (or text), optionally externalId, in any order and case. Fields are
 * parted by commas, semicolons or tabs, whichever the header has. A byte order mark and CRLF are fine. Throws UnreadableFile.
 */
export async function* csvRows(body: Readable): AsyncGenerator<FileRow> {
  const parts = textOf(body);
  const first = await parts.next();
  if (first.done === true) throw new UnreadableFile(1, 'The file is empty; its first line names the columns.');
  const source = Readable.from(resumed(first.value, parts));
  const parser = source.pipe(
    parse({
      delimiter: delimiterOf(first.value),
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: false,
      max_record_size: maxLineBytes,
    }),
  );
  // pipe does not carry errors over.
  source.on('error', (error) => parser.destroy(error));
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
    source.destroy();
    body.destroy();
  }
  if (names === undefined) throw new UnreadableFile(1, 'The file is empty; its first line names the columns.');
}

async function* resumed(first: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}

/** Names of columns have none of these, so the header cannot be misread; a header with several kinds is left to fail by its names. */
function delimiterOf(start: string): string {
  const header = /^\s*([^\r\n]*)/.exec(start)?.[1] ?? '';
  const found = [',', ';', '\t'].filter((delimiter) => header.includes(delimiter));
  return found.length === 1 ? (found[0] ?? ',') : ',';
}

function headerOf(record: string[]): (keyof RowInput)[] {
  const names = record.map((title) => {
    const name = columns.get(title.trim().toLowerCase());
    if (name === undefined) {
      const what = title.trim().toLowerCase();
      const message =
        notBuilt.get(what) ??
        `The column "${cut(title, 50)}" is not known; columns are phoneNumber, message and externalId.`;
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
  for await (const part of textOf(body)) {
    const lines = part.split('\n');
    // A part ends with its line; only the file's last one may lack the end.
    if (lines.at(-1) === '') lines.pop();
    for (const text of lines) {
      line += 1;
      if (text.length > maxLineBytes) throw new UnreadableFile(line, 'The line is too long to be a recipient.');
      if (text.trim() !== '') yield ndjsonRow(line, text);
    }
  }
}

function ndjsonRow(line: number, text: string): FileRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { line, problem: 'The line is not JSON.' };
  }
  const parsed = recipient.safeParse(value, { error: sentenceOf });
  if (!parsed.success) return { line, problem: problemOf(parsed.error.issues[0]) };
  const { phoneNumber, to, message, text: other, externalId } = parsed.data;
  return { line, input: { phoneNumber: phoneNumber ?? to, text: message ?? other, externalId } };
}

function problemOf(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'The line is not a recipient.';
  if (issue.code === 'unrecognized_keys') {
    const [name = ''] = issue.keys;
    return notBuilt.get(name) ?? `There is no field "${cut(name, 100)}".`;
  }
  const where = issue.path.join('.');
  return where === '' ? 'The line is not a JSON object.' : `${where}: ${issue.message}`;
}
