import type { SQSClient } from '@aws-sdk/client-sqs';
import type { AccountHot } from '../../domain/accounts/account.ts';
import { rendezvous } from '../../domain/hosts/ownership.ts';
import type { Table } from '../client/table.ts';
import { keys } from '../keys.ts';
import { type Host, listHosts, seemsLive, sendNote, takesAccounts } from './hosts.ts';

/**
 * Tells the owner to look at the account, or, where there is none, the two hosts that should claim it first. To those it is only a hint: they
 * also find unowned accounts by themselves. Answers why an owner could not be told, undefined where it was or there is none: it may not look
 * for as long as its connection lasts, so whoever tells what nobody says again must pass that on.
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
  // Other hosts go by its counter, not its clock: one whose clock is behind keeps what it has, and must hear.
  const owner = all.find(({ id, retired }) => id === hot?.owner && retired !== true);
  // The host may be gone between the two steps; whoever adopts its accounts looks at them anyway.
  const tell = (host: Host): Promise<{ cause: unknown } | undefined> =>
    sendNote(deps.sqs, host.inboxUrl, { t: tenantId, a: accountId }).then(
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
  const [untold] = await Promise.all([owner === undefined ? undefined : tell(owner), ...others.map(tell)]);
  return untold;
}
