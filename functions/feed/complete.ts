import { ConditionFailed } from '../../lib/aws/client/table.ts';
import { rowsOf } from '../../lib/aws/contracts/feed-rows.ts';
import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys } from '../../lib/aws/keys.ts';
import { type Contract, finalStatusOf } from '../../lib/domain/contracts/contract.ts';

/** Looks at a contract whose counter changed between reading it and completing it. */
const maxLooks = 5;

/**
 * A running contract whose messages are all final -> COMPLETED, or FAILED when none was sent.
 *
 *   contract read -> counter read -> [a retry may begin, reopen a failure and end here] -> complete
 *
 * so the counter is checked once more in the same write: whatever reopens a message lowers `failed` or raises `backlog`. Answers whether
 * it ended.
 */
export async function completeIfFinal(deps: Deps, read: Contract, accountId: string): Promise<boolean> {
  let contract: Contract | undefined = read;
  for (let look = 1; look <= maxLooks && contract !== undefined; look++) {
    if (contract.nextRow < rowsOf(contract)) return false;
    const counter = await readCounter(deps.table, contract);
    const status = finalStatusOf(contract, counter);
    if (status === undefined) return false;
    try {
      await deps.table.transact([
        {
          update: 'SET #s = :status, completedAt = :now REMOVE reason',
          key: keys.contract(contract.tenantId, contract.id),
          // Clauses: still running; nothing reopens its messages; no rows came or went since the counter was read.
          condition: '#s = :running AND attribute_not_exists(job) AND totalCount = :total',
          names: { '#s': 'status' },
          values: { ':status': status, ':now': deps.nowMs(), ':running': 'IN_PROGRESS', ':total': contract.totalCount },
        },
        { delete: keys.running(contract.tenantId, accountId, contract.id) },
        {
          check: keys.counter(contract.tenantId, contract.id, accountId),
          // Clauses: nothing was reopened; what was reopened before has failed again.
          condition: 'backlog = :none AND failed = :failed',
          values: { ':none': 0, ':failed': counter.failed },
        },
      ]);
      return true;
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      contract = await deps.table.get<Contract>(keys.contract(contract.tenantId, contract.id));
    }
  }
  return false;
}
