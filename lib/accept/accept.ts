import type { Table } from '../aws/client/table.ts';
import type { PageRow } from '../domain/contracts/pages.ts';
import { decideRows, skipSuppressed } from './people.ts';
import type { CheckedRow } from './rows.ts';
import type { RecipientWarnings } from './warnings.ts';

/**
 * The front door. Everything that is to be sent passes these steps, in this order, however it comes in:
 *
 *   check       rows.ts        number, content and externalId of each row; every problem is named
 *   normalise   rows.ts        the number becomes digits, the text its normal form
 *   decide      people.ts      a number that can be read in two ways is decided by the people whom the tenant knows
 *   suppress    people.ts      a row to a person who has opted out is skipped
 *   quota       none yet       no plan bounds messages so far; the step belongs here, because skipped rows must not count
 *   store       contracts.ts   one request: its pages, then the contract or the longer contract
 *               imports.ts     one file, page by page
 *
 * Callers translate. A route turns its body into `InputRow`s, calls `checkRows`, answers the problems, and hands the checked rows to a function
 * that stores. An import does the same with the lines of a file. A caller without a contract uses `checkRows` and `acceptRows` as they are.
 *
 * `acceptRows` takes rows from decide to quota and returns them in the same order. It adds them to `warnings`.
 */
export async function acceptRows(
  table: Table,
  tenantId: string,
  checked: readonly CheckedRow[],
  warnings: RecipientWarnings,
): Promise<PageRow[]> {
  const decided = await decideRows(table, tenantId, checked);
  for (const row of decided) warnings.add(row);
  const rows = await skipSuppressed(
    table,
    tenantId,
    decided.map(({ row }) => row),
  );
  warnings.optedOut(rows.filter(({ skip }) => skip === 'SUPPRESSED').length);
  return rows;
}
