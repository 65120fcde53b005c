import { type Content, readStoredContent, type StoredContent, storedContent } from '../content.ts';

/** An S3 object with up to 500 rows of a contract, in order. */
export interface PageRef {
  key: string;
  rows: number;
}

/** The numbers of page lists of a contract, and of the pages and rows in them. The lists are separate items (lib/aws/contracts/page-lists.ts). */
export interface PageLists {
  lists: number;
  pages: number;
  rows: number;
}

/** An entry of `contract.pages`: a page, or the summary of the page lists, which is always the first entry. */
export type PageEntry = PageLists | PageRef;

interface HasPages {
  pages: PageEntry[];
}

/** Returns how many rows all pages have. It includes rows that clear-failed took off `totalCount`. */
export const rowsOf = ({ pages }: HasPages): number => pages.reduce((sum, entry) => sum + entry.rows, 0);

/** Returns the summary of the page lists; zeros if there are none. */
export function pageListsOf({ pages: [first] }: HasPages): PageLists {
  return first !== undefined && 'lists' in first ? first : { lists: 0, pages: 0, rows: 0 };
}

/** Returns the pages on the contract item itself. They come after the pages in lists. */
export const inlinePagesOf = ({ pages }: HasPages): PageRef[] => pages.filter((entry) => 'key' in entry);

/** Returns how many pages a contract has. */
export const pageCountOf = (contract: HasPages): number => pageListsOf(contract).pages + inlinePagesOf(contract).length;

/** One row of a page. `skip` marks a row that was final when it was accepted. */
export interface PageRow {
  to: string;
  content: Content;
  externalId?: string;
  skip?: 'INVALID_NUMBER' | 'SUPPRESSED';
}

/** A line of a page's object, as JSON: the row with its content's stored form among its fields. */
export type StoredRow = Omit<PageRow, 'content'> & StoredContent;

/** Returns the line to store. The order of its fields is part of the form. */
export function storedRow({ to, content, externalId, skip }: PageRow): StoredRow {
  return {
    to,
    ...storedContent(content),
    ...(externalId === undefined ? {} : { externalId }),
    ...(skip === undefined ? {} : { skip }),
  };
}

/** Returns the row that a stored line holds. */
export function readStoredRow({ to, externalId, skip, ...content }: StoredRow): PageRow {
  return {
    to,
    content: readStoredContent(content),
    ...(externalId === undefined ? {} : { externalId }),
    ...(skip === undefined ? {} : { skip }),
  };
}

/** Most rows of a page. */
export const pageSize = 500;
/** Most pages of a contract. With so many, its lists can still be read with one query. */
export const maxPages = 1_000;

/** Returns the index of the page of a row, and its line in the page, all counted from 0; undefined after the last row. */
export function locateRow(
  pages: readonly Pick<PageRef, 'rows'>[],
  row: number,
): { page: number; offset: number } | undefined {
  if (!Number.isInteger(row) || row < 0) return undefined;
  let first = 0;
  for (const [page, { rows }] of pages.entries()) {
    if (row < first + rows) return { page, offset: row - first };
    first += rows;
  }
  return undefined;
}
