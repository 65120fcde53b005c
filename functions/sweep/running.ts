import type { HotItem } from '../../lib/aws/accounts/accounts.ts';
import { type FeedRequest, requestFeed } from '../../lib/aws/accounts/feed-queue.ts';
import { inParallel } from '../../lib/aws/client/table.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { listHosts } from '../../lib/aws/hosts/hosts.ts';
import { wakeAccount } from '../../lib/aws/hosts/wake.ts';
import { keys } from '../../lib/aws/keys.ts';
import { readMessage } from '../../lib/aws/messages/messages.ts';
import { endUnknown, outcomeUnknownAfterMs } from '../../lib/aws/messages/outcome-unknown.ts';
import { type Account, type AccountHot, isHalted, warmUpStart } from '../../lib/domain/accounts/account.ts';
import { inHandOf } from '../../lib/domain/accounts/in-hand.ts';
import { nextWireAt, policyOf } from '../../lib/domain/accounts/pacing.ts';
import { isFindable, makeFindable } from './findable.ts';
import { hasLostMessages, walkedLately } from './lost.ts';
import { forgetStill } from './paused.ts';
import type { Failed, Swept } from './swept.ts';
import type { Unchanged } from './unchanged.ts';
import { accountsUnderWay, type UnderWay } from './under-way.ts';

/** After this long without a claim, although the lanes hold something, the owner may not know of it. */
const idleMs = 60_000;
/** Accounts that only wait are checked closely this often, each at its own minute. */
const closeLookEveryMs = 15 * 60_000;
const sweepEveryMs = 60_000;
/** After this long without a move, although woken every minute, a contract counts as stuck. */
const stuckMs = 10 * 60_000;
/** The same with empty lanes: a message may wait half an hour for its next try (lib/sending/sender.ts, lib/domain/messages/send-outcome.ts). */
const stuckEmptyMs = 45 * 60_000;

/** An account with contracts under way that takes nothing from its lanes at the moment. */
interface Quiet {
  underWay: UnderWay;
  hot: HotItem;
  account: Account;
}

/**
 * Serves accounts with contracts under way: running ones, and paused ones with messages that are not back yet. Skips an account that takes from its
 * lanes. Of the others:
 *
 *   halted, lanes not empty   recalled: the request after the halt may be lost
 *   lanes empty               fed: a feed request may be lost, or a retry is due
 *   lanes not empty           its owner is woken if the account could send
 *   more under way than the lanes count   refed (recalled if halted)
 *   no host would find it     offered to the hosts
 *
 * A sending without an outcome ends after a day, whether its contract runs or is paused.
 */
export async function sweepRunning(deps: Deps, swept: Swept, failed: Failed, seen: Unchanged): Promise<void> {
  const accounts = await accountsUnderWay(deps);
  const hots = await deps.table.getMany<HotItem>(
    accounts.map(({ tenantId, accountId }) => keys.accountHot(tenantId, accountId)),
    { eventually: true },
  );
  const still = accounts.flatMap((underWay, index) => {
    const hot = hots[index];
    return hot === undefined || isAtWork(hot, deps.nowMs()) ? [] : [{ underWay, hot }];
  });
  const items = await deps.table.getMany<Account>(
    still.map(({ hot }) => keys.account(hot.tenantId, hot.accountId)),
    { eventually: true },
  );
  // Read after the accounts, because an owner's item exists before its claim.
  const hosts = new Set((await listHosts(deps.table)).map(({ id }) => id));
  const quiets = still.flatMap((quiet, index) => {
    const account = items[index];
    // A deleted account is removed with its contracts; `sweepDeleted` asks for that.
    return account === undefined || account.deletedAt !== undefined ? [] : [{ ...quiet, account }];
  });
  // In parallel: after an outage of all hosts no account is at work, and a sweep has less than a minute.
  await inParallel(16, quiets, async (quiet) => {
    try {
      if (!isFindable(quiet.hot, hosts) && (await makeFindable(deps, quiet.hot))) swept.accountsFound += 1;
      await serve(deps, quiet, swept);
      await forgetStill(deps, quiet.underWay);
    } catch (error) {
      failed('running', error);
    }
  });
  await findStuck(deps, accounts, hots, swept, seen);
}

/** Pure: returns whether the account takes from its lanes. */
function isAtWork(hot: AccountHot, nowMs: number): boolean {
  return (hot.queuedExpress > 0 || hot.queuedBulk > 0) && nowMs - (hot.lastActivity ?? 0) <= idleMs;
}

