import type { Deps } from '../../lib/aws/deps.ts';
import { keys, queuedAttribute } from '../../lib/aws/keys.ts';
import { sendToLane } from '../../lib/aws/lanes.ts';
import { toMessage } from '../../lib/aws/messages.ts';
import { ConditionFailed, type Item, inParallel } from '../../lib/aws/table.ts';
import type { Account, AccountHot } from '../../lib/domain/account.ts';
import type { Contract } from '../../lib/domain/contract.ts';
import { messageId } from '../../lib/domain/ids.ts';
import { type Lane, lanes, type Message } from '../../lib/domain/message.ts';

/** Rows looked at per batch read. */
const stepRows = 100;

/**
 * The lanes gave nothing for longer than a message stays hidden, though the table says they hold some: an interrupted feed marked
 * messages and never sent them, or the lane lost them. Every QUEUED message goes into its lane once more with a raised feedSeq; a copy
 * that is still somewhere then loses its claim. When there are none, the account's count is put right, provided nothing moved meanwhile.
 * Running and paused contracts are looked through; those that ended have no QUEUED messages, their job saw to that.
 */
export async function refeed(deps: Deps, account: Account, hot: AccountHot): Promise<number> {
  const found: Record<Lane, number> = { express: 0, bulk: 0 };
  for (const contract of await openContracts(deps, account)) {
    for (let row = 0; row < contract.openFrom; row += stepRows) {
      const ids = Array.from({ length: Math.min(stepRows, contract.openFrom - row) }, (_, i) =>
        messageId(contract.id, row + i),
      );
      const items = await deps.table.getMany<Item>(ids.map((id) => keys.message(contract.tenantId, id)));
      const queued = items.flatMap((item) => (item?.state === 'QUEUED' ? [toMessage(item)] : []));
      const again: Message[] = [];
      await inParallel(16, queued, async (message) => {
        const raised = await raiseFeedSeq(deps, message);
        if (raised !== undefined) again.push(raised);
      });
      await sendToLane(
        deps.sqs,
        account.laneUrls[contract.lane],
        again.sort((a, b) => a.row - b.row),
      );
      found[contract.lane] += queued.length;
    }
  }
  for (const lane of lanes) if (found[lane] === 0) await clearCount(deps, hot, lane);
  return found.express + found.bulk;
}

async function raiseFeedSeq(deps: Deps, message: Message): Promise<Message | undefined> {
  try {
    await deps.table.update(keys.message(message.tenantId, message.id), {
      update: 'SET feedSeq = :next',
      // Clauses: still queued; nobody fed it again since.
      condition: '#s = :queued AND feedSeq = :seq',
      names: { '#s': 'state' },
      values: { ':next': message.feedSeq + 1, ':seq': message.feedSeq, ':queued': 'QUEUED' },
    });
    return { ...message, feedSeq: message.feedSeq + 1 };
  } catch (error) {
    if (error instanceof ConditionFailed) return undefined;
    throw error;
  }
}

async function clearCount(deps: Deps, hot: AccountHot, lane: Lane): Promise<void> {
  const attribute = queuedAttribute[lane];
  if (hot[attribute] === 0) return;
  try {
    await deps.table.update(keys.accountHot(hot.tenantId, hot.accountId), {
      update: `SET ${attribute} = :none`,
      // Clause: nothing was queued or claimed since the count was read.
      condition: `${attribute} = :seen`,
      values: { ':none': 0, ':seen': hot[attribute] },
    });
    hot[attribute] = 0;
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}

async function openContracts(deps: Deps, account: Account): Promise<Contract[]> {
  const { pk } = keys.contract(account.tenantId, '');
  const all = await deps.table.queryAll<Contract>({ pk, skPrefix: 'C#' });
  return all.filter(
    ({ status, accountIds }) => accountIds.includes(account.id) && (status === 'IN_PROGRESS' || status === 'PAUSED'),
  );
}
