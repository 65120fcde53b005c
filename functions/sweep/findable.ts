import type { HotItem } from '../../lib/aws/accounts/accounts.ts';
import { patch } from '../../lib/aws/client/patch.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { hostExists } from '../../lib/aws/hosts/hosts.ts';
import type { AccountRefs } from '../../lib/aws/hosts/ownership.ts';
import { finder, keys, places } from '../../lib/aws/keys.ts';
import { type Account, needsNoHost } from '../../lib/domain/accounts/account.ts';

/** Pure: returns whether hosts find the account, unowned or through its owner. `hosts` are the ids of all hosts. */
export function isFindable({ owner, ix }: HotItem, hosts: ReadonlySet<string>): boolean {
  return owner === undefined ? ix === finder.unowned : ix === finder.ownedBy(owner) && hosts.has(owner);
}

/**
 * Repairs an account that should be connected and that no host would find: it has no owner and is not offered, its owner's item is gone, or the index
 * does not show it under its owner. Owner and index entry are written together. So only a write from outside causes this, such as deleting a host's
 * item by hand. Offers the account, or shows it under its owner. Returns false when there was nothing to repair.
 */
export async function makeFindable(deps: Deps, { tenantId, accountId }: AccountRefs): Promise<boolean> {
  // The hot item is read first, because a host that releases an account has written its status before.
  const hot = await deps.table.get<HotItem>(keys.accountHot(tenantId, accountId));
  const account = await deps.table.get<Account>(keys.account(tenantId, accountId));
  if (hot === undefined || account === undefined) return false;
  const { owner } = hot;
  const lives = owner !== undefined && (await hostExists(deps.table, owner));
  if (isFindable(hot, new Set(lives ? [owner] : []))) return false;
  // No host must look at it until its tenant or time changes that.
  if (owner === undefined && needsNoHost(account, deps.nowMs())) return false;
  const place = { ix: lives ? finder.ownedBy(owner) : finder.unowned, ixs: places.account.of(tenantId, accountId) };
  const { refused } = await deps.table.tryUpdate(keys.accountHot(tenantId, accountId), {
    ...patch(lives ? place : { ...place, epoch: hot.epoch + 1, owner: undefined }),
    condition: {
      isUnclaimedSince: { is: 'epoch = :read', values: { ':read': hot.epoch } },
      hasSameOwner: {
        is: owner === undefined ? 'attribute_not_exists(#owner)' : '#owner = :owner',
        names: { '#owner': 'owner' },
        ...(owner === undefined ? {} : { values: { ':owner': owner } }),
      },
    },
  });
  return refused === undefined;
}
