import { accountsOf, type Contract, isFinished } from '../../domain/contracts/contract.ts';
import { type AccountPair, markDeleted } from '../accounts/accounts.ts';
import { requestFeed } from '../accounts/feed-queue.ts';
import { tryTransactStop } from '../accounts/stops.ts';
import { patch } from '../client/patch.ts';
import type { Table } from '../client/table.ts';
import type { Deps } from '../deps.ts';
import { keys, ranges } from '../keys.ts';
import type { Origin } from '../tenants/audit.ts';
import { jobWrite } from './jobs.ts';

/** Returns all contracts of an account, tombstones included. It reads every contract of the tenant, so use it rarely. */
export async function contractsOf(table: Table, tenantId: string, accountId: string): Promise<Contract[]> {
  const all = await table.queryAll<Contract>(ranges.contracts(tenantId));
  return all.filter((contract) => accountsOf(contract).includes(accountId));
}

/**
 * Deletes an account: calls for it get 404 from now on, and its unfinished contracts fail with a reason. A host logs the device out, then the feed's
 * `remove` deletes lanes and items. Returns undefined when there is no such account.
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

/** Makes every unfinished contract of a deleted account FAILED with a reason. The feed then ends its unsent messages. */
export async function failContracts(deps: Deps, tenantId: string, accountId: string): Promise<void> {
  for (const contract of await contractsOf(deps.table, tenantId, accountId)) {
    if (!(await fail(deps, contract, accountId))) continue;
    const request = { kind: 'job' as const, tenantId, accountId, contractId: contract.id };
    await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, request);
  }
}

/** Makes one contract FAILED. Returns false when it was already finished. */
async function fail(deps: Deps, read: Contract, accountId: string): Promise<boolean> {
  const { tenantId, id } = read;
  let contract: Contract | undefined = read;
  while (contract !== undefined && !isFinished(contract.status)) {
    const nowMs = deps.nowMs();
    const refused = await tryTransactStop(
      deps.table,
      { tenantId, accountId },
      {
        contract: {
          key: keys.contract(tenantId, id),
          ...patch({ status: 'FAILED', reason: 'The account was deleted.', job: 'settle', completedAt: nowMs }),
          condition: { isInStatusRead: { is: '#status = :from', values: { ':from': contract.status } } },
        },
        job: jobWrite(read, 'settle', nowMs),
        running: { delete: keys.running(tenantId, accountId, id) },
        paused: { delete: keys.paused(tenantId, accountId, id) },
        startAt: { delete: keys.startAt(tenantId, id) },
      },
    );
    if (refused === undefined) return true;
    // The contract was moved in the meantime, so decide again.
    contract = await deps.table.get<Contract>(keys.contract(tenantId, id));
  }
  return false;
}
