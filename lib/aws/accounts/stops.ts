import { ConditionFailed, type Table, type Write } from '../client/table.ts';
import { keys } from '../keys.ts';

/*
 * How a claim knows that its contract runs, without a read of its own: the account's hot item counts the contracts of the account that
 * were stopped (paused, canceled, deleted, or FAILED with the account), and a claim stands only while that number is what it was before the contract was read.
 *
 *   host    stops = 4 -> contract runs ................. claim if stops = 4: refused, stops = 5 -> contract does not run
 *   pause                      { PAUSED, stops = 5 }
 */

/**
 * `writes`, by which a contract of the account stops running, in one transaction with the count that its claims go by. An account
 * that has been removed has no count, and nobody claims for it. Throws ConditionFailed of `writes`.
 */
export async function transactStop(
  table: Table,
  { tenantId, accountId }: { tenantId: string; accountId: string },
  writes: Write[],
): Promise<void> {
  const stop: Write = {
    update: 'ADD stops :one',
    key: keys.accountHot(tenantId, accountId),
    // Clause: the account still exists; without it half an item would come back.
    condition: 'attribute_exists(pk)',
    values: { ':one': 1 },
  };
  try {
    await table.transact([...writes, stop]);
  } catch (error) {
    if (!(error instanceof ConditionFailed) || error.failed[writes.length] !== true) throw error;
    await table.transact(writes);
  }
}

/** The clause of a claim, and its values: nothing was stopped since the count was `stops`. */
export function nothingStopped(stops: number): { clause: string; values: Record<string, number> } {
  return stops === 0
    ? { clause: 'attribute_not_exists(stops)', values: {} }
    : { clause: 'stops = :stops', values: { ':stops': stops } };
}
