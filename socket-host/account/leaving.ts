import { type FeedRequest, requestFeed } from '../../lib/aws/accounts/feed-queue.ts';
import { releaseAccount } from '../../lib/aws/hosts/ownership.ts';
import type { HostDeps } from '../deps.ts';
import type { AccountParts } from './parts.ts';

interface Release {
  /** True if a host still has work for the account. */
  wanted: boolean;
  /** The tenant's last request that this host has acted on. A later request keeps the account wanted. */
  asked: number | undefined;
  mayAct(): boolean;
}

/**
 * Gives the account up for other hosts: writes what is unwritten and removes this host as owner from the account's item. Returns false if
 * this host does not own the account any more, or may not act. Close the connection first.
 */
export async function release(
  deps: HostDeps,
  parts: AccountParts,
  { wanted, asked, mayAct }: Release,
): Promise<boolean> {
  const { events, hand, inbound, loop, record, transport } = parts;
  await hand.receipts.noneWaiting();
  await Promise.all([transport.close(), events.save(), inbound.stop()]);
  if (!mayAct()) return false;
  await loop.giveBack().catch((error: unknown) => deps.failed('lane', error));
  await hand.flush();
  return await releaseAccount(deps.table, record.hold, {
    wanted,
    asked,
    authHead: transport.stateHead,
    open: hand.hasOpen,
  });
}

/**
 * Cleans up an account that has stopped, before it is given up. The status is written already and says what to clean up. If this fails or this
 * host dies, the next owner does it instead of connecting.
 */
export async function cleanUp({ record, sender, transport }: AccountParts): Promise<void> {
  const { status, linkedNumber } = record.account;
  // Another number must not send what this number had in hand.
  if (status === 'logged_out' || status === 'banned' || linkedNumber !== undefined) await sender.abandonAll();
  if (status === 'logged_out') await transport.forget();
}

/** Sends a request about a stopped account to the feed. After a failure the sweep asks the feed about queued messages again. */
export async function askFeed(deps: HostDeps, { record }: AccountParts, kind: FeedRequest['kind']): Promise<void> {
  const { tenantId, accountId } = record.hold;
  try {
    await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind, tenantId, accountId });
  } catch (error) {
    deps.failed('feed', error);
  }
}
