import { failRunningContracts } from '../../lib/aws/accounts.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import type { Key } from '../../lib/aws/keys.ts';
import { accountPk, keys } from '../../lib/aws/keys.ts';
import { removeLanes } from '../../lib/aws/lanes.ts';
import { readHot } from '../../lib/aws/messages.ts';
import type { Account } from '../../lib/domain/account.ts';

/**
 * Takes away what a deleted account leaves: lanes and items. Waits (by doing nothing) until no host has it any more: the owner logs the
 * device out, wipes its keys in S3, releases it, and asks again. An account no host ever opened is removed at once.
 */
export async function removeAccount(deps: Deps, tenantId: string, accountId: string): Promise<void> {
  const [account, hot] = await Promise.all([
    deps.table.get<Account>(keys.account(tenantId, accountId)),
    readHot(deps.table, tenantId, accountId),
  ]);
  if (account?.deletedAt === undefined || hot === undefined) return;
  const untouched = hot.epoch === 0 && hot.owner === undefined;
  const loggedOut = account.status === 'logged_out' && hot.owner === undefined;
  if (!untouched && !loggedOut) return;
  // The call that deleted the account did so already, unless it died on the way.
  await failRunningContracts(deps, tenantId, accountId);
  await removeLanes(deps.sqs, deps.config.LANE_PREFIX, accountId);
  const left = await deps.table.queryAll<Key>({ pk: accountPk(tenantId, accountId) });
  await deps.table.writeMany([
    ...left.map(({ pk, sk }) => ({ delete: { pk, sk } })),
    { delete: keys.accountRef(tenantId, accountId) },
  ]);
}