async function serve(deps: Deps, quiet: Quiet, swept: Swept): Promise<void> {
  const { underWay, hot, account } = quiet;
  const nowMs = deps.nowMs();
  const ended = await endAllUnknown(deps, hot);
  if (ended) swept.outcomesUnknown += 1;
  const closely = ended || (nowMs - (hot.lastActivity ?? 0)) % closeLookEveryMs < sweepEveryMs;
  const halted = isHalted(account, nowMs);
  if (halted && (hot.queuedExpress !== 0 || hot.queuedBulk !== 0)) {
    if (!(await walkedLately(deps, underWay))) await ask(deps, underWay, 'recall', swept);
    else if (closely) await ask(deps, underWay, 'feed', swept);
    return;
  }
  const full = hot.queuedExpress > 0 || hot.queuedBulk > 0;
  if (full && canSend(account, hot, nowMs)) {
    await wakeAccount(deps, hot.tenantId, hot.accountId);
    swept.accountsWoken += 1;
  }
  if (!closely && (full || halted || underWay.contractIds.length === 0)) return;
  if (await hasLostMessages(deps, underWay, hot)) await ask(deps, underWay, halted ? 'recall' : 'refeed', swept);
  else if (underWay.contractIds.length > 0) await ask(deps, underWay, 'feed', swept);
}

async function ask(
  deps: Deps,
  { tenantId, accountId }: UnderWay,
  kind: keyof typeof asked,
  swept: Swept,
): Promise<void> {
  const request: FeedRequest = { kind, tenantId, accountId };
  await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, request);
  swept[asked[kind]] += 1;
}

const asked = { feed: 'accountsFed', refeed: 'accountsRefed', recall: 'accountsRecalled' } as const;

/** Counts the running contracts of accounts that could send and have not, for any reason. */
async function findStuck(
  deps: Deps,
  running: UnderWay[],
  hots: (AccountHot | undefined)[],
  swept: Swept,
  seen: Unchanged,
): Promise<void> {
  const nowMs = deps.nowMs();
  const states = new Map<string, string>();
  for (const hot of hots) {
    if (hot === undefined) continue;
    states.set(hot.accountId, [hot.lastActivity, hot.queuedExpress, hot.queuedBulk].join());
  }
  const since = seen.note(states, nowMs);
  const still = hots.flatMap((hot, index) => {
    const contracts = running[index]?.contractIds.length ?? 0;
    if (hot === undefined) return [];
    const limitMs = hot.queuedExpress > 0 || hot.queuedBulk > 0 ? stuckMs : stuckEmptyMs;
    return nowMs - (since.get(hot.accountId) ?? nowMs) >= limitMs ? [{ hot, contracts }] : [];
  });
  const accounts = await deps.table.getMany<Account>(
    still.map(({ hot }) => keys.account(hot.tenantId, hot.accountId)),
    { eventually: true },
  );
  for (const [index, { hot, contracts }] of still.entries()) {
    const account = accounts[index];
    if (account !== undefined && canSend(account, hot, nowMs) && !isHeld(account, hot, nowMs))
      swept.contractsStuck += contracts;
  }
}

/** Pure: returns whether the account is connected, its tenant does not hold it, and its pace allows a send now. */
function canSend(account: Account, hot: AccountHot, nowMs: number): boolean {
  if (isHalted(account, nowMs) || account.status !== 'connected') return false;
  return nextWireAt(policyOf(account), hot.pace, { nowMs, linkedAtMs: warmUpStart(account) }) <= nowMs;
}

/**
 * Pure: returns whether the messages left may wait for the end of a hold of first contacts, or have waited for it until now. Owners put such messages
 * back from the lanes.
 */
function isHeld({ firstContactsHeldUntil = 0 }: Account, hot: AccountHot, nowMs: number): boolean {
  return firstContactsHeldUntil > nowMs - stuckEmptyMs && hot.queuedExpress <= 0 && hot.queuedBulk <= 0;
}

async function endAllUnknown(deps: Deps, hot: AccountHot): Promise<boolean> {
  if (deps.nowMs() - (hot.lastActivity ?? deps.nowMs()) < outcomeUnknownAfterMs) return false;
  let ended = false;
  for (const { messageId, nonce } of inHandOf(hot)) {
    const message = await readMessage(deps.table, hot.tenantId, messageId);
    if (message?.state !== 'SENDING' || message.claim?.nonce !== nonce) continue;
    if ((await endUnknown(deps.table, message, 'no_answer', deps.nowMs())) !== undefined) ended = true;
  }
  return ended;
}
