import type { FeedRequest, WalkCursor } from '../../lib/aws/accounts/feed-queue.ts';
import { sendToLane } from '../../lib/aws/accounts/lanes.ts';
import { patch } from '../../lib/aws/client/patch.ts';
import { inParallel } from '../../lib/aws/client/table.ts';
import { renewTexts } from '../../lib/aws/contracts/feed-rows.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys } from '../../lib/aws/keys.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import type { ContractMessage } from '../../lib/domain/messages/message.ts';
import { type WalkOptions, walkQueued } from './queued-rows.ts';

interface Refeed {
  /** Messages that were sent to the lanes again. */
  sent: number;
  /** Set when the deadline came first: the request that continues. */
  next?: FeedRequest;
}

/**
 * Repairs lanes that disagree with the counts. Either the lanes gave nothing for longer than a message stays hidden, though the table counts some. Or
 * messages wait, though the table counts none. Sends every QUEUED message to its lane again with a raised feedSeq; an older copy then fails its
 * claim.
 */
export async function refeed(deps: Deps, account: Account, hot: AccountHot, options: WalkOptions): Promise<Refeed> {
  let sent = 0;
  const each = async (contract: Contract, queued: ContractMessage[], cursor: WalkCursor): Promise<undefined> => {
    await renewTexts(deps.table, contract, options.reader, queued, deps.nowMs());
    const again: ContractMessage[] = [];
    await inParallel(16, queued, async (message) => {
      const raised = await raiseFeedSeq(deps, message);
      if (raised !== undefined) again.push(raised);
    });
    const inOrder = again.sort((a, b) => a.row - b.row);
    await sendToLane(deps.sqs, account.laneUrls[contract.lane], inOrder);
    cursor.found[contract.lane] += queued.length;
    sent += queued.length;
  };
  const { finished, next } = await walkQueued(deps, account, {
    ...options,
    kind: 'refeed',
    hot,
    goOn: async () => true,
    each,
  });
  return { sent: sent + finished, ...(next === undefined ? {} : { next }) };
}

async function raiseFeedSeq(deps: Deps, message: ContractMessage): Promise<ContractMessage | undefined> {
  const raised = { ...message, feedSeq: message.feedSeq + 1 };
  const { refused } = await deps.table.tryUpdate(keys.message(message.tenantId, message.id), {
    // Earlier versions also gave an open message a TTL.
    ...patch({ feedSeq: raised.feedSeq, ttl: undefined }),
    condition: {
      isQueued: { is: '#state = :queued', names: { '#state': 'state' }, values: { ':queued': 'QUEUED' } },
      isNotFedSince: { is: '#feedSeq = :read', values: { ':read': message.feedSeq } },
    },
  });
  if (refused === undefined) return raised;
  // An earlier try of ours succeeded and only its answer was lost: no other request of the account runs at the same time.
  const now = refused.old();
  return now?.state === 'QUEUED' && now.feedSeq === raised.feedSeq ? raised : undefined;
}
