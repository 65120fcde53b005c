import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys } from '../../lib/aws/keys.ts';
import { readMessage } from '../../lib/aws/messages/messages.ts';
import type { AccountHot } from '../../lib/domain/accounts/account.ts';
import { inHandOf } from '../../lib/domain/accounts/in-hand.ts';
import { type Contract, inFlightOf } from '../../lib/domain/contracts/contract.ts';
import { marksOf, type UnderWay } from './under-way.ts';

/** After this long without a claim or a feed, although messages are under way, the counts are wrong. */
const lostMs = 120_000;
/** A walk through all QUEUED messages of an account is not asked for again before this. */
const walkEveryMs = 15 * 60_000;

/**
 * Returns whether messages are lost: the contracts have more under way than the lanes count and the owner has in hand, and nothing has moved for two
 * minutes. Leaves out contracts with a job, because the job moves their messages.
 */
export async function hasLostMessages(deps: Deps, account: UnderWay, hot: AccountHot): Promise<boolean> {
  const { tenantId, contractIds, paused } = account;
  const nowMs = deps.nowMs();
  if (nowMs - (hot.lastActivity ?? 0) <= lostMs) return false;
  const ids = [...contractIds, ...paused];
  const [contracts, marks] = await Promise.all([
    deps.table.getMany<Contract>(ids.map((id) => keys.contract(tenantId, id))),
    marksOf(deps, account),
  ]);
  const judged: Contract[] = [];
  for (const [index, contract] of contracts.entries()) {
    if (contract === undefined || contract.job !== undefined) continue;
    if (contract.status !== 'IN_PROGRESS' && contract.status !== 'PAUSED') continue;
    if (nowMs - (contract.fedAt ?? 0) <= lostMs || nowMs - (marks[index]?.refedAt ?? 0) < walkEveryMs) continue;
    judged.push(contract);
  }
  let missing = -Math.max(0, hot.queuedExpress) - Math.max(0, hot.queuedBulk);
  for (const contract of judged) missing += Math.max(0, inFlightOf(contract, await readCounter(deps.table, contract)));
  return missing > 0 && missing > (await countInHand(deps, judged, hot));
}

/** Returns whether the feed has walked through the account's QUEUED messages within 15 minutes. */
export async function walkedLately(deps: Deps, account: UnderWay): Promise<boolean> {
  const nowMs = deps.nowMs();
  return (await marksOf(deps, account)).some((mark) => nowMs - (mark?.refedAt ?? 0) < walkEveryMs);
}

/** Returns how many messages of these contracts are SENDING in their owner's hand. */
async function countInHand(deps: Deps, contracts: Contract[], hot: AccountHot): Promise<number> {
  const named = inHandOf(hot).filter(({ contractId }) => contracts.some(({ id }) => id === contractId));
  const messages = await Promise.all(named.map(({ messageId }) => readMessage(deps.table, hot.tenantId, messageId)));
  return messages.filter((message) => message?.state === 'SENDING').length;
}
