import { added, patch } from '../client/patch.ts';
import { type Item, type NamedWrites, present, type RefusedTransaction, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';

/*
 * How a claim knows that its contract runs, without a read of its own: the account's hot item counts the contracts of the account that
 * were stopped (paused, canceled, deleted, or FAILED with the account), and a claim stands only while that number is what it was before the contract was read.
 *
 *   host    stops = 4 -> contract runs ................. claim if stops = 4: refused, stops = 5 -> contract does not run
 *   pause                      { PAUSED, stops = 5 }
 *
 * An owner raises the number as well, to make a claim of its own void that had no answer (`voidClaims`).
 */

/**
 * Writes what stops a contract of the account, in one transaction with the count that its claims go by. An account that has been removed has no
 * count, and no host claims for it. Returns what refused the writes; undefined when they stand.
 */
export async function tryTransactStop<Name extends string>(
  table: Table,
  { tenantId, accountId }: { tenantId: string; accountId: string },
  writes: NamedWrites<Name>,
): Promise<RefusedTransaction<string> | undefined> {
  // Without the clause half an item would come back.
  const stops = {
    key: keys.accountHot(tenantId, accountId),
    ...patch({ stops: added(1) }),
    condition: { exists: present },
  };
  const refused = await table.tryTransact<string>({ ...writes, stops });
  return refused?.by('stops') ? await table.tryTransact<string>(writes) : refused;
}

/** Clause of a claim: nothing was stopped since the count was `stops`. */
export function nothingStopped(stops: number) {
  const held = (hot: Item | undefined): boolean => (hot?.stops ?? 0) === stops;
  return stops === 0
    ? { is: 'attribute_not_exists(stops)', held }
    : { is: 'stops = :stops', values: { ':stops': stops }, held };
}
