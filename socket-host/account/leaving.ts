import { type FeedRequest, requestFeed } from '../../lib/aws/accounts/feed-queue.ts';
import { releaseAccount } from '../../lib/aws/hosts/ownership.ts';
import type { HostDeps } from '../deps.ts';
import type { AccountParts } from './parts.ts';

interface Release {
  /** Something is left for a host to do. */
  wanted: boolean;
  /** The tenant's last wish that this host has acted on: a later one keeps the account wanted. */
  asked: number | undefined;
  mayAct(): boolean;
}

/**
 * Gives the account up for others to take: writes what is left to write and takes the host's name off its item. Returns whether that stood.
 * The connection must be closed.
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
 * Does what is left to do for an account that has stopped, before it is given up. The status says what that is, and stands already: an owner
 * that finds this undone, after an error or after our death, does it instead of connecting.
 */
export async function cleanUp({ record, sender, transport }: AccountParts): Promise<void> {
  const { status, linkedNumber } = record.account;
  // What one number had in hand is not sent by another.
  if (status === 'logged_out' || status === 'banned' || linkedNumber !== undefined) await sender.abandonAll();
  if (status === 'logged_out') await transport.forget();
}

/** Asks the feed to look at an account that has stopped. A failure is left to the sweep, which asks the feed about queued messages again. */
export async function askFeed(deps: HostDeps, { record }: AccountParts, kind: FeedRequest['kind']): Promise<void> {
  const { tenantId, accountId } = record.hold;
  try {
    await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind, tenantId, accountId });
  } catch (error) {
    deps.failed('feed', error);
  }
}
