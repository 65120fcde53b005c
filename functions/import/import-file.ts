import type { Readable } from 'node:stream';
import { putSkipped, readContract } from '../../lib/aws/contracts/contracts.ts';
import { giveTurnBack, takeTurn } from '../../lib/aws/contracts/import-turns.ts';
import { completeImport, failImport, reportImport } from '../../lib/aws/contracts/imports.ts';
import {
  batchName,
  type CheckedRow,
  openStream,
  pageKey,
  parseUploadKey,
  putPage,
  type RowSettings,
  toPageRow,
} from '../../lib/aws/contracts/pages.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { settleRows } from '../../lib/aws/people/known-people.ts';
import { skipSuppressed } from '../../lib/aws/people/suppressions.ts';
import { readTenant, type Tenant } from '../../lib/aws/tenants/tenants.ts';
import {
  type Contract,
  type ImportError,
  maxRows,
  type PageRef,
  type PageRow,
  pageSize,
} from '../../lib/domain/contracts/contract.ts';
import { readingLimitMs } from '../../lib/domain/contracts/import-limits.ts';
import { RecipientWarnings } from '../../lib/domain/contracts/recipient-warnings.ts';
import { UnreadableFile } from '../../lib/domain/files/unreadable.ts';
import { type Count, countNothing } from '../../lib/runtime/metrics.ts';
import { csvRows, type FileRow, ndjsonRows } from './read-rows.ts';

/** More bad lines than these are counted and not listed. */
const maxListedErrors = 1000;
const progressEvery = 10_000;
/** Pages on their way to S3 at once. */
const pagesInFlight = 8;

export type ImportResult = 'imported' | 'refused' | 'ignored' | 'waiting';
/** Files and rows taken and refused; `RowsSkipped` are of taken files. A file that fails for our reasons comes again. */
export type ImportCount =
  | 'FilesImported'
  | 'FilesRefused'
  | 'FilesFailed'
  | 'FilesPutBack'
  | 'RowsImported'
  | 'RowsSkipped'
  | 'RowsRefused';

/**
 * One uploaded file -> pages -> the contract's rows, all or none:
 *
 *   upload done -> IMPORTING, reading (progress every 10,000 rows) -> every row is right -> PENDING with its rows
 *                                                                  -> some is wrong      -> PENDING without rows, errors by line
 *
 * Pages are named by import and content, so that a repeated event writes the same ones, and a second upload over the first others; until
 * the last write no reader sees them. Reading ends after two minutes. `ignored`: not an upload, or its contract does not wait for it (any more).
 * `waiting`: another file of the tenant is being read; the caller comes again with this one later.
 */
export async function importFile(
  deps: Deps,
  key: string,
  count: Count<ImportCount> = countNothing,
): Promise<ImportResult> {
  const upload = parseUploadKey(key);
  if (upload === undefined) return 'ignored';
  const { tenantId, contractId, importId, format } = upload;
  const contract = await readContract(deps.table, tenantId, contractId);
  const tenant = await readTenant(deps.table, tenantId);
  if (contract === undefined || tenant === undefined) return 'ignored';
  if (contract.status !== 'IMPORTING' || contract.import?.id !== importId) return 'ignored';
  if (!(await takeTurn(deps, tenantId, importId))) return 'waiting';
  try {
    return await importInTurn(deps, { key, importId, format, contract, tenant }, count);
  } finally {
    await giveTurnBack(deps, tenantId, importId);
  }
}

interface Upload {
  key: string;
  importId: string;
  format: 'csv' | 'ndjson';
  contract: Contract;
  tenant: Tenant;
}

async function importInTurn(
  deps: Deps,
  { key, importId, format, contract, tenant }: Upload,
  count: Count<ImportCount>,
): Promise<ImportResult> {
  const file = await openStream(deps.s3, deps.config.PAGES_BUCKET, key);
  if (file === undefined) return 'ignored';
  const { body, etag } = file;
  if (!(await reportImport(deps.table, contract, importId, 0))) {
    body.destroy();
    return 'ignored';
  }

  const { skipInvalid, requirePlus } = contract;
  const settings = { defaultCountry: tenant.defaultCountry, skipInvalid, requirePlus };
  const timed = withinTime(body, deps);
  const batch = `${importId.slice(4)}-${etag.slice(0, 16)}`;
  const found = await readFile(deps, contract, batch, format === 'csv' ? csvRows(timed) : ndjsonRows(timed), settings);
  if (found.stopped) {
    await discard(deps, contract, found.pages);
    return 'ignored';
  }
  if (found.errors.length > 0) {
    const { rowsRead, errorCount, errors } = found;
    const told = await failImport(deps.table, contract, importId, { rowsRead, errorCount, errors });
    await discard(deps, contract, found.pages);
    if (!told) return 'ignored';
    count('FilesRefused');
    count('RowsRefused', found.refused);
    return 'refused';
  }
  const { pages, rowsRead, skipped, suppressed, warnings } = found;
  const final = skipped.length + suppressed.length;
  const done = { pages, rows: rowsRead, skipped: final, suppressed: suppressed.length, warnings };
  await putSkipped(deps, contract, skipped);
  if (await completeImport(deps.table, contract, importId, done)) {
    // Afterwards: of two readers of one file only the one whose rows count may say who is suppressed.
    await putSkipped(deps, contract, suppressed);
    count('FilesImported');
    count('RowsImported', rowsRead);
    count('RowsSkipped', final);
    return 'imported';
  }
  await discard(deps, contract, found.pages);
  return 'ignored';
}

