import { removeLanes } from '../../lib/aws/accounts/lanes.ts';
import { patch } from '../../lib/aws/client/patch.ts';
import { failContracts } from '../../lib/aws/contracts/account-contracts.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { wakeAccount } from '../../lib/aws/hosts/wake.ts';
import { finder, type Key, keys, places, ranges } from '../../lib/aws/keys.ts';
import { readHot } from '../../lib/aws/messages/messages.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';

/** Statuses in which no host has anything of the account: its device is unlinked, or WhatsApp no longer lets it in. */
const ended: ReadonlySet<Account['status']> = new Set(['logged_out', 'banned', 'failed']);

/**
 * Removes the rest of a deleted account: lanes and items, at the end the account and its item `deleted`. Does nothing while a host may still have the
 * account. The owner logs the device out, deletes its keys in S3, releases the account and asks again, as the sweep does every minute. An account
 * that no host ever claimed is removed at once.
 */
export async function removeAccount(deps: Deps, tenantId: string, accountId: string): Promise<void> {
  const { table } = deps;
  const [account, hot, mark] = await Promise.all([
    table.get<Account>(keys.account(tenantId, accountId)),
    readHot(table, tenantId, accountId),
    table.get<{ contractsFailed?: true }>(keys.deleted(tenantId, accountId)),
  ]);
  if (account?.deletedAt === undefined) return;
  // The call that deleted the account has done this already, unless it died on the way.
  if (mark?.contractsFailed !== true) {
    await failContracts(deps, tenantId, accountId);
    const place = { ix: finder.deleted, ixs: places.account.of(tenantId, accountId) };
    await table.update(keys.deleted(tenantId, accountId), patch({ contractsFailed: true, type: 'deleted', ...place }));
  }
  if (hot !== undefined && !(await letGo(deps, account, hot))) return;
  await removeLanes(deps.sqs, deps.config.LANE_PREFIX, accountId);
  const last = [keys.account(tenantId, accountId), keys.deleted(tenantId, accountId)];
  const left = await table.queryAll<Key>(ranges.account(tenantId, accountId));
  await table.writeMany([
    ...left.filter(({ sk }) => !last.some((key) => key.sk === sk)).map(({ pk, sk }) => ({ delete: { pk, sk } })),
    { delete: keys.accountRef(tenantId, accountId) },
  ]);
  await table.transact({ last: last.map((key) => ({ delete: key })) });
}

/** Returns whether no host has the account or will claim it; its hot item is then deleted. Offers the account to hosts when none would look at it. */
async function letGo(deps: Deps, account: Account, hot: AccountHot & { ix?: string }): Promise<boolean> {
  const { tenantId, id } = account;
  if (hot.owner !== undefined) {
    // The call that deleted the account may not have woken the owner.
    await wakeAccount(deps, tenantId, id);
    return false;
  }
  const key = keys.accountHot(tenantId, id);
  // An offered account may still have keys, whatever its status; the host that takes it deletes them.
  const done = hot.epoch === 0 || (ended.has(account.status) && hot.ix === undefined);
  if (!done && hot.ix !== undefined) return false;
  const condition = {
    isUnclaimedSince: { is: 'epoch = :read', values: { ':read': hot.epoch } },
    isUnowned: { is: 'attribute_not_exists(#owner)', names: { '#owner': 'owner' } },
  };
  if (done) return (await deps.table.tryDelete(key, { condition })) === undefined;
  const offer = { ix: finder.unowned, ixs: places.account.of(tenantId, id) };
  const { refused } = await deps.table.tryUpdate(key, { ...patch(offer), condition });
  if (refused === undefined) await wakeAccount(deps, tenantId, id);
  return false;
}
