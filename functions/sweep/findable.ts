import type { HotItem } from '../../lib/aws/accounts/accounts.ts';
import { ConditionFailed } from '../../lib/aws/client/table.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { hostExists } from '../../lib/aws/hosts/hosts.ts';
import type { AccountRefs } from '../../lib/aws/hosts/ownership.ts';
import { finder, keys } from '../../lib/aws/keys.ts';
import { type Account, isHalted } from '../../lib/domain/accounts/account.ts';

/** Pure: whether hosts find the account, unowned or through its owner; `hosts` are the ids of all there are. */
export function isFindable({ owner, ix }: HotItem, hosts: ReadonlySet<string>): boolean {
  return owner === undefined ? ix === finder.unowned : ix === finder.ownedBy(owner) && hosts.has(owner);
}

/**
 * An account that should be connected and that no host would ever look at: it has no owner and is not offered, its owner's item is gone, or
 * the index does not have it under its owner. Owner and index entry are written together, so this takes a write from outside, such as a
 * host's item removed by hand. The account is offered, or put where its owner is. False: it is in order after all.
 */
export async function makeFindable(deps: Deps, { tenantId, accountId }: AccountRefs): Promise<boolean> {
  // The hot item first: whoever lets an account rest has written its status before.
  const hot = await deps.table.get<HotItem>(keys.accountHot(tenantId, accountId));
  const account = await deps.table.get<Account>(keys.account(tenantId, accountId));
  if (hot === undefined || account === undefined) return false;
  const { owner } = hot;
  const lives = owner !== undefined && (await hostExists(deps.table, owner));
  if (isFindable(hot, new Set(lives ? [owner] : []))) return false;
  // Nobody's business until somebody acts.
  if (owner === undefined && isHalted(account, deps.nowMs())) return false;
  const ixs = `${tenantId}#${accountId}`;
  try {
    await deps.table.update(keys.accountHot(tenantId, accountId), {
      update: lives ? 'SET ix = :ix, ixs = :ixs' : 'SET ix = :ix, ixs = :ixs, epoch = :next REMOVE #o',
      // Clauses: nobody has claimed it since it was read; nobody has given it up.
      condition: `epoch = :epoch AND ${owner === undefined ? 'attribute_not_exists(#o)' : '#o = :owner'}`,
      names: { '#o': 'owner' },
      values: {
        ':ix': lives ? finder.ownedBy(owner) : finder.unowned,
        ':ixs': ixs,
        ':epoch': hot.epoch,
        ...(lives ? {} : { ':next': hot.epoch + 1 }),
        ...(owner === undefined ? {} : { ':owner': owner }),
      },
    });
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}
