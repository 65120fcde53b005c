import { removeLanes } from '../../lib/aws/accounts/lanes.ts';
import { ConditionFailed } from '../../lib/aws/client/table.ts';
import { failContracts } from '../../lib/aws/contracts/account-contracts.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { wakeAccount } from '../../lib/aws/hosts/wake.ts';
import { accountPk, finder, type Key, keys } from '../../lib/aws/keys.ts';
import { readHot } from '../../lib/aws/messages/messages.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';

/** In these nothing of the account is left at a host: its device is unlinked, or WhatsApp lets it in no more. */
const ended: ReadonlySet<Account['status']> = new Set(['logged_out', 'banned', 'failed']);

/**
 * Takes away what a deleted account leaves: lanes and items; the account and the item that makes it findable come last. Waits (by doing
 * nothing) until no host has it any more: the owner logs the device out, wipes its keys in S3, releases it, and asks again, as the sweep
 * does every minute. An account no host ever opened is removed at once.
 */
export async function removeAccount(deps: Deps, tenantId: string, accountId: string): Promise<void> {
  const { table } = deps;
  const [account, hot, mark] = await Promise.all([
    table.get<Account>(keys.account(tenantId, accountId)),
    readHot(table, tenantId, accountId),
    table.get<{ contractsFailed?: true }>(keys.deleted(tenantId, accountId)),
  ]);
  if (account?.deletedAt === undefined) return;
  // The call that deleted the account did so already, unless it died on the way.
  if (mark?.contractsFailed !== true) {
    await failContracts(deps, tenantId, accountId);
    await table.update(keys.deleted(tenantId, accountId), {
      update: 'SET contractsFailed = :yes, ix = :deleted, ixs = :ref, #t = :deleted',
      names: { '#t': 'type' },
      values: { ':yes': true, ':deleted': finder.deleted, ':ref': `${tenantId}#${accountId}` },
    });
  }
  if (hot !== undefined && !(await letGo(deps, account, hot))) return;
  await removeLanes(deps.sqs, deps.config.LANE_PREFIX, accountId);
  const last = [keys.account(tenantId, accountId), keys.deleted(tenantId, accountId)];
  const left = await table.queryAll<Key>({ pk: accountPk(tenantId, accountId) });
  await table.writeMany([
    ...left.filter(({ sk }) => !last.some((key) => key.sk === sk)).map(({ pk, sk }) => ({ delete: { pk, sk } })),
    { delete: keys.accountRef(tenantId, accountId) },
  ]);
  await table.transact(last.map((key) => ({ delete: key })));
}

/** Whether no host has the account or will claim it: its hot item is gone then. One that nobody would look at is offered to the hosts. */
async function letGo(deps: Deps, account: Account, hot: AccountHot & { ix?: string }): Promise<boolean> {
  const { tenantId, id } = account;
  if (hot.owner !== undefined) {
    // Whether the call that deleted the account could tell it, nobody noted.
    await wakeAccount(deps, tenantId, id);
    return false;
  }
  const key = keys.accountHot(tenantId, id);
  // One that is offered may still hold keys, whatever its status; whoever takes it wipes them.
  const done = hot.epoch === 0 || (ended.has(account.status) && hot.ix === undefined);
  if (!done && hot.ix !== undefined) return false;
  try {
    // Clauses: nobody has claimed it since it was read.
    const unclaimed = { condition: 'epoch = :epoch AND attribute_not_exists(#o)', names: { '#o': 'owner' } };
    if (done) {
      await deps.table.delete(key, { ...unclaimed, values: { ':epoch': hot.epoch } });
      return true;
    }
    await deps.table.update(key, {
      update: 'SET ix = :unowned, ixs = :ref',
      ...unclaimed,
      values: { ':epoch': hot.epoch, ':unowned': finder.unowned, ':ref': `${tenantId}#${id}` },
    });
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    return false;
  }
  await wakeAccount(deps, tenantId, id);
  return false;
}
