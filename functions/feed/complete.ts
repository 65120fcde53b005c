import { patch } from '../../lib/aws/client/patch.ts';
import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys } from '../../lib/aws/keys.ts';
import { type Contract, finalStatusOf } from '../../lib/domain/contracts/contract.ts';
import { rowsOf } from '../../lib/domain/contracts/pages.ts';

/** Looks at a contract whose counter changed between reading it and completing it. */
const maxLooks = 5;

/**
 * A running contract whose messages are all final -> COMPLETED, or FAILED when none was sent.
 *
 *   contract read -> counter read -> [a retry may begin, reopen a failure and end here] -> complete
 *
 * so the counter is checked once more in the same write: every reopening of a message lowers `failed` or raises `backlog`. Returns whether
 * the contract ended.
 */
export async function completeIfFinal(deps: Deps, read: Contract, accountId: string): Promise<boolean> {
  let contract: Contract | undefined = read;
  for (let look = 1; look <= maxLooks && contract !== undefined; look++) {
    if (contract.nextRow < rowsOf(contract)) return false;
    const counter = await readCounter(deps.table, contract);
    const status = finalStatusOf(contract, counter);
    if (status === undefined) return false;
    const refused = await deps.table.tryTransact({
      contract: {
        key: keys.contract(contract.tenantId, contract.id),
        ...patch({ status, completedAt: deps.nowMs(), reason: undefined }),
        condition: {
          isRunning: { is: '#status = :running', values: { ':running': 'IN_PROGRESS' } },
          isIdle: 'attribute_not_exists(job)',
          hasRowsRead: { is: 'totalCount = :total', values: { ':total': contract.totalCount } },
        },
      },
      running: { delete: keys.running(contract.tenantId, accountId, contract.id) },
      counter: {
        check: keys.counter(contract.tenantId, contract.id, accountId),
        condition: {
          nothingIsReopened: { is: 'backlog = :none', values: { ':none': 0 } },
          hasFailuresRead: { is: 'failed = :failed', values: { ':failed': counter.failed } },
        },
      },
    });
    if (refused === undefined) return true;
    contract = await deps.table.get<Contract>(keys.contract(contract.tenantId, contract.id));
  }
  return false;
}
