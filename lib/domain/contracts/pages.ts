import { type Content, readStoredContent, type StoredContent, storedContent } from '../content.ts';

/** An S3 object with up to 500 rows of a contract, in order. */
export interface PageRef {
  key: string;
  rows: number;
}

/** Pages in lists of their own, which the contract does not hold: how many lists, pages and rows (lib/aws/contracts/page-lists.ts). */
export interface PageLists {
  lists: number;
  pages: number;
  rows: number;
}

/** An entry of `contract.pages`: the page lists, always the first entry where there are any; or a page that stands on the contract. */
export type PageEntry = PageLists | PageRef;

interface HasPages {
  pages: PageEntry[];
}

/** Returns the rows of all pages, counted by place: those that clear-failed took off the total are among them. */
export const rowsOf = ({ pages }: HasPages): number => pages.reduce((sum, entry) => sum + entry.rows, 0);

/** Returns what is in page lists. */
export function pageListsOf({ pages: [first] }: HasPages): PageLists {
  return first !== undefined && 'lists' in first ? first : { lists: 0, pages: 0, rows: 0 };
}

/** Returns the pages that stand on the contract, which come behind those in lists. */
export const inlinePagesOf = ({ pages }: HasPages): PageRef[] => pages.filter((entry) => 'key' in entry);

/** Returns how many pages a contract is made of. */
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

/** Rows of a page at most. */
export const pageSize = 500;
/** Pages of a contract at most: reading their lists stays one query. */
export const maxPages = 1_000;

/** Returns where a row (from 0) is: index of its page, and its line there (from 0); undefined past the last row. */
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
