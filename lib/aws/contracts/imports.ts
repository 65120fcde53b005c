import {
  accountOf,
  type Contract,
  type ContractImport,
  type ImportError,
  move,
} from '../../domain/contracts/contract.ts';
import type { PageRef } from '../../domain/contracts/pages.ts';
import { PacelineError } from '../../domain/errors.ts';
import { patch } from '../client/patch.ts';
import { type Clauses, present, type Table, type Write } from '../client/table.ts';
import type { Deps } from '../deps.ts';
import { finder, keys, places } from '../keys.ts';
import { auditWrite, type Origin } from '../tenants/audit.ts';
import { mustRead } from './contracts.ts';
import { addPages } from './page-lists.ts';

/** An import fails this long after its URL has expired. An upload begun in time, its notification and every try to read the file take far less. */
const overdueAfterMs = 6 * 3_600_000;

/** Moves a contract without rows, PENDING or still waiting for a file, to IMPORTING. It then waits for this upload; an earlier one is ignored. */
export async function beginImport(
  deps: Deps,
  origin: Origin,
  contract: Contract,
  wanted: ContractImport,
): Promise<Contract> {
  const waiting = contract.status === 'IMPORTING' && contract.import?.status === 'awaiting_upload';
  const result = move(waiting ? { ...contract, status: 'PENDING' } : contract, 'import');
  if (!result.ok) throw new PacelineError('ILLEGAL_STATE', result.reason);
  const refused = await deps.table.tryTransact({
    contract: {
      key: keys.contract(contract.tenantId, contract.id),
      update: 'SET #status = :importing, #import = :import REMOVE reason',
      condition: {
        isInStatusRead: { is: '#status = :from', values: { ':from': contract.status } },
        hasNoRows: { is: 'totalCount = :none', values: { ':none': 0 } },
        noFileIsRead: {
          is: 'attribute_not_exists(#import) OR #import.#status <> :reading',
          values: { ':reading': 'reading' },
        },
      },
      names: { '#status': 'status', '#import': 'import' },
      values: { ':importing': result.status, ':import': wanted },
    },
    due: dueWrite(contract, wanted),
    audit: auditWrite(
      origin,
      {
        action: 'contract.import_begun',
        target: contract.id,
        changes: { format: wanted.format, importId: wanted.id },
      },
      deps.randomBytes,
    ),
  });
  if (refused !== undefined)
    throw new PacelineError('ILLEGAL_STATE', 'The contract changed at the same time; read it and try again.');
  return await mustRead(deps.table, contract.tenantId, contract.id);
}

const dueIndex = ({ tenantId, id }: Pick<Contract, 'tenantId' | 'id'>, expiresAt: number): string =>
  places.dueContract.of(expiresAt + overdueAfterMs, tenantId, id);

/** Returns the write that lets the sweep find the import once it is overdue. The sweep deletes the item when it has dealt with it. */
function dueWrite(contract: Contract, { expiresAt }: ContractImport): Write {
  const key = keys.importDue(contract.tenantId, contract.id);
  return { put: { ...key, type: 'importDue', ix: finder.import, ixs: dueIndex(contract, expiresAt) } };
}

const neverCame: ImportError = {
  line: 1,
  code: 'NOT_UPLOADED',
  message: 'No file was uploaded before the URL expired. Ask for another URL and upload the file.',
};
const neverRead: ImportError = {
  line: 1,
  code: 'NOT_READ',
  message: 'The file could not be read to its end. Ask for another URL and upload it again.',
};

/**
 * Fails an overdue import; `ixs` is its place in the index. Returns false when it has ended otherwise, was replaced or has just changed. Deletes the
 * `importDue` item unless the import has just changed.
 */
