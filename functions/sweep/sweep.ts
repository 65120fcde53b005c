import { moveContract } from '../../lib/aws/contracts.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { requestFeed } from '../../lib/aws/feed-queue.ts';
import { listHosts, listInboxes, removeHost, removeInbox, retireHost } from '../../lib/aws/hosts.ts';
import { finder, keys } from '../../lib/aws/keys.ts';
import { moveMessage, readMessage } from '../../lib/aws/messages.ts';
import { type AccountRefs, orphanAccounts } from '../../lib/aws/ownership.ts';
import { ConditionFailed } from '../../lib/aws/table.ts';
import type { AccountHot } from '../../lib/domain/account.ts';
import { PacelineError } from '../../lib/domain/errors.ts';

/** A host whose own clock last beat longer ago is gone; much more than any clock skew, and hosts adopt each other's accounts long before. */
const hostGoneMs = 120_000;
/** An inbox younger than this may belong to a host that is just starting. */
const inboxYoungMs = 10 * 60_000;
/** A claim older than this whose outcome nobody wrote can no longer be learned (design.md, promise 2). */
const outcomeUnknownAfterMs = 24 * 3_600_000;

export interface Swept {
  hostsRemoved: number;
  accountsOrphaned: number;
  inboxesRemoved: number;
  contractsStarted: number;
  accountsFed: number;
  outcomesUnknown: number;
}

/** Every minute: what fell between two chairs is put back on one. Each part stands alone, so that one failing does not stop the others. */
export async function sweep(deps: Deps, failed: (part: string, error: unknown) => void): Promise<Swept> {
  const swept: Swept = {
    hostsRemoved: 0,
    accountsOrphaned: 0,
    inboxesRemoved: 0,
    contractsStarted: 0,
    accountsFed: 0,
    outcomesUnknown: 0,
  };
  const parts: [string, () => Promise<void>][] = [
    ['hosts', () => sweepHosts(deps, swept)],
    ['inboxes', () => sweepInboxes(deps, swept)],
    ['starts', () => sweepStarts(deps, swept, failed)],
    ['running', () => sweepRunning(deps, swept)],
  ];
  for (const [part, run] of parts) {
    try {
      await run();
    } catch (error) {
      failed(part, error);
    }
  }
  return swept;
}

/** Hosts that ended without a word: their accounts become unowned, for whoever lives. */
async function sweepHosts(deps: Deps, swept: Swept): Promise<void> {
  for (const host of await listHosts(deps.table)) {
    if (deps.nowMs() - host.beatAt < hostGoneMs) continue;
    await retireHost(deps.table, host.id, deps.nowMs());
    swept.accountsOrphaned += await orphanAccounts(deps.table, host.id);
    await removeHost(deps.table, host.id);
    swept.hostsRemoved += 1;
  }
}

async function sweepInboxes(deps: Deps, swept: Swept): Promise<void> {
  const hosts = new Set((await listHosts(deps.table)).map((host) => host.inboxUrl));
  for (const { url, createdMs } of await listInboxes(deps.sqs, deps.config.INBOX_PREFIX)) {
    if (hosts.has(url) || deps.nowMs() - createdMs < inboxYoungMs) continue;
    await removeInbox(deps.sqs, url);
    swept.inboxesRemoved += 1;
  }
}

/** Contracts whose `startAt` has come. */
async function sweepStarts(deps: Deps, swept: Swept, failed: (part: string, error: unknown) => void): Promise<void> {
  const due = await deps.table.query<{ ixs: string }>({
    pk: finder.start,
    index: finder.index,
    skBetween: ['0', new Date(deps.nowMs()).toISOString()],
    limit: 100,
  });
  for (const { ixs } of due.items) {
    const [, tenantId, contractId] = ixs.split('#');
    if (tenantId === undefined || contractId === undefined) continue;
    const origin = { tenantId, keyId: 'schedule', at: deps.nowMs(), ip: '-', requestId: '-' };
    try {
      await moveContract(deps, origin, tenantId, contractId, 'start');
      swept.contractsStarted += 1;
    } catch (error) {
      // Started, canceled or deleted meanwhile, or without rows: the schedule has had its turn.
      if (!(error instanceof PacelineError)) failed('starts', error);
      else await deps.table.delete(keys.startAt(tenantId, contractId));
    }
  }
}

/** Accounts with running contracts and empty lanes are fed: a feed request may have been lost, or a retry is due. */
async function sweepRunning(deps: Deps, swept: Swept): Promise<void> {
  const running = await deps.table.queryAll<{ ixs: string }>({ pk: finder.running, index: finder.index });
  const accounts = new Map<string, AccountRefs>();
  for (const { ixs } of running) {
    const [tenantId, accountId] = ixs.split('#');
    if (tenantId !== undefined && accountId !== undefined) accounts.set(accountId, { tenantId, accountId });
  }
  const refs = [...accounts.values()];
  const hots = await deps.table.getMany<AccountHot>(
    refs.map(({ tenantId, accountId }) => keys.accountHot(tenantId, accountId)),
    { eventually: true },
  );
  for (const hot of hots) {
    if (hot === undefined) continue;
    if (await settleUnknown(deps, hot)) swept.outcomesUnknown += 1;
    if (hot.queuedExpress > 0 || hot.queuedBulk > 0) continue;
    const { tenantId, accountId } = hot;
    await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind: 'feed', tenantId, accountId });
    swept.accountsFed += 1;
  }
}

async function settleUnknown(deps: Deps, hot: AccountHot): Promise<boolean> {
  const { inHand } = hot;
  if (inHand === undefined || deps.nowMs() - (hot.lastActivity ?? deps.nowMs()) < outcomeUnknownAfterMs) return false;
  const message = await readMessage(deps.table, hot.tenantId, inHand.messageId);
  if (message?.state !== 'SENDING' || message.claim?.nonce !== inHand.nonce) return false;
  try {
    const error = {
      code: 'OUTCOME_UNKNOWN' as const,
      message: 'No answer could be had for 24 hours. It is not sent again.',
    };
    await moveMessage(deps.table, message, 'FAILED', { error });
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}
