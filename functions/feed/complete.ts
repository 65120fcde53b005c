import { patch } from '../../lib/aws/client/patch.ts';
import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys } from '../../lib/aws/keys.ts';
import { type Contract, finalStatusOf } from '../../lib/domain/contracts/contract.ts';
import { rowsOf } from '../../lib/domain/contracts/pages.ts';

/** Most tries to complete a contract that changes between read and write. */
const maxLooks = 5;

/**
 * Ends a running contract when all its messages are final: COMPLETED, or FAILED when none was sent. Returns whether it ended.
 *
 *   contract read -> counter read -> [a retry may begin, reopen a failed message and end here] -> write
 *
 * So the write checks the counter again. A reopened message raises `backlog` until it is fed, and lowers `failed` until it fails again.
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
          totalIsAsRead: { is: 'totalCount = :total', values: { ':total': contract.totalCount } },
        },
      },
      running: { delete: keys.running(contract.tenantId, accountId, contract.id) },
      counter: {
        check: keys.counter(contract.tenantId, contract.id, accountId),
        condition: {
          backlogIsEmpty: { is: 'backlog = :none', values: { ':none': 0 } },
          failedIsAsRead: { is: 'failed = :failed', values: { ':failed': counter.failed } },
        },
      },
    });
    if (refused === undefined) return true;
    contract = await deps.table.get<Contract>(keys.contract(contract.tenantId, contract.id));
  }
  return false;
}
