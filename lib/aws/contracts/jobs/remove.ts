import type { Contract } from '../../../domain/contracts/contract.ts';
import { ConditionFailed } from '../../client/table.ts';
import { contractPk, type Key, keys } from '../../keys.ts';
import { type HeldJob, type JobDeps, sameJob } from './held.ts';

/**
 * Takes away what a settled contract leaves: pages, then its counter and whatever else is under its key, then the tombstone together with
 * the job. Until that last write the job is found and begins anew.
 */
export async function removeContract(deps: JobDeps, contract: Contract, held: HeldJob): Promise<void> {
  const { tenantId, id } = contract;
  await deps.pages.remove(contract.pages.map((page) => page.key));
  const job = keys.job(tenantId, id);
  const left = await deps.table.queryAll<Key>({ pk: contractPk(tenantId, id) });
  await deps.table.writeMany(left.filter(({ sk }) => sk !== job.sk).map(({ pk, sk }) => ({ delete: { pk, sk } })));
  try {
    await deps.table.transact([{ delete: keys.contract(tenantId, id) }, { delete: job, ...sameJob(held) }]);
  } catch (error) {
    // Asked for a second time: that one ends it.
    if (!(error instanceof ConditionFailed)) throw error;
  }
}
