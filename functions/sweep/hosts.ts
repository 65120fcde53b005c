import type { Deps } from '../../lib/aws/deps.ts';
import { listHosts, listInboxes, removeHost, removeInbox, retireHost } from '../../lib/aws/hosts.ts';
import { orphanAccounts } from '../../lib/aws/ownership.ts';
import type { Swept } from './sweep.ts';

/** A host whose own clock last beat longer ago is gone; much more than any clock skew, and hosts adopt each other's accounts long before. */
const hostGoneMs = 120_000;
/** The index that tells whose an account is lags; after so long it knows all a retired host ever claimed. */
const retiredKeptMs = 60_000;
/** An inbox younger than this may belong to a host that is just starting. */
const inboxYoungMs = 10 * 60_000;

/**
 * Hosts that ended without a word are retired, and the accounts of retired ones become unowned, for whoever lives. The item goes a minute
 * later, when no account can name it any more.
 */
export async function sweepHosts(deps: Deps, swept: Swept): Promise<void> {
  for (const host of await listHosts(deps.table)) {
    const nowMs = deps.nowMs();
    if (host.retired !== true) {
      if (nowMs - host.beatAt < hostGoneMs) continue;
      await retireHost(deps.table, host.id, nowMs);
    }
    swept.accountsOrphaned += await orphanAccounts(deps.table, host.id);
    if (host.retired !== true || nowMs - (host.retiredAt ?? 0) < retiredKeptMs) continue;
    await removeHost(deps.table, host.id);
    swept.hostsRemoved += 1;
  }
}

export async function sweepInboxes(deps: Deps, swept: Swept): Promise<void> {
  const hosts = new Set((await listHosts(deps.table)).map((host) => host.inboxUrl));
  for (const { url, createdMs } of await listInboxes(deps.sqs, deps.config.INBOX_PREFIX)) {
    if (hosts.has(url) || deps.nowMs() - createdMs < inboxYoungMs) continue;
    await removeInbox(deps.sqs, url);
    swept.inboxesRemoved += 1;
  }
}
