import { cut } from '../well-formed.ts';

/** What a column of an uploaded file can mean. */
export type Column = 'phoneNumber' | 'text' | 'externalId' | 'reason' | 'lid';

/** Names of columns, folded. One list for every file, so that a spreadsheet that is understood once is understood everywhere. */
const columns = new Map<string, Column>([
  ['phonenumber', 'phoneNumber'],
  ['phone', 'phoneNumber'],
  ['mobile', 'phoneNumber'],
  ['mobilephone', 'phoneNumber'],
  ['mobilenumber', 'phoneNumber'],
  ['telephone', 'phoneNumber'],
  ['tel', 'phoneNumber'],
  ['cell', 'phoneNumber'],
  ['cellphone', 'phoneNumber'],
  ['whatsapp', 'phoneNumber'],
  ['whatsappnumber', 'phoneNumber'],
  ['msisdn', 'phoneNumber'],
  ['to', 'phoneNumber'],
  ['message', 'text'],
  ['text', 'text'],
  ['externalid', 'externalId'],
  ['reason', 'reason'],
  ['lid', 'lid'],
]);

/** Longer titles name no column. */
const longestTitle = 100;

/** A title without what does not count: case, white space, underscores, hyphens, invisible characters. */
export function foldTitle(title: string): string {
  if (title.length > longestTitle) return cut(title, longestTitle);
  return title
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s_\p{Pd}\p{Cf}]/gu, '');
}

/** What a column with this title means; undefined for any other title. */
export function columnOf(title: string): Column | undefined {
  return columns.get(foldTitle(title));
}
