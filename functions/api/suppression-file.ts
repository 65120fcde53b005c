import { columnOf, foldTitle } from '../../lib/domain/files/columns.ts';
import { type CsvRecord, csvRecords } from '../../lib/domain/files/csv.ts';
import { UnreadableFile } from '../../lib/domain/files/unreadable.ts';
import { normalisePhone } from '../../lib/domain/phone.ts';
import type { Suppression } from '../../lib/domain/suppression.ts';
import { suppressionView } from '../../lib/domain/views/suppression.ts';
import { cut } from '../../lib/domain/well-formed.ts';
import { field, guarded } from './csv.ts';

export interface SuppressionRow {
  phoneNumber: string;
  reason?: string;
}

export interface SuppressionFile {
  /** Each number once. */
  rows: SuppressionRow[];
  repeated: number;
  /** Rows that are not taken. With `rows` and `repeated` these are all rows of the file but blank ones. */
  errors: { line: number; code: string; message: string }[];
}

const longestReason = 200;
const exportTitles = ['phoneNumber', 'lid', 'reason', 'source', 'accountId', 'createdAt'];
export const suppressionHead = `${exportTitles.join(',')}\n`;

/** Where the file has what. */
interface Layout {
  numberAt: number;
  reasonAt: number;
  hasHeader: boolean;
  /** The file is a suppressions.csv of ours. */
  isExport: boolean;
}

/**
 * Numbers in a CSV file: a column with the phone number, under any of its names (lib/domain/files/columns.ts), and optionally reason. Other
 * columns are passed over, so that an export can be imported. Without a header the first column is taken. Throws UnreadableFile for a file
 * that is no CSV or has no such column.
 */
export async function readSuppressions(
  body: Iterable<Uint8Array>,
  defaultCountry: string | undefined,
): Promise<SuppressionFile> {
  const file: SuppressionFile = { rows: [], repeated: 0, errors: [] };
  const seen = new Set<string>();
  let layout: Layout | undefined;
  const isNumber = (text: string | undefined) => text !== undefined && normalisePhone(text, defaultCountry).ok;
  const suits = (fields: string[]) =>
    fields.filter((title) => columnOf(title) !== undefined).length || (isNumber(fields[0]) ? 1 : 0);
  for await (const record of csvRecords(body, suits)) {
    if (layout === undefined) {
      layout = layoutOf(record, isNumber(record.fields[0]));
      if (layout.hasHeader) continue;
    }
    const { line, fields } = record;
    // An export has numbers as answers have them: international, without plus.
    const number = normalisePhone(fields[layout.numberAt] ?? '', layout.isExport ? undefined : defaultCountry);
    if (!number.ok) {
      // Of an export: people known by LID alone have no number.
      file.errors.push({ line, code: 'INVALID_NUMBER', message: number.reason });
      continue;
    }
    if (seen.has(number.digits)) {
      file.repeated += 1;
      continue;
    }
    seen.add(number.digits);
    const reason = reasonOf(fields, layout);
    file.rows.push({ phoneNumber: number.digits, ...(reason === '' ? {} : { reason }) });
  }
  if (layout === undefined) throw new UnreadableFile(1, 'The file is empty.');
  return file;
}

function layoutOf({ line, fields }: CsvRecord, beginsWithNumber: boolean): Layout {
  const found = fields.map(columnOf);
  const numberAt = found.indexOf('phoneNumber');
  if (numberAt < 0) {
    if (beginsWithNumber) return { numberAt: 0, reasonAt: -1, hasHeader: false, isExport: false };
    const message =
      'The first line names no column phoneNumber (or phone, mobile, to), and does not begin with a phone number.';
    throw new UnreadableFile(line, message);
  }
  for (const [column, name] of [
    ['phoneNumber', 'the phone number'],
    ['reason', 'the reason'],
  ] as const) {
    if (found.indexOf(column) === found.lastIndexOf(column)) continue;
    throw new UnreadableFile(line, `Two columns mean ${name}; leave one out, or send two files.`);
  }
  const titles = fields.map(foldTitle);
  const isExport = exportTitles.every((title) => titles.includes(foldTitle(title)));
  return { numberAt, reasonAt: found.indexOf('reason'), hasHeader: true, isExport };
}

function reasonOf(fields: string[], { reasonAt, isExport }: Layout): string {
  const cell = (reasonAt < 0 ? undefined : fields[reasonAt]) ?? '';
  const written = isExport && cell.startsWith("'") && guarded(cell.slice(1)) === cell ? cell.slice(1) : cell;
  return cut(written.replace(/\p{Cc}/gu, ' ').trim(), longestReason);
}

/** One line of suppressions.csv. */
export function suppressionLine(suppression: Suppression): string {
  const { phoneNumber, lid, reason, source, accountId, createdAt } = suppressionView(suppression);
  return `${[phoneNumber, lid ?? '', field(reason), source, accountId ?? '', createdAt].join(',')}\n`;
}
