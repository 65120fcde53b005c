import { columnOf, foldTitle } from '../../../lib/domain/files/columns.ts';
import { type CsvRecord, csvRecords } from '../../../lib/domain/files/csv.ts';
import { UnreadableFile } from '../../../lib/domain/files/unreadable.ts';
import { addressesOf, type Person } from '../../../lib/domain/people/person.ts';
import { type NumberReading, readAddress } from '../../../lib/domain/people/phone.ts';
import { peopleOf, type Suppression } from '../../../lib/domain/people/suppression.ts';
import { suppressionView } from '../../../lib/domain/people/suppression-view.ts';
import { cut } from '../../../lib/domain/well-formed.ts';
import { field, guarded } from '../http/csv.ts';

export interface SuppressionRow {
  /** Counts from 1. */
  line: number;
  person: Person;
  /** How the number was read; absent where it cannot be in doubt. One that can be read in two ways is still to be decided. */
  number?: NumberReading;
  reason?: string;
}

export interface SuppressionFile {
  /** Each has an address that no row before it has. */
  rows: SuppressionRow[];
  repeated: number;
  /** Rows that are not taken. With `rows` and `repeated` these are all rows of the file but blank ones. */
  errors: { line: number; code: string; message: string }[];
}

/**
 * A file may have so many rows, and name so many people. Reading ends with the first one too many. The list is one partition: 1,000 write
 * units a second, two for each person; a call has 29 s.
 */
export const maxPeople = 10_000;
export const maxFileRows = 50_000;
const longestReason = 200;
/** 5.55E+14, 555000000003001.0: as spreadsheets show long numbers. */
const damagedLid = /^\d+(?:[.,]\d+(?:e\+?\d+)?|e\+?\d+)$/i;
const exportTitles = ['phoneNumber', 'lid', 'reason', 'source', 'accountId', 'createdAt'];
export const suppressionHead = `${exportTitles.join(',')}\n`;

/** In which column the file has what; -1 where there is none. */
interface Layout {
  numberAt: number;
  lidAt: number;
  reasonAt: number;
  createdAt: number;
  hasHeader: boolean;
  /** The file is a suppressions.csv of ours. */
  isExport: boolean;
}

/**
 * People in a CSV file: a column with the phone number (or `lid:` and the LID), under any of its names (lib/domain/files/columns.ts), a column
 * with the LID, or both, and optionally reason. Other columns are passed over, so that an export can be imported. Without a header the first
 * column is taken. Throws UnreadableFile for a file that is no CSV or has no such column.
 */
export async function readSuppressions(
  body: Iterable<Uint8Array>,
  defaultCountry: string | undefined,
): Promise<SuppressionFile> {
  const file: SuppressionFile = { rows: [], repeated: 0, errors: [] };
  const seen = new Set<string>();
  let layout: Layout | undefined;
  let onlyRecord: CsvRecord | undefined;
  const isAddress = (text: string | undefined) => text !== undefined && readAddress(text, { defaultCountry }).ok;
  const suits = (fields: string[]) =>
    fields.filter((title) => columnOf(title) !== undefined).length || (isAddress(fields[0]) ? 1 : 0);
  for await (const record of csvRecords(body, suits)) {
    if (layout === undefined) {
      layout = layoutOf(record, record.fields.filter(isAddress).length, isAddress(record.fields[0]));
      onlyRecord = record;
      if (layout.hasHeader) continue;
    } else {
      onlyRecord = undefined;
    }
    // The caller refuses such a file.
    if (file.rows.length > maxPeople || rowsOf(file) > maxFileRows) break;
    const { line, fields } = record;
    const found = personIn(fields, layout, defaultCountry);
    if (typeof found === 'string') {
      file.errors.push({ line, code: 'INVALID_NUMBER', message: found });
      continue;
    }
    // Who an ambiguous number is, is not decided yet.
    const addresses = found.number?.foreign === undefined ? addressesOf(found.person) : [];
    if (addresses.length > 0 && addresses.every((address) => seen.has(address))) {
      file.repeated += 1;
      continue;
    }
    for (const address of addresses) seen.add(address);
    const reason = reasonOf(fields, layout);
    file.rows.push({ line, ...found, ...(reason === '' ? {} : { reason }) });
  }
  if (layout === undefined) throw new UnreadableFile(1, 'The file is empty.');
  if (onlyRecord !== undefined && isJoined(onlyRecord, layout)) {
    const advice = 'send the file as it is (curl: --data-binary).';
    throw new UnreadableFile(
      onlyRecord.line,
      `The file is one line with further numbers in it: its line ends are lost; ${advice}`,
    );
  }
  return file;
}

