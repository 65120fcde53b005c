import type { Deps } from '../../lib/aws/deps.ts';
import { hostOf, listHosts, listInboxes, removeHost, removeInbox, retireHost } from '../../lib/aws/hosts/hosts.ts';
import { findAccounts, orphanAccounts } from '../../lib/aws/hosts/ownership.ts';
import { finder } from '../../lib/aws/keys.ts';
import { fleetOf } from './fleet.ts';
import type { Swept } from './swept.ts';
import type { Unchanged } from './unchanged.ts';

/** A host whose own clock last beat longer ago is gone; much more than any clock skew, and hosts adopt each other's accounts long before. */
const hostGoneMs = 120_000;
/** The index that tells whose an account is lags; after so long it knows all a retired host ever claimed. */
const retiredKeptMs = 60_000;
/** An inbox younger than this may belong to a host that is just starting. */
const inboxYoungMs = 10 * 60_000;
/** Found without an owner by two sweeps in a row, which come every minute: a handover takes seconds. */
const unownedTooLongMs = 50_000;

/**
 * Hosts that ended without a word are retired, and the accounts of retired ones become unowned, for whoever lives. The item goes a minute
 * later, when no account can name it any more.
 */
export async function sweepHosts(deps: Deps, swept: Swept): Promise<void> {
  const hosts = await listHosts(deps.table);
  swept.fleet = fleetOf(hosts, deps.nowMs());
  for (const host of hosts) {
    const nowMs = deps.nowMs();
    if (host.retired !== true) {
      if (nowMs - host.beatAt < hostGoneMs) continue;
      await retireHost(deps.table, host.id, nowMs);
      swept.hostsLost += 1;
    }
    swept.accountsOrphaned += await orphanAccounts(deps.table, host.id);
    if (host.retired !== true || nowMs - (host.retiredAt ?? 0) < retiredKeptMs) continue;
    await removeHost(deps.table, host.id);
    swept.hostsRemoved += 1;
  }
}

/** Accounts that want a host and that no host takes: none lives, all are full, or they fail at it. */
export async function sweepUnowned(deps: Deps, swept: Swept, seen: Unchanged): Promise<void> {
  const unowned = await findAccounts(deps.table, finder.unowned);
  swept.accountsUnowned = unowned.length;
  const nowMs = deps.nowMs();
  const since = seen.note(new Map(unowned.map(({ accountId }) => [accountId, ''])), nowMs);
  for (const sinceMs of since.values()) if (nowMs - sinceMs >= unownedTooLongMs) swept.accountsWithoutOwner += 1;
}

export async function sweepInboxes(deps: Deps, swept: Swept): Promise<void> {
  const hosts = new Set((await listHosts(deps.table)).map((host) => host.inboxUrl));
  for (const { url, createdMs } of await listInboxes(deps.sqs, deps.config.INBOX_PREFIX)) {
    if (hosts.has(url) || deps.nowMs() - createdMs < inboxYoungMs) continue;
    // Its item went without the sweep's help: accounts may still name the host, and nobody else would ask for them.
    swept.accountsOrphaned += await orphanAccounts(deps.table, hostOf(url));
    await removeInbox(deps.sqs, url);
    swept.inboxesRemoved += 1;
  }
}
