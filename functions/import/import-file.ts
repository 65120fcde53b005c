import type { Readable } from 'node:stream';
import { acceptImport, type ImportRow } from '../../lib/accept/imports.ts';
import { readContract } from '../../lib/aws/contracts/contracts.ts';
import { lockImports, unlockImports } from '../../lib/aws/contracts/import-lock.ts';
import { reportImport } from '../../lib/aws/contracts/imports.ts';
import { openStream, parseUploadKey } from '../../lib/aws/contracts/pages.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { readTenant, type Tenant } from '../../lib/aws/tenants/tenants.ts';
import { textContent } from '../../lib/domain/content.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import { readingLimitMs } from '../../lib/domain/contracts/import-limits.ts';
import { UnreadableFile } from '../../lib/domain/files/unreadable.ts';
import { ulidOf } from '../../lib/domain/ids.ts';
import { type Count, countNothing } from '../../lib/runtime/metrics.ts';
import { csvRows, type FileRow, ndjsonRows } from './read-rows.ts';

export type ImportResult = 'imported' | 'refused' | 'ignored' | 'waiting';
/** Counts of files and rows. `FilesFailed`: an error of ours stopped the reading. `RowsSkipped`: rows of imported files that are never sent. */
export type ImportCount =
  | 'FilesImported'
  | 'FilesRefused'
  | 'FilesFailed'
  | 'FilesPutBack'
  | 'RowsImported'
  | 'RowsSkipped'
  | 'RowsRefused';

/**
 * Imports one uploaded file into its contract, which is IMPORTING: all rows or none (`acceptImport`). Returns what happened:
 *
 *   imported  every row is accepted
 *   refused   a row is wrong, or reading took more than two minutes
 *   waiting   another file of the tenant is being read; the caller tries again later
 *   ignored   the key is no upload, the file is gone, or the contract does not wait for it
 *
 * Page names come from the import id and the file's ETag. A repeated S3 notification therefore writes the same pages, another file other ones.
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
  if (!(await lockImports(deps, tenantId, importId))) return 'waiting';
  try {
    return await importLocked(deps, { key, importId, format, contract, tenant }, count);
  } finally {
    await unlockImports(deps, tenantId, importId);
  }
}

interface Upload {
  key: string;
  importId: string;
  format: 'csv' | 'ndjson';
  contract: Contract;
  tenant: Tenant;
}

async function importLocked(
  deps: Deps,
  { key, importId, format, contract, tenant }: Upload,
  count: Count<ImportCount>,
): Promise<ImportResult> {
  const file = await openStream(deps.s3, deps.config.PAGES_BUCKET, key);
  if (file === undefined) return 'ignored';
  const { body, etag } = file;
  // Marks the import as being read. False: it was canceled or replaced in the meantime.
  if (!(await reportImport(deps.table, contract, importId, 0))) {
    body.destroy();
    return 'ignored';
  }

  const { skipInvalid, requirePlus } = contract;
  const settings = { defaultCountry: tenant.defaultCountry, skipInvalid, requirePlus };
  const timed = withinTime(body, deps);
  const rows = importRows(format === 'csv' ? csvRows(timed) : ndjsonRows(timed));
  const rowSet = `${ulidOf(importId)}-${etag.slice(0, 16)}`;
  const end = await acceptImport(deps, { contract, importId, rowSet, settings, rows });
  if (end.result === 'imported') {
    count('FilesImported');
    count('RowsImported', end.rows);
    count('RowsSkipped', end.skipped);
  } else if (end.result === 'refused') {
    count('FilesRefused');
    count('RowsRefused', end.rows);
  }
  return end.result;
}

/** Yields each row of a file as an `ImportRow`. When reading ends early, the last one gives the reason. */
async function* importRows(rows: AsyncIterable<FileRow>): AsyncGenerator<ImportRow> {
  let rowsRead = 0;
  let lastLine = 1;
  try {
    for await (const row of rows) {
      rowsRead += 1;
      lastLine = row.line;
      yield importRow(row);
    }
  } catch (error) {
    if (error instanceof ReadingTooLong) {
      yield { place: lastLine, ends: { code: 'NOT_READ', message: tooLong(rowsRead) } };
    } else if (error instanceof UnreadableFile) {
      yield { place: error.line, ends: { code: 'MALFORMED_ROW', message: error.message } };
    } else throw error;
  }
}

function importRow(row: FileRow): ImportRow {
  if ('problem' in row) return { place: row.line, unreadable: row.problem };
  const { phoneNumber, text, externalId } = row.input;
  return { place: row.line, phoneNumber, content: text === undefined ? undefined : textContent(text), externalId };
}

class ReadingTooLong extends Error {
  override name = 'ReadingTooLong';
}

/** Yields the bytes of the file. Throws ReadingTooLong after `readingLimitMs`. */
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
