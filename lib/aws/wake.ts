import type { SQSClient } from '@aws-sdk/client-sqs';
import type { AccountHot } from '../domain/account.ts';
import { rendezvous } from '../domain/ownership.ts';
import { listHosts, seemsLive, sendNote, takesAccounts } from './hosts.ts';
import { keys } from './keys.ts';
import type { Table } from './table.ts';

/**
 * Tells the owner to look at the account, or, where there is none, the two hosts that should claim it first. Only a hint: hosts also find
 * unowned accounts by themselves, so a lost note delays and loses nothing.
 */
export async function wakeAccount(
  deps: { table: Table; sqs: SQSClient; nowMs(): number },
  tenantId: string,
  accountId: string,
): Promise<void> {
  const [hot, all] = await Promise.all([
    deps.table.get<AccountHot>(keys.accountHot(tenantId, accountId)),
    listHosts(deps.table),
  ]);
  // Other hosts go by its counter, not its clock: one whose clock is behind keeps what it has, and must hear.
  const owner = all.find(({ id, retired }) => id === hot?.owner && retired !== true);
  const targets = owner === undefined ? [] : [owner];
  if (owner === undefined || !seemsLive(owner, deps.nowMs())) {
    const takers = all.filter((host) => seemsLive(host, deps.nowMs()) && takesAccounts(host));
    const ranked = rendezvous(
      takers.map((host) => host.id),
      accountId,
    ).slice(0, 2);
    targets.push(...takers.filter((host) => ranked.includes(host.id)));
  }
  await Promise.all(
    targets.map((host) =>
      // The host may be gone between the two steps; whoever adopts its accounts looks at them anyway.
      sendNote(deps.sqs, host.inboxUrl, { t: tenantId, a: accountId }).catch(() => undefined),
    ),
  );
}
