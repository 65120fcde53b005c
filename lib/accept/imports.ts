import { numbered, putSkipped, readContract } from '../aws/contracts/contracts.ts';
import { completeImport, failImport, reportImport } from '../aws/contracts/imports.ts';
import { readPageRefs } from '../aws/contracts/page-lists.ts';
import { pageKey, putPage, rowSetName } from '../aws/contracts/pages.ts';
import type { Deps } from '../aws/deps.ts';
import { type Contract, type ImportError, maxRows } from '../domain/contracts/contract.ts';
import { type PageRef, pageSize } from '../domain/contracts/pages.ts';
import { acceptRows } from './accept.ts';
import { type CheckedRow, checkRow, type InputRow, type RowSettings, tooManyRows } from './rows.ts';
import { RecipientWarnings } from './warnings.ts';

/** Most errors that are listed. Further ones are only counted. */
const maxListedErrors = 1000;
const progressEvery = 10_000;
/** Most pages that are uploaded to S3 at once. */
const pagesInFlight = 8;

/** One item of a file: a row, an unreadable row, or the reason why reading the file ends early. */
export type ImportRow =
  | InputRow
  | { place: number; unreadable: string }
  | { place: number; ends: Pick<ImportError, 'code' | 'message'> };

export interface ImportOrder {
  contract: Contract;
  importId: string;
  /** Part of the page names. A repeat for the same file has the same value, another file another one. */
  rowSet: string;
  settings: RowSettings;
  rows: AsyncIterable<ImportRow>;
}

/** The result of an import. `rows`: all rows of an imported file, the wrong rows of a refused one. `skipped`: rows that are final from the start. */
export type ImportEnd =
  | { result: 'imported'; rows: number; skipped: number }
  | { result: 'refused'; rows: number }
  | { result: 'ignored' };

/**
 * Accepts the rows of one file, all or none:
 *
 *   reading (progress every 10,000 rows) -> every row is right          -> imported   PENDING with its rows
 *                                        -> some row is wrong           -> refused    PENDING without rows, errors by line
 *                                        -> it was canceled or replaced -> ignored    nothing has changed
 *
 * Each full page is written while the next rows are read. The order of writes: pages, items of wrong numbers, the contract, items of people who
 * opted out. The contract makes everything visible. Items of people who opted out come last: if two invocations import the same file, only the
 * one whose pages the contract has may write them.
 */
export async function acceptImport(deps: Deps, order: ImportOrder): Promise<ImportEnd> {
  const { contract, importId } = order;
  const read = await readAll(deps, order);
  const { pages, rowsRead, errorCount, errors } = read;
  let end: ImportEnd = { result: 'ignored' };
  if (!read.stopped && errorCount > 0) {
    const failed = await failImport(deps.table, contract, importId, { rowsRead, errorCount, errors });
    if (failed) end = { result: 'refused', rows: read.refused };
  } else if (!read.stopped) {
    const skipped = pages.invalid.length + pages.suppressed.length;
    const done = { rows: rowsRead, skipped, suppressed: pages.suppressed.length, warnings: pages.warnings() };
    await putSkipped(deps, contract, pages.invalid);
    if (await completeImport(deps.table, contract, importId, { ...done, pages: pages.refs })) {
      await putSkipped(deps, contract, pages.suppressed);
      end = { result: 'imported', rows: rowsRead, skipped };
    }
  }
  if (end.result !== 'imported') await discard(deps, contract, pages.refs);
  return end;
}

/** Removes the pages of an import that was not accepted, except those that the contract has after a repeat of the same import. */
async function discard(deps: Deps, contract: Contract, pages: PageRef[]): Promise<void> {
  const now = await readContract(deps.table, contract.tenantId, contract.id);
  const used = new Set(now === undefined ? [] : (await readPageRefs(deps.table, now)).map(({ key }) => key));
  await deps.pages.remove(pages.map((page) => page.key).filter((key) => !used.has(key)));
}

interface Read {
  pages: ImportPages;
  rowsRead: number;
  refused: number;
  errorCount: number;
  errors: ImportError[];
  /** True: reading ended early, because the import was canceled or replaced. */
  stopped: boolean;
}

