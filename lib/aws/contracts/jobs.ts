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
 * `none`: there was no job, or another one replaced it. `more`: the deadline came first; ask for another run. `waiting`: some messages are being
 * sent; the sweep asks again.
 */
export type JobEnd = 'none' | 'done' | 'more' | 'waiting';

/**
 * Runs the contract's job, which works on every row:
 *
 *   retry    FAILED -> PENDING
 *   clear    failures leave the total
 *   settle   unsent messages end: after cancel, or when the account is gone
 *   remove   settle, then the contract is removed
 *
 * A call sets `contract.job` and the item `job` in the transaction of its move, runs the job for a while, and leaves the rest to the feed. Each row's
 * step is conditional: two runners do the work once, and a replaced job does nothing more.
 */
export async function runJob(deps: JobDeps, of: { tenantId: string; id: string }, deadlineMs: number): Promise<JobEnd> {
  const held = await takeJob(deps.table, of, deadlineMs);
  // Read after the job, so that the contract is at least as new as the job.
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

/** Returns the sum of a contract's counters over its accounts. */
export async function readCounter(table: Table, contract: Contract): Promise<Counter> {
  const items = await table.getMany<Counter>(
    accountsOf(contract).map((a) => keys.counter(contract.tenantId, contract.id, a)),
  );
  return items.reduce<Counter>((sum, item) => (item === undefined ? sum : addCounter(sum, item)), emptyCounter);
}
