import type { FeedRequest, WalkCursor } from '../../lib/aws/accounts/feed-queue.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys } from '../../lib/aws/keys.ts';
import { tryMove } from '../../lib/aws/messages/messages.ts';
import { type Account, type AccountHot, isHalted } from '../../lib/domain/accounts/account.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import type { ContractMessage, Message } from '../../lib/domain/messages/message.ts';
import { type WalkOptions, walkQueued } from './queued-rows.ts';

interface Recall {
  /** Messages that went back to PENDING. */
  recalled: number;
  /** Set when the deadline came first: the request that continues. */
  next?: FeedRequest;
}

/**
 * Moves the QUEUED messages of a halted account back to PENDING. They are due at once when the account is no longer halted. Lane entries stay; a host
 * that receives one sees by its feedSeq that it is stale. A message that is being sent is left to its owner.
 *
 *   status that cannot send -> recall, row by row -> [the account connects: its owner asks the feed] -> the walk ends, the feed continues
 */
export async function recall(deps: Deps, account: Account, hot: AccountHot, options: WalkOptions): Promise<Recall> {
  let recalled = 0;
  const each = async (contract: Contract, queued: ContractMessage[], cursor: WalkCursor) => {
    for (const message of queued) {
      if (deps.nowMs() >= options.deadlineMs) return message;
      if (!(await putBack(deps, message))) continue;
      cursor.counted[contract.lane] -= 1;
      recalled += 1;
    }
    return undefined;
  };
  const { next } = await walkQueued(deps, account, {
    ...options,
    kind: 'recall',
    hot,
    goOn: async () => {
      const now = await deps.table.get<Account>(keys.account(account.tenantId, account.id));
      return now !== undefined && isHalted(now, deps.nowMs());
    },
    each,
  });
  return { recalled, ...(next === undefined ? {} : { next }) };
}

/**
 * Moves one message back. Call it in row order, so that the message that waited longest is due first. Returns false when the message was moved by
 * another.
 */
async function putBack(deps: Deps, message: Message): Promise<boolean> {
  const { refused } = await tryMove(deps.table, message, 'PENDING', deps.nowMs(), { notBefore: deps.nowMs() });
  return refused === undefined;
}