/** Reads and checks all rows. Pages are written until a row is wrong; later rows are only checked. */
async function readAll(deps: Deps, { contract, importId, rowSet, settings, rows }: ImportOrder): Promise<Read> {
  const pages = new ImportPages(deps, contract, rowSet);
  const read: Read = { pages, rowsRead: 0, refused: 0, errorCount: 0, errors: [], stopped: false };
  const fail = (line: number, code: string, message: string) => {
    read.errorCount += 1;
    if (read.errors.length < maxListedErrors) read.errors.push({ line, code, message });
  };
  for await (const row of rows) {
    if ('ends' in row) {
      fail(row.place, row.ends.code, row.ends.message);
      break;
    }
    read.rowsRead += 1;
    if (read.rowsRead > maxRows) {
      fail(row.place, tooManyRows.code, tooManyRows.message);
      break;
    }
    if (read.rowsRead % progressEvery === 0 && !(await reportImport(deps.table, contract, importId, read.rowsRead))) {
      read.stopped = true;
      break;
    }
    const result = 'unreadable' in row ? unreadable(row) : checkRow(row, settings);
    if ('problems' in result) {
      read.refused += 1;
      for (const { place, code, message } of result.problems) fail(place, code, message);
    } else if (read.errorCount === 0) await pages.add(result);
  }
  if (read.rowsRead === 0 && read.errorCount === 0) fail(1, 'REQUIRED', 'The file has no recipients.');
  // An import that stopped or failed does not need its last page.
  await pages.end(!read.stopped && read.errorCount === 0);
  return read;
}

const unreadable = ({ place, unreadable: message }: { place: number; unreadable: string }) => ({
  problems: [{ place, code: 'MALFORMED_ROW', message }],
});

type NumberedRows = ReturnType<typeof numbered>;

/** The pages of one import. Each passes `acceptRows` and is stored once it is full, while the next ones fill. */
class ImportPages {
  readonly refs: PageRef[] = [];
  /** Rows with a wrong number. */
  readonly invalid: NumberedRows = [];
  /** Rows to people who have opted out. */
  readonly suppressed: NumberedRows = [];
  readonly #deps: Deps;
  readonly #contract: Contract;
  readonly #rowSet: string;
  readonly #odd = new RecipientWarnings('line');
  readonly #uploads = new Set<Promise<void>>();
  #open: CheckedRow[] = [];

  constructor(deps: Deps, contract: Contract, rowSet: string) {
    this.#deps = deps;
    this.#contract = contract;
    this.#rowSet = rowSet;
  }

  /** Returns sentences about oddities in the rows of all pages. */
  warnings(): string[] {
    return this.#odd.sentences();
  }

  /** Adds the next row. Waits while eight pages are being uploaded. */
  async add(row: CheckedRow): Promise<void> {
    this.#open.push(row);
    if (this.#open.length < pageSize) return;
    this.#store();
    if (this.#uploads.size >= pagesInFlight) await Promise.race(this.#uploads);
  }

  /** Waits until all pages are stored. `withRest`: stores the rows after the last full page, too. */
  async end(withRest: boolean): Promise<void> {
    if (withRest && this.#open.length > 0) this.#store();
    await Promise.all(this.#uploads);
  }

  #store(): void {
    const number = this.refs.length;
    const rows = this.#open;
    this.#open = [];
    // Reserves the place of the page. Its name depends on the rows that are stored.
    this.refs.push({ key: '', rows: rows.length });
    const upload = this.#upload(number, rows).then(() => {
      this.#uploads.delete(upload);
    });
    // `add` and `end` throw what went wrong. Until then the rejection must not count as unhandled.
    upload.catch(() => undefined);
    this.#uploads.add(upload);
  }

  async #upload(number: number, checked: CheckedRow[]): Promise<void> {
    const { table, pages } = this.#deps;
    const { tenantId, id } = this.#contract;
    const rows = await acceptRows(table, tenantId, checked, this.#odd);
    const key = pageKey(tenantId, id, rowSetName(this.#rowSet, rows), number);
    this.refs[number] = await putPage(pages, key, rows);
    for (const row of numbered(rows, number * pageSize)) {
      if (row.data.skip === 'INVALID_NUMBER') this.invalid.push(row);
      if (row.data.skip === 'SUPPRESSED') this.suppressed.push(row);
    }
  }
}
