import { cut } from '../well-formed.ts';

/** The fields that a column of an uploaded file can hold. */
export type Column = 'phoneNumber' | 'text' | 'externalId' | 'reason' | 'lid';

/** The folded titles of columns. All kinds of files share this list, so that a spreadsheet is understood in every import. */
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

/** No column has a longer title. */
const longestTitle = 100;

/** Returns a title for comparison: in lower case, without white space, underscores, hyphens and invisible characters. */
export function foldTitle(title: string): string {
  if (title.length > longestTitle) return cut(title, longestTitle);
  return title
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s_\p{Pd}\p{Cf}]/gu, '');
}

/** Returns the field that a column with this title holds; undefined for an unknown title. */
export function columnOf(title: string): Column | undefined {
  return columns.get(foldTitle(title));
}
