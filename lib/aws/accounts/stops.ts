import { added, patch } from '../client/patch.ts';
import { type Item, type NamedWrites, present, type RefusedTransaction, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';

/*
 * A claim checks that its contract runs without a read. The account's hot item counts the stops of the account's contracts (paused, canceled,
 * deleted, or FAILED with the account). A claim succeeds only if that count is the same as before the contract was read.
 *
 *   host    stops = 4 -> contract runs ................. claim if stops = 4: refused, stops = 5 -> contract does not run
 *   pause                      { PAUSED, stops = 5 }
 *
 * An owner raises the number as well, to make a claim of its own void that had no answer (`voidClaims`).
 */

/**
 * Stops a contract of the account: runs the writes in one transaction with the count that claims check. An account that was removed has no count, and
 * no host claims for it. Returns the refusal; undefined on success.
 */
export async function tryTransactStop<Name extends string>(
  table: Table,
  { tenantId, accountId }: { tenantId: string; accountId: string },
  writes: NamedWrites<Name>,
): Promise<RefusedTransaction<string> | undefined> {
  // Without this clause the write would create a removed item again, with only this count.
  const stops = {
    key: keys.accountHot(tenantId, accountId),
    ...patch({ stops: added(1) }),
    condition: { exists: present },
  };
  const refused = await table.tryTransact<string>({ ...writes, stops });
  return refused?.by('stops') ? await table.tryTransact<string>(writes) : refused;
}

/** Clause of a claim: no contract was stopped since the count was `stops`. */
export function nothingStopped(stops: number) {
  const held = (hot: Item | undefined): boolean => (hot?.stops ?? 0) === stops;
  return stops === 0
    ? { is: 'attribute_not_exists(stops)', held }
    : { is: 'stops = :stops', values: { ':stops': stops }, held };
}
