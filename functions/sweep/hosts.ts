import type { Deps } from '../../lib/aws/deps.ts';
import {
  hostOf,
  listHosts,
  listWakeQueues,
  removeHost,
  removeWakeQueue,
  retireHost,
} from '../../lib/aws/hosts/hosts.ts';
import { findAccounts, orphanAccounts } from '../../lib/aws/hosts/ownership.ts';
import { finder } from '../../lib/aws/keys.ts';
import { fleetOf } from './fleet.ts';
import type { Swept } from './swept.ts';
import type { Unchanged } from './unchanged.ts';

/** A host whose `beatAt` is older is gone. This is much more than any clock skew, and hosts take each other's accounts long before. */
const hostGoneMs = 120_000;
/** The index of owners lags. After so long it shows every account that a retired host has claimed. */
const retiredKeptMs = 60_000;
/** A wake queue younger than this may belong to a host that is just starting. */
const queueYoungMs = 10 * 60_000;
/** An account without an owner in two sweeps in a row, which come every minute. A handover takes seconds. */
const unownedTooLongMs = 50_000;

/**
 * Retires hosts that died. Accounts of retired hosts become unowned, so that other hosts take them. The item goes a minute later, when no account
 * can name the host any more.
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

/** Counts the accounts without an owner, and those among them that no host takes: none lives, all are full, or they fail at it. */
export async function sweepUnowned(deps: Deps, swept: Swept, seen: Unchanged): Promise<void> {
  const unowned = await findAccounts(deps.table, finder.unowned);
  swept.accountsUnowned = unowned.length;
  const nowMs = deps.nowMs();
  const since = seen.note(new Map(unowned.map(({ accountId }) => [accountId, ''])), nowMs);
  for (const sinceMs of since.values()) if (nowMs - sinceMs >= unownedTooLongMs) swept.accountsWithoutOwner += 1;
}

export async function sweepWakeQueues(deps: Deps, swept: Swept): Promise<void> {
  const hosts = new Set((await listHosts(deps.table)).map((host) => host.wakeQueueUrl));
  for (const { url, createdMs } of await listWakeQueues(deps.sqs, deps.config.WAKE_QUEUE_PREFIX)) {
    if (hosts.has(url) || deps.nowMs() - createdMs < queueYoungMs) continue;
    // The host's item went without the sweep: accounts may still name the host, and nothing else would find them.
    swept.accountsOrphaned += await orphanAccounts(deps.table, hostOf(url));
    await removeWakeQueue(deps.sqs, url);
    swept.inboxesRemoved += 1;
  }
}
