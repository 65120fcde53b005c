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
  /** The line in which the row begins, counted from 1. */
  line: number;
  person: Person;
  /** The reading of the number; absent when the number cannot be in doubt. The caller chooses between two readings. */
  number?: NumberReading;
  reason?: string;
}

export interface SuppressionFile {
  /** Each row has an address that no earlier row has. */
  rows: SuppressionRow[];
  repeated: number;
  /** One for each row that is left out. */
  errors: { line: number; code: string; message: string }[];
}

/**
 * Most people and rows of a file. Reading ends with the first one too many. A tenant's list is one partition, which takes 1,000 write units a second;
 * a person costs two, and a call has 29 s.
 */
export const maxPeople = 10_000;
export const maxFileRows = 50_000;
const longestReason = 200;
/** A LID as spreadsheets show long numbers: 5.55E+14, 555000000003001.0. */
const damagedLid = /^\d+(?:[.,]\d+(?:e\+?\d+)?|e\+?\d+)$/i;
const exportTitles = ['phoneNumber', 'lid', 'reason', 'source', 'accountId', 'createdAt'];
export const suppressionHead = `${exportTitles.join(',')}\n`;

/** The place of each column in the file; -1 for a missing column. */
interface Layout {
  numberAt: number;
  lidAt: number;
  reasonAt: number;
  createdAt: number;
  hasHeader: boolean;
  /** The file is an exported suppressions.csv. */
  isExport: boolean;
}

/**
 * Reads the people of a CSV file. It has a column with the phone number (or `lid:` and the LID) under any of its names (lib/domain/files/columns.ts),
 * a column with the LID, or both, and optionally reason. Other columns are skipped, so that an export can be imported. Without a header it reads the
 * first column. Throws UnreadableFile for a file that is no CSV or has no such column.
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
    // The caller refuses a file with too many people or rows.
    if (file.rows.length > maxPeople || rowsOf(file) > maxFileRows) break;
    const { line, fields } = record;
    const found = personIn(fields, layout, defaultCountry);
    if (typeof found === 'string') {
      file.errors.push({ line, code: 'INVALID_NUMBER', message: found });
      continue;
    }
    // A number with two readings is not decided yet.
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

/** Returns whether the only record of a file contains the later ones too. Programs that send form data (curl -d) remove line endings. */
function isJoined({ fields }: CsvRecord, { hasHeader }: Layout): boolean {
  return fields.some((field, at) => (hasHeader ? /\d{7}/.test(field) : at > 0 && /\+\d{7}/.test(field)));
}

/** Returns how many rows the file has, without blank ones. */
export function rowsOf({ rows, repeated, errors }: SuppressionFile): number {
  return rows.length + repeated + errors.length;
}

/** Returns the person whom a row names, or a sentence that says why there is none. */
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
  // An exported number is accepted as it is, because WhatsApp knows numbers that the numbering plans do not.
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
      // Only the first number would be taken.
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

/** Returns the lines of a suppressions.csv for one entry: one for each number and LID that completes its addresses. */
export function suppressionLines(suppression: Suppression): string {
  return peopleOf(suppression)
    .map((person) => suppressionLine({ ...suppression, ...person }))
    .join('');
}

function suppressionLine(suppression: Suppression): string {
  const { phoneNumber, lid, reason, source, accountId, createdAt } = suppressionView(suppression);
  return `${[phoneNumber, lid ?? '', field(reason), source, accountId ?? '', createdAt].join(',')}\n`;
}
