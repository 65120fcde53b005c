import { readCounter } from '../../lib/aws/contract-jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { requestFeed } from '../../lib/aws/feed-queue.ts';
import { finder, keys } from '../../lib/aws/keys.ts';
import { readMessage } from '../../lib/aws/messages.ts';
import { endUnknown, outcomeUnknownAfterMs } from '../../lib/aws/outcome-unknown.ts';
import { wakeAccount } from '../../lib/aws/wake.ts';
import type { Account, AccountHot } from '../../lib/domain/account.ts';
import { type Contract, inFlightOf } from '../../lib/domain/contract.ts';
import { nextWireAt, policyOf } from '../../lib/domain/pacing.ts';
import type { Failed, Swept } from './sweep.ts';

/** Nothing claimed for so long although the lanes hold something: the owner may not know. */
const idleMs = 60_000;
/** Nothing claimed and nothing fed for so long although messages are under way: the count is wrong. */
const lostMs = 120_000;
/** A refeed that changed nothing is not asked for again before this. */
const refeedEveryMs = 15 * 60_000;

interface Running {
  tenantId: string;
  accountId: string;
  contractIds: string[];
}

/**
 * Accounts with running contracts. Empty lanes are fed: a feed request may have been lost, or a retry is due; and refed when messages are
 * under way all the same. Full ones that nobody takes from: the owner is woken.
 */
export async function sweepRunning(deps: Deps, swept: Swept, failed: Failed): Promise<void> {
  const accounts = await runningAccounts(deps);
  const hots = await deps.table.getMany<AccountHot>(
    accounts.map(({ tenantId, accountId }) => keys.accountHot(tenantId, accountId)),
    { eventually: true },
  );
  const idle: AccountHot[] = [];
  for (const [index, running] of accounts.entries()) {
    const hot = hots[index];
    if (hot === undefined) continue;
    try {
      if (await settleUnknown(deps, hot)) swept.outcomesUnknown += 1;
      if (hot.queuedExpress > 0 || hot.queuedBulk > 0) {
        if (deps.nowMs() - (hot.lastActivity ?? 0) > idleMs) idle.push(hot);
        continue;
      }
      const lost = await hasLostMessages(deps, running, hot);
      const { tenantId, accountId } = running;
      await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind: lost ? 'refeed' : 'feed', tenantId, accountId });
      if (lost) swept.accountsRefed += 1;
      else swept.accountsFed += 1;
    } catch (error) {
      failed('running', error);
    }
  }
  await wakeIdle(deps, idle, swept);
}

async function runningAccounts(deps: Deps): Promise<Running[]> {
  const found = await deps.table.queryAll<{ ixs: string }>({ pk: finder.running, index: finder.index });
  const accounts = new Map<string, Running>();
  for (const { ixs } of found) {
    const [tenantId, accountId, contractId] = ixs.split('#');
    if (tenantId === undefined || accountId === undefined || contractId === undefined) continue;
    const known = accounts.get(accountId);
    if (known === undefined) accounts.set(accountId, { tenantId, accountId, contractIds: [contractId] });
    else known.contractIds.push(contractId);
  }
  return [...accounts.values()];
}

/** Whether a contract has messages under way although the lanes count none and nothing has moved for two minutes. */
async function hasLostMessages(deps: Deps, running: Running, hot: AccountHot): Promise<boolean> {
  const { tenantId, accountId, contractIds } = running;
  const nowMs = deps.nowMs();
  if (nowMs - (hot.lastActivity ?? 0) <= lostMs) return false;
  const [contracts, marks] = await Promise.all([
    deps.table.getMany<Contract>(contractIds.map((id) => keys.contract(tenantId, id))),
    deps.table.getMany<{ refedAt?: number }>(contractIds.map((id) => keys.running(tenantId, accountId, id))),
  ]);
  for (const [index, contract] of contracts.entries()) {
    if (contract?.status !== 'IN_PROGRESS' || contract.job !== undefined) continue;
    if (nowMs - (contract.fedAt ?? 0) <= lostMs || nowMs - (marks[index]?.refedAt ?? 0) < refeedEveryMs) continue;
    const inFlight = inFlightOf(contract, await readCounter(deps.table, contract));
    if (inFlight > 1 || (inFlight === 1 && !(await hasInHand(deps, contract, hot)))) return true;
  }
  return false;
}

async function hasInHand(deps: Deps, contract: Contract, { inHand }: AccountHot): Promise<boolean> {
  if (inHand?.contractId !== contract.id) return false;
  return (await readMessage(deps.table, contract.tenantId, inHand.messageId))?.state === 'SENDING';
}

/** Those that are connected and whom pacing would let send. */
async function wakeIdle(deps: Deps, idle: AccountHot[], swept: Swept): Promise<void> {
  const accounts = await deps.table.getMany<Account>(
    idle.map(({ tenantId, accountId }) => keys.account(tenantId, accountId)),
    { eventually: true },
  );
  for (const [index, hot] of idle.entries()) {
    const account = accounts[index];
    if (account === undefined || !canSend(account, hot, deps.nowMs())) continue;
    await wakeAccount(deps, hot.tenantId, hot.accountId);
    swept.accountsWoken += 1;
  }
}

/** Pure. */
function canSend(account: Account, hot: AccountHot, nowMs: number): boolean {
  if (account.deletedAt !== undefined || account.desired !== 'connected' || account.status !== 'connected')
    return false;
  const linkedAtMs = account.pacedSince ?? account.createdAt;
  return nextWireAt(policyOf(account), hot.pace, { nowMs, linkedAtMs }) <= nowMs;
}

async function settleUnknown(deps: Deps, hot: AccountHot): Promise<boolean> {
  const { inHand } = hot;
  if (inHand === undefined || deps.nowMs() - (hot.lastActivity ?? deps.nowMs()) < outcomeUnknownAfterMs) return false;
  const message = await readMessage(deps.table, hot.tenantId, inHand.messageId);
  if (message?.state !== 'SENDING' || message.claim?.nonce !== inHand.nonce) return false;
  return (await endUnknown(deps.table, message, 'no_answer')) !== undefined;
}