/** Whether the only record of a file holds those that followed it. Programs that send form data (curl -d) take line ends out. */
function isJoined({ fields }: CsvRecord, { hasHeader }: Layout): boolean {
  return fields.some((field, at) => (hasHeader ? /\d{7}/.test(field) : at > 0 && /\+\d{7}/.test(field)));
}

/** Rows of the file but blank ones. */
export function rowsOf({ rows, repeated, errors }: SuppressionFile): number {
  return rows.length + repeated + errors.length;
}

/** The person a row names, or why there is none: a sentence. */
function personIn(
  fields: string[],
  layout: Layout,
  defaultCountry: string | undefined,
): Pick<SuppressionRow, 'person' | 'number'> | string {
  const cell = (at: number): string => fields[at]?.trim() ?? '';
  const written = cell(layout.numberAt);
  const lidWritten = cell(layout.lidAt);
  const found: Person = {};
  if (lidWritten !== '') {
    const reading = readAddress(/^\d+$/.test(lidWritten) ? `lid:${lidWritten}` : lidWritten);
    if (!('lid' in reading)) {
      return damagedLid.test(lidWritten)
        ? 'A spreadsheet has changed the LID, and digits are lost. Take the row from the file as it was exported.'
        : 'The LID is not digits, or `lid:` and digits.';
    }
    found.lid = reading.lid;
    if (written === '') return { person: found };
  }
  // As an export prints it, whether the numbering plans know it or not: WhatsApp does.
  const isPrinted = layout.isExport && /^\d{4}-\d\d-\d\dT/.test(cell(layout.createdAt));
  if (isPrinted && /^[1-9]\d{4,14}$/.test(written)) return { person: { ...found, phoneNumber: written } };
  const reading = readAddress(written, layout.isExport ? {} : { defaultCountry });
  if (!reading.ok) return reading.reason;
  if (!('lid' in reading)) {
    const person = { ...found, phoneNumber: reading.digits };
    // Digits of an export are never in doubt.
    return layout.isExport ? { person } : { person, number: reading };
  }
  if (found.lid !== undefined && found.lid !== reading.lid) return 'The row names two LIDs.';
  return { person: { lid: reading.lid } };
}

function layoutOf({ line, fields }: CsvRecord, addresses: number, beginsWithAddress: boolean): Layout {
  const found = fields.map(columnOf);
  const numberAt = found.indexOf('phoneNumber');
  const lidAt = found.indexOf('lid');
  if (numberAt < 0 && lidAt < 0) {
    if (beginsWithAddress) {
      // One of them would be taken and the others lost.
      if (addresses > 1) {
        const advice = 'write each in a line of its own, or name the columns in the first line.';
        throw new UnreadableFile(line, `The first line has ${addresses} phone numbers; ${advice}`);
      }
      return { numberAt: 0, lidAt: -1, reasonAt: -1, createdAt: -1, hasHeader: false, isExport: false };
    }
    const message =
      'The first line names no column phoneNumber (or phone, mobile, to), and does not begin with a phone number.';
    throw new UnreadableFile(line, message);
  }
  for (const [column, name] of [
    ['phoneNumber', 'the phone number'],
    ['lid', 'the LID'],
    ['reason', 'the reason'],
  ] as const) {
    if (found.indexOf(column) === found.lastIndexOf(column)) continue;
    throw new UnreadableFile(line, `Two columns mean ${name}; leave one out, or send two files.`);
  }
  const titles = fields.map(foldTitle);
  const isExport = exportTitles.every((title) => titles.includes(foldTitle(title)));
  const createdAt = titles.indexOf(foldTitle('createdAt'));
  return { numberAt, lidAt, reasonAt: found.indexOf('reason'), createdAt, hasHeader: true, isExport };
}

function reasonOf(fields: string[], { reasonAt, isExport }: Layout): string {
  const cell = (reasonAt < 0 ? undefined : fields[reasonAt]) ?? '';
  const written = isExport && cell.startsWith("'") && guarded(cell.slice(1)) === cell ? cell.slice(1) : cell;
  return cut(written.replace(/\p{Cc}/gu, ' ').trim(), longestReason);
}

/** The lines of a suppressions.csv for one entry: a second one where the person has another number or LID. */
export function suppressionLines(suppression: Suppression): string {
  return peopleOf(suppression)
    .map((person) => suppressionLine({ ...suppression, ...person }))
    .join('');
}

function suppressionLine(suppression: Suppression): string {
  const { phoneNumber, lid, reason, source, accountId, createdAt } = suppressionView(suppression);
  return `${[phoneNumber, lid ?? '', field(reason), source, accountId ?? '', createdAt].join(',')}\n`;
}
