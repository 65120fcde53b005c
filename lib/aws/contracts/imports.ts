import {
  accountOf,
  type Contract,
  type ContractImport,
  type ImportError,
  move,
  type PageRef,
} from '../../domain/contracts/contract.ts';
import { PacelineError } from '../../domain/errors.ts';
import { ConditionFailed, type Item, type Table, type Write } from '../client/table.ts';
import type { Deps } from '../deps.ts';
import { finder, keys } from '../keys.ts';
import { auditWrite, type Origin } from '../tenants/audit.ts';
import { mustRead } from './contracts.ts';

/**
 * So long after its URL has expired an import is given up: far more than an upload begun in time, S3's note of it and every try to read the
 * file take.
 */
const overdueAfterMs = 6 * 3_600_000;

/** PENDING without rows (or still waiting for a file) -> IMPORTING, waiting for this upload; an earlier upload counts no more. */
export async function beginImport(
  deps: Deps,
  origin: Origin,
  contract: Contract,
  wanted: ContractImport,
): Promise<Contract> {
  const waiting = contract.status === 'IMPORTING' && contract.import?.status === 'awaiting_upload';
  const result = move(waiting ? { ...contract, status: 'PENDING' } : contract, 'import');
  if (!result.ok) throw new PacelineError('ILLEGAL_STATE', result.reason);
  try {
    await deps.table.transact([
      {
        update: 'SET #s = :importing, #i = :import REMOVE reason',
        key: keys.contract(contract.tenantId, contract.id),
        // Clauses: as it was read; no rows; no file is being read.
        condition: '#s = :from AND totalCount = :none AND (attribute_not_exists(#i) OR #i.#s <> :reading)',
        names: { '#s': 'status', '#i': 'import' },
        values: {
          ':importing': result.status,
          ':import': wanted,
          ':from': contract.status,
          ':none': 0,
          ':reading': 'reading',
        },
      },
      dueWrite(contract, wanted),
      auditWrite(
        origin,
        {
          action: 'contract.import_begun',
          target: contract.id,
          changes: { format: wanted.format, importId: wanted.id },
        },
        deps.randomBytes,
      ),
    ]);
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    throw new PacelineError('ILLEGAL_STATE', 'The contract changed at the same time; read it and try again.');
  }
  return await mustRead(deps.table, contract.tenantId, contract.id);
}

const dueIndex = ({ tenantId, id }: Pick<Contract, 'tenantId' | 'id'>, expiresAt: number): string =>
  `${new Date(expiresAt + overdueAfterMs).toISOString()}#${tenantId}#${id}`;

/** Makes the import findable from the time on when it is overdue; the sweep takes the item away when it has seen it. */
function dueWrite(contract: Contract, { expiresAt }: ContractImport): Write {
  const key = keys.importDue(contract.tenantId, contract.id);
  return { put: { ...key, type: 'importDue', ix: finder.import, ixs: dueIndex(contract, expiresAt) } };
}

const neverCame: ImportError = {
  line: 1,
  code: 'NOT_UPLOADED',
  message: 'No file came before the URL expired. Ask for another URL and upload the file.',
};
const neverRead: ImportError = {
  line: 1,
  code: 'NOT_READ',
  message: 'The file could not be read to its end. Ask for another URL and upload it again.',
};

/**
 * Ends an import that is overdue; `ixs` is where the index has it. False: it had ended by itself, or another has taken its place. Nothing
 * points to it any more then.
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
    // It changed just now: the next sweep looks again.
    if (!failed) return false;
  }
  try {
    await table.delete(keys.importDue(due.tenantId, due.id), {
      // Clause: still about the import the index told of.
      condition: 'ixs = :seen',
      values: { ':seen': due.ixs },
    });
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
  return failed;
}

/** The file is being read, `rowsRead` rows so far. False: this import counts no more (canceled, replaced, finished). */
export async function reportImport(
  table: Table,
  contract: Contract,
  importId: string,
  rowsRead: number,
): Promise<boolean> {
  return await ifStillImporting(
    table.update(keys.contract(contract.tenantId, contract.id), {
      update: 'SET #i.#s = :reading, #i.rowsRead = :n',
      ...stillImporting(importId),
      values: { ...stillImporting(importId).values, ':reading': 'reading', ':n': rowsRead },
    }),
  );
}

/** All rows appear at once; `skipped` are final at once, `suppressed` those of them who have opted out. False: this import counts no more, and nothing has changed. */
export async function completeImport(
  table: Table,
  contract: Contract,
  importId: string,
  result: { pages: PageRef[]; rows: number; skipped: number; suppressed: number; warnings: string[] },
): Promise<boolean> {
  const accountId = accountOf(contract);
  const still = stillImporting(importId);
  return await ifStillImporting(
    table.transact([
      {
        update:
          'SET #s = :pending, pages = :pages, totalCount = :n, atOnce = :k, #i.#s = :completed, #i.rowsRead = :n, #i.errorCount = :none, #i.warnings = :odd',
        key: keys.contract(contract.tenantId, contract.id),
        ...still,
        values: {
          ...still.values,
          ':pending': 'PENDING',
          ':completed': 'completed',
          ':pages': result.pages,
          ':n': result.rows,
          ':k': result.skipped,
          ':none': 0,
          ':odd': result.warnings,
        },
      },
      {
        update: 'SET failed = :f, suppressed = :s',
        key: keys.counter(contract.tenantId, contract.id, accountId),
        condition: 'attribute_exists(pk)',
        values: { ':f': result.skipped - result.suppressed, ':s': result.suppressed },
      },
    ]),
  );
}

/** PENDING again, without rows, with what was wrong in the file. */
export async function failImport(
  table: Table,
  contract: Contract,
  importId: string,
  result: { rowsRead: number; errorCount: number; errors: ImportError[] },
): Promise<boolean> {
  const still = stillImporting(importId);
  return await ifStillImporting(
    table.update(keys.contract(contract.tenantId, contract.id), {
      update: 'SET #s = :pending, #i.#s = :failed, #i.rowsRead = :n, #i.errorCount = :count, #i.errors = :errors',
      ...still,
      values: {
        ...still.values,
        ':pending': 'PENDING',
        ':failed': 'failed',
        ':n': result.rowsRead,
        ':count': result.errorCount,
        ':errors': result.errors,
      },
    }),
  );
}

/** Clauses: the contract waits for an import; it is this one. */
function stillImporting(importId: string) {
  return {
    condition: '#s = :importing AND #i.id = :id',
    names: { '#s': 'status', '#i': 'import' },
    values: { ':importing': 'IMPORTING', ':id': importId } as Item,
  };
}

async function ifStillImporting(step: Promise<unknown>): Promise<boolean> {
  try {
    await step;
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}
