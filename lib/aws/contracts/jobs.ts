import { accountsOf, type Contract } from '../../domain/contracts/contract.ts';
import { rowsOf } from '../../domain/contracts/pages.ts';
import { addCounter, type Counter, emptyCounter } from '../../domain/messages/counter.ts';
import type { Table } from '../client/table.ts';
import { keys } from '../keys.ts';
import { clearRows } from './jobs/clear.ts';
import { eachStep, endJob, type JobDeps, JobReplaced, takeJob } from './jobs/held.ts';
import { removeContract } from './jobs/remove.ts';
import { retryRows } from './jobs/retry.ts';
import { settleAll } from './jobs/settle.ts';

export { type HeldJob, jobWrite } from './jobs/held.ts';

/**
 * `none`: there was nothing to do, or another job took over. `more`: the time came first, ask for another run. `waiting`: for messages
 * being sent; the sweep asks again.
 */
export type JobEnd = 'none' | 'done' | 'more' | 'waiting';

/**
 * Work on every row of a contract: `retry` (FAILED -> PENDING), `clear` (failures leave the total), `settle` (nothing that is not sent
 * will be: after cancel, or when the account is gone), `remove` (settle, then the contract itself goes). A call sets `contract.job` and the
 * item `job` in the same write as the move it belongs to, runs the job for a while, and leaves the rest to the feed. Each row's step is
 * conditional, so that two runners side by side do the work once, and a job that another took the place of does no more.
 */
export async function runJob(deps: JobDeps, of: { tenantId: string; id: string }, deadlineMs: number): Promise<JobEnd> {
  const held = await takeJob(deps.table, of, deadlineMs);
  // Read after the job, so that the contract is as the job found it.
  const contract = await deps.table.get<Contract>(keys.contract(of.tenantId, of.id));
  if (held === undefined || contract === undefined) return 'none';
  const { table } = deps;
  try {
    switch (held.job) {
      case 'retry': {
        const last = contract.nextRow;
        const step = eachStep(deps, contract, held, last, deadlineMs, (_, rows) =>
          retryRows(table, contract, held, rows, deps.nowMs()),
        );
        if (!(await step)) return 'more';
        break;
      }
      case 'clear': {
        const last = rowsOf(contract);
        const step = eachStep(deps, contract, held, last, deadlineMs, (_, rows) =>
          clearRows(table, contract, held, rows),
        );
        if (!(await step)) return 'more';
        break;
      }
      case 'settle':
      case 'remove': {
        const end = await settleAll(deps, contract, held, deadlineMs);
        if (end !== 'done') return end;
        break;
      }
      default:
        return held.job satisfies never;
    }
    if (held.job === 'remove') await removeContract(deps, contract, held);
    else await endJob(table, contract, held);
    return 'done';
  } catch (error) {
    if (error instanceof JobReplaced) return 'none';
    throw error;
  }
}

/** The sum of a contract's counters over its accounts. */
export async function readCounter(table: Table, contract: Contract): Promise<Counter> {
  const items = await table.getMany<Counter>(
    accountsOf(contract).map((a) => keys.counter(contract.tenantId, contract.id, a)),
  );
  return items.reduce<Counter>((sum, item) => (item === undefined ? sum : addCounter(sum, item)), emptyCounter);
}
