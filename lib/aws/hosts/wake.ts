import type { SQSClient } from '@aws-sdk/client-sqs';
import type { AccountHot } from '../../domain/accounts/account.ts';
import { rendezvous } from '../../domain/hosts/ownership.ts';
import type { Table } from '../client/table.ts';
import { keys } from '../keys.ts';
import { type Host, listHosts, seemsLive, sendNote, takesAccounts } from './hosts.ts';

/**
 * Wakes the owner, so that it looks at the account. Without a live owner it also wakes the two hosts that should claim the account first. To those
 * the note is only a hint: they also find unowned accounts by themselves. Returns the cause when the owner could not be woken; undefined otherwise.
 * An owner that was not woken may not look for as long as its connection lasts. A caller whose request is not repeated must report that.
 */
export async function wakeAccount(
  deps: { table: Table; sqs: SQSClient; nowMs(): number },
  tenantId: string,
  accountId: string,
): Promise<{ cause: unknown } | undefined> {
  const [hot, all] = await Promise.all([
    deps.table.get<AccountHot>(keys.accountHot(tenantId, accountId)),
    listHosts(deps.table),
  ]);
  // Other hosts judge an owner by its beat counter. So an owner whose clock is behind keeps its accounts, and must get the note.
  const owner = all.find(({ id, retired }) => id === hot?.owner && retired !== true);
  // The host may be gone by now. The next owner of its accounts looks at them anyway.
  const wake = (host: Host): Promise<{ cause: unknown } | undefined> =>
    sendNote(deps.sqs, host.wakeQueueUrl, { t: tenantId, a: accountId }).then(
      () => undefined,
      (cause: unknown) => ({ cause }),
    );
  const others: Host[] = [];
  if (owner === undefined || !seemsLive(owner, deps.nowMs())) {
    const takers = all.filter((host) => seemsLive(host, deps.nowMs()) && takesAccounts(host));
    const ranked = rendezvous(
      takers.map((host) => host.id),
      accountId,
    ).slice(0, 2);
    others.push(...takers.filter((host) => ranked.includes(host.id)));
  }
  const [notWoken] = await Promise.all([owner === undefined ? undefined : wake(owner), ...others.map(wake)]);
  return notWoken;
}