export async function expireImport(
  deps: Pick<Deps, 'table' | 'nowMs'>,
  due: { tenantId: string; id: string; ixs: string },
): Promise<boolean> {
  const { table } = deps;
  const contract = await table.get<Contract>(keys.contract(due.tenantId, due.id));
  const wanted = contract?.status === 'IMPORTING' ? contract.import : undefined;
  let failed = false;
  if (contract !== undefined && wanted !== undefined && wanted.expiresAt + overdueAfterMs <= deps.nowMs()) {
    const errors = [wanted.status === 'reading' ? neverRead : neverCame];
    failed = await failImport(table, contract, wanted.id, { rowsRead: wanted.rowsRead, errorCount: 1, errors });
    // The import has just changed; the next sweep reads it again.
    if (!failed) return false;
  }
  // The item may be about a later import by now.
  const isOfThisImport = { is: 'ixs = :read', values: { ':read': due.ixs } };
  await table.tryDelete(keys.importDue(due.tenantId, due.id), { condition: { isOfThisImport } });
  return failed;
}

/**
 * Stores that the file is being read, with the rows so far. Returns false when this import is over: canceled, replaced or finished.
 */
export async function reportImport(
  table: Table,
  contract: Contract,
  importId: string,
  rowsRead: number,
): Promise<boolean> {
  const { refused } = await table.tryUpdate(keys.contract(contract.tenantId, contract.id), {
    update: 'SET #import.#status = :reading, #import.rowsRead = :n',
    condition: stillImporting(importId),
    values: { ':reading': 'reading', ':n': rowsRead },
  });
  return refused === undefined;
}

/**
 * Completes an import: all rows appear at once. `skipped` rows are final from the start, `suppressed` of them have opted out. Returns false, and
 * changes nothing, when this import is over.
 */
export async function completeImport(
  table: Table,
  contract: Contract,
  importId: string,
  result: { pages: PageRef[]; rows: number; skipped: number; suppressed: number; warnings: string[] },
): Promise<boolean> {
  const accountId = accountOf(contract);
  const { pages, list } = addPages({ ...contract, pages: [] }, result.pages);
  const refused = await table.tryTransact({
    contract: {
      key: keys.contract(contract.tenantId, contract.id),
      update:
        'SET #status = :pending, pages = :pages, totalCount = :n, atOnce = :k, #import.#status = :completed, #import.rowsRead = :n, #import.errorCount = :none, #import.warnings = :odd',
      condition: stillImporting(importId),
      values: {
        ':pending': 'PENDING',
        ':completed': 'completed',
        ':pages': pages,
        ':n': result.rows,
        ':k': result.skipped,
        ':none': 0,
        ':odd': result.warnings,
      },
    },
    pageList: list,
    counter: {
      key: keys.counter(contract.tenantId, contract.id, accountId),
      ...patch({ failed: result.skipped - result.suppressed, suppressed: result.suppressed }),
      condition: { exists: present },
    },
  });
  return refused === undefined;
}

/** Fails an import: the contract is PENDING again, without rows, and has the errors of the file. Returns false as `completeImport` does. */
export async function failImport(
  table: Table,
  contract: Contract,
  importId: string,
  result: { rowsRead: number; errorCount: number; errors: ImportError[] },
): Promise<boolean> {
  const { refused } = await table.tryUpdate(keys.contract(contract.tenantId, contract.id), {
    update:
      'SET #status = :pending, #import.#status = :failed, #import.rowsRead = :n, #import.errorCount = :count, #import.errors = :errors',
    condition: stillImporting(importId),
    values: {
      ':pending': 'PENDING',
      ':failed': 'failed',
      ':n': result.rowsRead,
      ':count': result.errorCount,
      ':errors': result.errors,
    },
  });
  return refused === undefined;
}

/** Clauses of the contract: it waits for an import, and for this one. */
function stillImporting(importId: string): Clauses {
  return {
    isImporting: { is: '#status = :importing', names: { '#status': 'status' }, values: { ':importing': 'IMPORTING' } },
    isThisImport: { is: '#import.id = :id', names: { '#import': 'import' }, values: { ':id': importId } },
  };
}
