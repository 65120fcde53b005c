import type { Table } from '../aws/client/table.ts';
import { decideNumbers } from '../aws/people/known-people.ts';
import { listedAmong } from '../aws/people/suppressions.ts';
import type { PageRow } from '../domain/contracts/pages.ts';
import { addressesOf, personAt } from '../domain/people/person.ts';
import type { CheckedRow } from './rows.ts';

/** Returns the rows with one reading for each number (`decideNumbers`). */
export async function decideRows(table: Table, tenantId: string, rows: readonly CheckedRow[]): Promise<CheckedRow[]> {
  const readings = rows.flatMap(({ number }) => number ?? []);
  const decided = (await decideNumbers(table, tenantId, readings)).values();
  return rows.map((checked) => {
    const number = checked.number === undefined ? undefined : decided.next().value;
    return number === undefined ? checked : { ...checked, row: { ...checked.row, to: number.digits }, number };
  });
}

/**
 * Returns the rows. Rows to people who opted out, under any address, are marked with `skip`. The read is eventually consistent, because the
 * claim of each message checks again.
 */
export async function skipSuppressed(table: Table, tenantId: string, rows: PageRow[]): Promise<PageRow[]> {
  const open = rows.filter(({ skip }) => skip === undefined);
  const addresses = open.flatMap(({ to }) => addressesOf(personAt(to)));
  const listed = await listedAmong(table, tenantId, addresses, { eventually: true });
  if (listed.size === 0) return rows;
  const isListed = ({ to }: PageRow) => addressesOf(personAt(to)).some((address) => listed.has(address));
  return rows.map((row) => (row.skip === undefined && isListed(row) ? { ...row, skip: 'SUPPRESSED' } : row));
}
