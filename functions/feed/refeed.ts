import { contractsOf } from '../../lib/aws/account-contracts.ts';
import { readCounter } from '../../lib/aws/contract-jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import type { FeedRequest, RefeedCursor } from '../../lib/aws/feed-queue.ts';
import { type PageReader, renewTexts } from '../../lib/aws/feed-rows.ts';
import { keys, queuedAttribute } from '../../lib/aws/keys.ts';
import { sendToLane } from '../../lib/aws/lanes.ts';
import { toMessage } from '../../lib/aws/messages.ts';
import { endUnknown, outcomeUnknownAfterMs } from '../../lib/aws/outcome-unknown.ts';
import { ConditionFailed, type Item, inParallel } from '../../lib/aws/table.ts';
import type { Account, AccountHot } from '../../lib/domain/account.ts';
import { type Contract, inFlightOf } from '../../lib/domain/contract.ts';
import { messageId } from '../../lib/domain/ids.ts';
import { type Lane, lanes, type Message } from '../../lib/domain/message.ts';
import type { Broken } from './broken.ts';
import { finishOpenRows } from './open-rows.ts';

/** Rows looked at per step: eight batch reads side by side. */
const stepRows = 800;

interface Refeed {
  /** Messages that went into the lanes again. */
  sent: number;
  /** The time came first: the request that goes on. */
  next?: FeedRequest;
}

/**
 * Lanes and counts disagree: the lanes gave nothing for longer than a message stays hidden, though the table says they hold some, or
 * messages wait though the table says there are none. Every QUEUED message goes into its lane once more with a raised feedSeq; a copy that
 * is still somewhere then loses its claim. Then the account's counts become what was found, provided nothing moved meanwhile.
 *
 * Running and paused contracts are looked through, those excepted whose counter says that nothing is under way. Those that ended have no
 * QUEUED messages once their job is done; until then the counts stay as they are.
 */
export async function refeed(
  deps: Deps,
  account: Account,
  hot: AccountHot,
  options: { reader: PageReader; broken: Broken; cursor?: RefeedCursor; deadlineMs: number },
): Promise<Refeed> {
  const { broken } = options;
  const cursor = options.cursor ?? begin(hot);
  const all = await contractsOf(deps.table, account.tenantId, account.id);
  const open = all
    .filter(({ status, id }) => (status === 'IN_PROGRESS' || status === 'PAUSED') && id >= cursor.contractId)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const refed: Refeed = { sent: 0 };
  for (const contract of broken.without(open)) {
    await broken.keep(contract, async () => {
      await refeedContract(deps, account, contract, { ...options, hot, cursor, refed });
    });
    if (refed.next !== undefined) return refed;
  }
  if (!broken.some && !all.some(({ job }) => job === 'settle' || job === 'remove')) {
    for (const lane of lanes)
      if (cursor.found[lane] !== cursor.counted[lane]) await correctCount(deps, account, cursor, lane);
  }
  return refed;
}

/** Goes on from the cursor, which keeps what is found; sets `refed.next` when the time comes first. */
async function refeedContract(
  deps: Deps,
  account: Account,
  contract: Contract,
  turn: { reader: PageReader; hot: AccountHot; cursor: RefeedCursor; refed: Refeed; deadlineMs: number },
): Promise<void> {
  const { reader, hot, cursor, refed } = turn;
  refed.sent += await finishOpenRows(deps, account, contract, reader);
  if (inFlightOf(contract, await readCounter(deps.table, contract)) > 0) {
    for (let row = contract.id === cursor.contractId ? cursor.row : 0; row < contract.nextRow; row += stepRows) {
      if (deps.nowMs() >= turn.deadlineMs) {
        const { tenantId, id: accountId } = account;
        refed.next = { kind: 'refeed', tenantId, accountId, cursor: { ...cursor, contractId: contract.id, row } };
        return;
      }
      const found = await refeedRows(deps, account, contract, reader, hot, row);
      cursor.found[contract.lane] += found;
      refed.sent += found;
    }
  }
  await noteRefed(deps, contract, account.id);
}

function begin(hot: AccountHot): RefeedCursor {
  return {
    contractId: '',
    row: 0,
    found: { express: 0, bulk: 0 },
    counted: { express: hot.queuedExpress, bulk: hot.queuedBulk },
    ...(hot.lastActivity === undefined ? {} : { lastActivity: hot.lastActivity }),
  };
}

/** How many of these rows are QUEUED; all of them are in the lane then. */
async function refeedRows(
  deps: Deps,
  account: Account,
  contract: Contract,
  reader: PageReader,
  hot: AccountHot,
  from: number,
): Promise<number> {
  const count = Math.min(stepRows, contract.nextRow - from);
  const ids = Array.from({ length: count }, (_, i) => messageId(contract.id, from + i));
  const items = await deps.table.getMany<Item>(ids.map((id) => keys.message(contract.tenantId, id)));
  const messages = items.flatMap((item) => (item === undefined ? [] : [toMessage(item)]));
  for (const message of messages) {
    // One that nobody has in hand any more ends here; the one in hand is its owner's and the sweep's.
    const sinceMs = message.claim?.since;
    if (message.state !== 'SENDING' || sinceMs === undefined || message.id === hot.inHand?.messageId) continue;
    if (deps.nowMs() - sinceMs >= outcomeUnknownAfterMs) await endUnknown(deps.table, message, 'no_answer');
  }
  const queued = messages.filter((message) => message.state === 'QUEUED');
  await renewTexts(deps.table, contract, reader, queued, deps.nowMs());
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
  return queued.length;
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

async function correctCount(deps: Deps, account: Account, cursor: RefeedCursor, lane: Lane): Promise<void> {
  const { lastActivity } = cursor;
  const unclaimed = lastActivity === undefined ? 'attribute_not_exists(lastActivity)' : 'lastActivity = :claimed';
  try {
    await deps.table.update(keys.accountHot(account.tenantId, account.id), {
      update: `SET ${queuedAttribute[lane]} = :found`,
      // Clauses: nothing was queued or left the lane since the count was read; nothing was claimed, which one leaving and one coming would hide.
      condition: `${queuedAttribute[lane]} = :counted AND ${unclaimed}`,
      values: {
        ':found': cursor.found[lane],
        ':counted': cursor.counted[lane],
        ...(lastActivity === undefined ? {} : { ':claimed': lastActivity }),
      },
    });
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}

/** So that the sweep does not ask for the same again and again. */
async function noteRefed(deps: Deps, contract: Contract, accountId: string): Promise<void> {
  if (contract.status !== 'IN_PROGRESS') return;
  try {
    await deps.table.update(keys.running(contract.tenantId, accountId, contract.id), {
      update: 'SET refedAt = :now',
      condition: 'attribute_exists(pk)',
      values: { ':now': deps.nowMs() },
    });
  } catch (error) {
    // It runs no more.
    if (!(error instanceof ConditionFailed)) throw error;
  }
}
