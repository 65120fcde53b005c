import type { Contract } from '../../../domain/contracts/contract.ts';
import { type Key, keys, ranges } from '../../keys.ts';
import { pagesLeft } from '../page-lists.ts';
import { type HeldJob, type JobDeps, sameJob } from './held.ts';

/**
 * Removes the rest of a contract whose messages are all final: its pages, page lists, counter and all other items under its key. The tombstone goes
 * last, together with the job. Until that last write the sweep finds the job and starts it again.
 */
export async function removeContract(deps: JobDeps, contract: Contract, held: HeldJob): Promise<void> {
  const { tenantId, id } = contract;
  await deps.pages.remove((await pagesLeft(deps.table, contract)).map(({ key }) => key));
  const job = keys.job(tenantId, id);
  const left = await deps.table.queryAll<Key>(ranges.contract(tenantId, id));
  await deps.table.writeMany(left.filter(({ sk }) => sk !== job.sk).map(({ pk, sk }) => ({ delete: { pk, sk } })));
  // When the removal was requested again, that newer job deletes the tombstone.
  await deps.table.tryTransact({
    contract: { delete: keys.contract(tenantId, id) },
    job: { delete: job, condition: sameJob(held) },
  });
}
