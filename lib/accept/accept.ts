import type { Table } from '../aws/client/table.ts';
import type { PageRow } from '../domain/contracts/pages.ts';
import { decideRows, skipSuppressed } from './people.ts';
import type { CheckedRow } from './rows.ts';
import type { RecipientWarnings } from './warnings.ts';

/**
 * The only way in for recipients and contents. Everything that will be sent passes these steps, in this order:
 *
 *   check       rows.ts        number, content and externalId of each row; every problem is reported
 *   normalise   rows.ts        the number becomes digits, the text its normal form
 *   decide      people.ts      chooses between two readings of a number by the people whom the tenant knows
 *   suppress    people.ts      a row to a person who has opted out is skipped
 *   quota       none yet       no plan limits messages so far; the step belongs here, because skipped rows must not count
 *   store       contracts.ts   one request: its pages, then the new or extended contract
 *               imports.ts     one file, page by page
 *
 * Callers turn their input into `InputRow`s. A route does so with its body, calls `checkRows`, answers with the problems, and passes the checked
 * rows to a function that stores them. An import does the same with the lines of a file. A caller without a contract calls `checkRows` and
 * `acceptRows` directly.
 *
 * `acceptRows` does the steps from decide to quota. It returns the rows in the same order and adds them to `warnings`.
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
