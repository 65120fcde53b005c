import { z } from 'zod';
import { sentenceOf } from '../../lib/domain/field-sentences.ts';
import { columnOf, foldTitle } from '../../lib/domain/files/columns.ts';
import { csvRecords } from '../../lib/domain/files/csv.ts';
import { linesOf } from '../../lib/domain/files/file-text.ts';
import { UnreadableFile } from '../../lib/domain/files/unreadable.ts';
import { cut } from '../../lib/domain/well-formed.ts';

/** One recipient of a file, unchecked. */
export interface FileRecipient {
  phoneNumber: string | undefined;
  text: string | undefined;
  externalId?: string | undefined;
}

/** One row of a file: its recipient, or why it cannot be read. `line` is the line in which the row begins, counted from 1. */
export type FileRow = { line: number; input: FileRecipient } | { line: number; problem: string };

type Body = AsyncIterable<Uint8Array>;

/** Fields of later releases, by folded name, each with the sentence that refuses it. */
const notBuilt = new Map([
  ['email', 'Email is not built yet; leave email out.'],
  ['data', 'Templates are not built yet: leave data out and send the finished message.'],
]);

const rowColumns = ['phoneNumber', 'text', 'externalId'] as const;
type RowColumn = (typeof rowColumns)[number];

function rowColumnOf(title: string): RowColumn | undefined {
  const column = columnOf(title);
  return rowColumns.find((one) => one === column);
}

/**
 * Reads a CSV file with a header. Its columns are phone number, message and optionally externalId, in any order and under any of their names
 * (lib/domain/files/columns.ts). Blank rows are left out. Throws UnreadableFile.
 */
export async function* csvRows(body: Body): AsyncGenerator<FileRow> {
  let names: RowColumn[] | undefined;
  const knownTitles = (fields: string[]) => fields.filter((title) => rowColumnOf(title) !== undefined).length;
  for await (const { line, fields } of csvRecords(body, knownTitles)) {
    if (names === undefined) {
      names = headerOf(line, fields);
      continue;
    }
    const width = names.length;
    // Spreadsheets fill rows with blank fields up to the widest row.
    const cells = withoutBlankEnd(fields, width);
    if (cells.length !== width) {
      const fieldsHere = cells.length === 1 ? '1 field' : `${cells.length} fields`;
      yield { line, problem: `The line has ${fieldsHere}, the header has ${width}.` };
      continue;
    }
    const input: FileRecipient = { phoneNumber: undefined, text: undefined };
    names.forEach((name, index) => {
      input[name] = cells[index];
    });
    yield { line, input };
  }
  if (names === undefined) throw new UnreadableFile(1, 'The file is empty; its first line names the columns.');
}

/** Returns the fields without blank ones at the end, but at least `width` of them. */
function withoutBlankEnd(fields: string[], width: number): string[] {
  let end = fields.length;
  while (end > width && fields[end - 1]?.trim() === '') end -= 1;
  return fields.slice(0, end);
}

function headerOf(line: number, record: string[]): RowColumn[] {
  const titles = withoutBlankEnd(record, 1);
  if (titles.every((title) => rowColumnOf(title) === undefined && !notBuilt.has(foldTitle(title)))) {
    const first = cut(titles[0] ?? '', 50);
    const message = `The first line names the columns: phoneNumber, message and optionally externalId; "${first}" is none of them.`;
    throw new UnreadableFile(line, message);
  }
  const names = titles.map((title) => {
    const name = rowColumnOf(title);
    if (name === undefined) {
      const message =
        notBuilt.get(foldTitle(title)) ??
        `The column "${cut(title, 50)}" is not known; columns are phoneNumber, message and externalId.`;
      throw new UnreadableFile(line, message);
    }
    return name;
  });
  names.forEach((name, index) => {
    const first = names.indexOf(name);
    if (first === index) return;
    const both = `"${cut(titles[first] ?? '', 50)}" and "${cut(titles[index] ?? '', 50)}"`;
    throw new UnreadableFile(line, `A column is there twice: ${both} mean the same; leave one out.`);
  });
  if (!names.includes('phoneNumber'))
    throw new UnreadableFile(line, 'The column phoneNumber (or phone, to) is missing.');
  if (!names.includes('text')) throw new UnreadableFile(line, 'The column message (or text) is missing.');
  return names;
}

const recipient = z.strictObject({
  phoneNumber: z.string().optional(),
  to: z.string().optional(),
  message: z.string().optional(),
  text: z.string().optional(),
  externalId: z.string().optional(),
});

/** Reads a file with one JSON object a line. Blank lines are left out. Throws UnreadableFile. */
export async function* ndjsonRows(body: Body): AsyncGenerator<FileRow> {
  let isFirst = true;
  for await (const { line, text } of linesOf(body)) {
    if (text.trim() === '') continue;
    // A CSV file with the format "ndjson" is refused with one sentence instead of one a line.
    if (isFirst && namesColumns(text)) {
      throw new UnreadableFile(line, 'The file is CSV, not NDJSON. Ask for the import again, with format "csv".');
    }
    isFirst = false;
    yield ndjsonRow(line, text);
  }
}

/** Returns whether the line is the header of a CSV file. */
function namesColumns(text: string): boolean {
  if (/^\s*[[{]/.test(text)) return false;
  const titles = text.replaceAll('"', '').split(/[,;\t|]/, 10);
  return titles.some((title) => rowColumnOf(title) !== undefined);
}

const notWhole = 'The line is not a whole JSON object; write each recipient on one line, without a list around them.';

function ndjsonRow(line: number, text: string): FileRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const isPart = /^\s*[[\]{},]/.test(text);
    return { line, problem: isPart ? notWhole : 'The line is not JSON.' };
  }
  if (Array.isArray(value)) return { line, problem: notWhole };
  const parsed = recipient.safeParse(value, { error: sentenceOf });
  if (!parsed.success) return { line, problem: problemOf(parsed.error.issues[0]) };
  const { phoneNumber, to, message, text: other, externalId } = parsed.data;
  if (phoneNumber !== undefined && to !== undefined) return { line, problem: 'Send phoneNumber or to, not both.' };
  if (message !== undefined && other !== undefined) return { line, problem: 'Send message or text, not both.' };
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