/** Removes pages nobody will read, unless a repeat of the same event has just made them the contract's own. */
async function discard(deps: Deps, contract: Contract, pages: PageRef[]): Promise<void> {
  const now = await readContract(deps.table, contract.tenantId, contract.id);
  const used = new Set(now?.pages.map((page) => page.key));
  await deps.pages.remove(pages.map((page) => page.key).filter((key) => !used.has(key)));
}

interface NumberedRow {
  row: number;
  data: PageRow;
}

type LineRow = CheckedRow & { line: number };

interface Found {
  pages: PageRef[];
  rowsRead: number;
  skipped: NumberedRow[];
  /** People who have opted out. */
  suppressed: NumberedRow[];
  refused: number;
  errorCount: number;
  errors: ImportError[];
  warnings: string[];
  /** The import counts no more: reading ended early. */
  stopped: boolean;
}

/** Checks row by row and writes each full page as it goes; once a row is wrong, only checks on. */
async function readFile(
  deps: Deps,
  contract: Contract,
  batch: string,
  rows: AsyncGenerator<FileRow>,
  settings: RowSettings,
): Promise<Found> {
  const found: Found = {
    pages: [],
    rowsRead: 0,
    skipped: [],
    suppressed: [],
    refused: 0,
    errorCount: 0,
    errors: [],
    warnings: [],
    stopped: false,
  };
  const odd = new RecipientWarnings('line');
  const fail = (line: number, code: string, message: string) => {
    found.errorCount += 1;
    if (found.errors.length < maxListedErrors) found.errors.push({ line, code, message });
  };
  const uploads = new Set<Promise<void>>();
  let page: LineRow[] = [];
  let lastLine = 1;
  const flush = async () => {
    if (page.length === 0 || found.errorCount > 0) return;
    const number = found.pages.length;
    // Its place; the name follows from what is stored.
    found.pages.push({ key: '', rows: page.length });
    const upload = storePage(deps, contract, { batch, number, rows: page }, found, odd).then(() => {
      uploads.delete(upload);
    });
    // Told below, by whoever waits; without this a rejection would be unhandled until then.
    upload.catch(() => undefined);
    uploads.add(upload);
    page = [];
    if (uploads.size >= pagesInFlight) await Promise.race(uploads);
  };
  try {
    for await (const row of rows) {
      found.rowsRead += 1;
      lastLine = row.line;
      if (found.rowsRead > maxRows) {
        fail(row.line, 'TOO_MANY_ROWS', `A contract has at most ${maxRows} recipients.`);
        break;
      }
      if (found.rowsRead % progressEvery === 0) {
        const importId = contract.import?.id ?? '';
        if (!(await reportImport(deps.table, contract, importId, found.rowsRead))) {
          found.stopped = true;
          break;
        }
      }
      if ('problem' in row) {
        found.refused += 1;
        fail(row.line, 'MALFORMED_ROW', row.problem);
      } else {
        const result = toPageRow(row.input, settings);
        if ('problems' in result) {
          found.refused += 1;
          for (const { code, message } of result.problems) fail(row.line, code, message);
        } else {
          if (result.row.skip !== undefined) found.skipped.push({ row: found.rowsRead - 1, data: result.row });
          page.push({ ...result, line: row.line });
          if (page.length === pageSize) await flush();
        }
      }
    }
  } catch (error) {
    if (error instanceof ReadingTooLong) fail(lastLine, 'NOT_READ', tooLong(found.rowsRead));
    else if (error instanceof UnreadableFile) fail(error.line, 'MALFORMED_ROW', error.message);
    else throw error;
  }
  if (found.rowsRead === 0 && found.errorCount === 0) fail(1, 'REQUIRED', 'The file has no recipients.');
  // Never a partial page of an import that stopped: under the same name another reader may have put the whole one.
  if (!found.stopped) await flush();
  await Promise.all(uploads);
  odd.optedOut(found.suppressed.length);
  found.warnings = odd.sentences();
  return found;
}

class ReadingTooLong extends Error {
  override name = 'ReadingTooLong';
}

/** The bytes for as long as an import may take. Throws ReadingTooLong. */
async function* withinTime(body: Readable, { nowMs }: Pick<Deps, 'nowMs'>): AsyncGenerator<Uint8Array> {
  const endMs = nowMs() + readingLimitMs;
  for await (const chunk of body) {
    if (nowMs() > endMs) throw new ReadingTooLong();
    yield chunk as Uint8Array;
  }
}

function tooLong(rowsRead: number): string {
  const limit = `Reading ended after ${readingLimitMs / 60_000} minutes, when ${rowsRead} rows had been read.`;
  return `${limit} Split the file into smaller ones and import each into a contract of its own.`;
}

/** Writes one page with its numbers decided and people who have opted out marked, under a name that says which rows those are. Adds to `odd`. */
async function storePage(
  deps: Deps,
  { tenantId, id }: Contract,
  part: { batch: string; number: number; rows: LineRow[] },
  found: Found,
  odd: RecipientWarnings,
): Promise<void> {
  const settled = await settleRows(deps.table, tenantId, part.rows);
  for (const { row, warnings, number, line } of settled) odd.add(row, warnings, line, number?.doubt);
  const rows = await skipSuppressed(
    deps.table,
    tenantId,
    settled.map(({ row }) => row),
  );
  const key = pageKey(tenantId, id, batchName(part.batch, rows), part.number);
  found.pages[part.number] = await putPage(deps.pages, key, rows);
  rows.forEach((data, index) => {
    if (data.skip === 'SUPPRESSED') found.suppressed.push({ row: part.number * pageSize + index, data });
  });
}
