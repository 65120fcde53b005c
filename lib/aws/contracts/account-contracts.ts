import { accountsOf, type Contract, isFinished } from '../../domain/contracts/contract.ts';
import { type AccountPair, markDeleted } from '../accounts/accounts.ts';
import { requestFeed } from '../accounts/feed-queue.ts';
import { transactStop } from '../accounts/stops.ts';
import { ConditionFailed, type Table } from '../client/table.ts';
import type { Deps } from '../deps.ts';
import { keys } from '../keys.ts';
import type { Origin } from '../tenants/audit.ts';
import { jobWrite } from './jobs.ts';

/** All contracts of an account, tombstones too. Reads every contract of the tenant: for rare occasions. */
export async function contractsOf(table: Table, tenantId: string, accountId: string): Promise<Contract[]> {
  const all = await table.queryAll<Contract>({ pk: keys.contract(tenantId, '').pk, skPrefix: 'C#' });
  return all.filter((contract) => accountsOf(contract).includes(accountId));
}

/**
 * Deletes an account: it answers 404 from now on and its unfinished contracts fail with a reason. A host logs the device out, then the feed's
 * `remove` takes lanes and items away. Returns undefined when there is no such account.
 */
export async function deleteAccount(
  deps: Deps,
  origin: Origin,
  tenantId: string,
  id: string,
): Promise<AccountPair | undefined> {
  const pair = await markDeleted(deps, origin, tenantId, id);
  if (pair === undefined) return undefined;
  await failContracts(deps, tenantId, id);
  await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind: 'remove', tenantId, accountId: id });
  return pair;
}

/** Every unfinished contract of a deleted account becomes FAILED with a reason; what is not sent is settled by the feed. */
export async function failContracts(deps: Deps, tenantId: string, accountId: string): Promise<void> {
  for (const contract of await contractsOf(deps.table, tenantId, accountId)) {
    if (!(await fail(deps, contract, accountId))) continue;
    const request = { kind: 'job' as const, tenantId, accountId, contractId: contract.id };
    await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, request);
  }
}

/** False when it was finished already. */
async function fail(deps: Deps, read: Contract, accountId: string): Promise<boolean> {
  const { tenantId, id } = read;
  let contract: Contract | undefined = read;
  while (contract !== undefined && !isFinished(contract.status)) {
    const nowMs = deps.nowMs();
    try {
      await transactStop(deps.table, { tenantId, accountId }, [
        {
          update: 'SET #s = :failed, reason = :reason, job = :settle, completedAt = :now',
          key: keys.contract(tenantId, id),
          // Clause: in the status it was read in.
          condition: '#s = :from',
          names: { '#s': 'status' },
          values: {
            ':failed': 'FAILED',
            ':reason': 'The account was deleted.',
            ':settle': 'settle',
            ':now': nowMs,
            ':from': contract.status,
          },
        },
        jobWrite(read, 'settle', nowMs),
        { delete: keys.running(tenantId, accountId, id) },
        { delete: keys.paused(tenantId, accountId, id) },
        { delete: keys.startAt(tenantId, id) },
      ]);
      return true;
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      // Moved in the meantime: judge again from where it stands.
      contract = await deps.table.get<Contract>(keys.contract(tenantId, id));
    }
  }
  return false;
}
