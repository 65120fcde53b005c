import { runJob } from '../../lib/aws/contract-jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { type FeedRequest, requestFeed } from '../../lib/aws/feed-queue.ts';
import {
  closeRows,
  dueBacklog,
  type PageReader,
  putRows,
  renewTexts,
  reserveRows,
  rowsOf,
  runningContracts,
} from '../../lib/aws/feed-rows.ts';
import { keys } from '../../lib/aws/keys.ts';
import { sendToLane } from '../../lib/aws/lanes.ts';
import { moveMessage, readHot, toMessage } from '../../lib/aws/messages.ts';
import { ConditionFailed, type Item } from '../../lib/aws/table.ts';
import { wakeAccount } from '../../lib/aws/wake.ts';
import type { Account, AccountHot } from '../../lib/domain/account.ts';
import type { Contract } from '../../lib/domain/contract.ts';
import { planFeed, windowOf } from '../../lib/domain/feed.ts';
import { type Lane, lanes, type Message } from '../../lib/domain/message.ts';
import { policyOf } from '../../lib/domain/pacing.ts';
import { Broken } from './broken.ts';
import { completeIfFinal } from './complete.ts';
import { finishOpenRows } from './open-rows.ts';
import { refeed } from './refeed.ts';
import { removeAccount } from './remove-account.ts';

/** An owner that has claimed nothing for so long may not know what the lanes hold. */
const ownerIdleMs = 60_000;

/**
 * One feed of one account. Requests of an account never run side by side (FIFO group), and every step can be repeated:
 *
 *   1 finish rows an interrupted feed had reserved
 *   2 refeed only: what is QUEUED goes into the lanes again, and the counts are put right
 *   3 messages that are PENDING again and due -> QUEUED
 *   4 new rows, as many as the window leaves, turn by turn among the running contracts -> reserved -> made -> in the lane
 *   5 contracts whose messages are all final -> COMPLETED or FAILED
 *   6 the owner is told, after the lane holds them
 *
 * A contract that cannot be served (a page is missing) does not stop the others; it is thrown at the end, so that the request is repeated.
 * `rowReader` keeps pages between invocations. A refeed asks for another turn at `deadlineMs`.
 */
export async function feedAccount(
  deps: Deps,
  request: FeedRequest,
  rowReader: PageReader,
  deadlineMs: number,
): Promise<void> {
  const { tenantId, accountId } = request;
  const { table } = deps;
  const [account, found] = await Promise.all([
    table.get<Account>(keys.account(tenantId, accountId)),
    readHot(table, tenantId, accountId),
  ]);
  if (account?.deletedAt !== undefined) return await removeAccount(deps, tenantId, accountId);
  if (account === undefined || found === undefined) return;
  let hot = found;
  const running = (await runningContracts(table, tenantId, accountId)).filter((c) => c.status === 'IN_PROGRESS');
  const broken = new Broken();

  let sent = 0;
  for (const contract of running) {
    await broken.keep(contract, async () => {
      sent += await finishOpenRows(deps, account, contract, rowReader);
    });
  }
  if (request.kind === 'refeed') {
    const { cursor } = request;
    const options = { reader: rowReader, broken, deadlineMs, ...(cursor === undefined ? {} : { cursor }) };
    const refed = await refeed(deps, account, hot, options);
    sent += refed.sent;
    if (refed.next !== undefined) await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, refed.next);
    hot = (await readHot(table, tenantId, accountId)) ?? hot;
  }
  const queued = { express: hot.queuedExpress, bulk: hot.queuedBulk };
  for (const contract of broken.without(running)) {
    await broken.keep(contract, async () => {
      sent += await feedBacklog(deps, account, contract, queued, rowReader);
    });
  }
  sent += await feedNewRows(deps, account, broken.without(running), queued, rowReader, broken);
  if (sent > 0 || mayNotKnow(account, hot, queued, deps.nowMs())) await wakeAccount(deps, tenantId, accountId);
  for (const contract of running) {
    await broken.keep(contract, () => completeIfFinal(deps, contract, accountId));
  }
  broken.tell();
}

/**
 * Nothing was sent, but the lanes hold messages: an earlier feed may have died before it told the owner. One that works its way through
 * half a window or less asks for more with each message, and is not told each time that it has some.
 */
function mayNotKnow(account: Account, hot: AccountHot, queued: Record<Lane, number>, nowMs: number): boolean {
  const idle = nowMs - (hot.lastActivity ?? 0) > ownerIdleMs;
  const policy = policyOf(account);
  return lanes.some((lane) => queued[lane] > 0 && (idle || queued[lane] >= windowOf(lane, policy) / 2));
}

/** Before new rows: whoever waited longest comes first. Raises `queued` by what it moved. */
async function feedBacklog(
  deps: Deps,
  account: Account,
  contract: Contract,
  queued: Record<Lane, number>,
  reader: PageReader,
): Promise<number> {
  const { table } = deps;
  const room = windowOf(contract.lane, policyOf(account)) - queued[contract.lane];
  if (room <= 0) return 0;
  const due = await dueBacklog(table, contract, deps.nowMs(), room);
  const items = await table.getMany<Item>(due.map(({ messageId }) => keys.message(contract.tenantId, messageId)));
  const pending = items.flatMap((item) => (item?.state === 'PENDING' ? [toMessage(item)] : []));
  await renewTexts(table, contract, reader, pending, deps.nowMs());
  const moved: Message[] = [];
  for (const message of pending) {
    try {
      moved.push(await moveMessage(table, message, 'QUEUED', { queuedAt: deps.nowMs() }));
    } catch (error) {
      // Canceled in between: its backlog entry went with it.
      if (!(error instanceof ConditionFailed)) throw error;
    }
  }
  await sendToLane(deps.sqs, account.laneUrls[contract.lane], moved);
  queued[contract.lane] += moved.length;
  return moved.length;
}

async function feedNewRows(
  deps: Deps,
  account: Account,
  contracts: Contract[],
  queued: Record<Lane, number>,
  reader: PageReader,
  broken: Broken,
): Promise<number> {
  const byId = new Map(contracts.map((contract) => [contract.id, contract]));
  const plan = planFeed({
    queued,
    contracts: contracts.map((contract) => ({
      id: contract.id,
      lane: contract.lane,
      remaining: rowsOf(contract) - contract.nextRow,
      ...(contract.fedAt === undefined ? {} : { fedAt: contract.fedAt }),
    })),
    policy: policyOf(account),
  });
  let sent = 0;
  for (const { contractId, rows: wanted } of plan) {
    const contract = byId.get(contractId);
    if (contract === undefined) continue;
    await broken.keep(contract, async () => {
      const fed = await feedRows(deps, account, contract, wanted, reader);
      queued[contract.lane] += fed;
      sent += fed;
    });
  }
  return sent;
}

async function feedRows(
  deps: Deps,
  account: Account,
  contract: Contract,
  wanted: number,
  reader: PageReader,
): Promise<number> {
  const from = contract.nextRow;
  const rows = await reader.rows(contract, from, await rowsToTake(reader, contract, wanted));
  const to = from + rows.length;
  const valid = rows.filter(({ data }) => data.skip === undefined).length;
  if (!(await reserveRows(deps.table, contract, account.id, to, valid, deps.nowMs()))) return 0;
  const messages = await putRows(deps.table, contract, account.id, rows, deps.nowMs());
  await sendToLane(deps.sqs, account.laneUrls[contract.lane], messages);
  contract.nextRow = to;
  contract.openFrom = from;
  await closeRows(deps.table, contract, from, to);
  contract.openFrom = to;
  contract.fedCount += valid;
  return messages.length;
}

/** The row behind the last to take: `wanted` rows with a message, and the skipped ones between and right behind them. */
async function rowsToTake(reader: PageReader, contract: Contract, wanted: number): Promise<number> {
  const total = rowsOf(contract);
  let to = contract.nextRow;
  let valid = 0;
  while (to < total) {
    const chunk = await reader.rows(contract, to, Math.min(to + 500, total));
    for (const { row, data } of chunk) {
      if (data.skip === undefined) {
        if (valid === wanted) return row;
        valid += 1;
      }
      to = row + 1;
    }
  }
  return to;
}

/** Goes on with a contract's job; asks for another turn when the time is up. What waits for messages being sent, the sweep asks for. */
export async function continueJob(deps: Deps, request: FeedRequest, deadlineMs: number): Promise<void> {
  const { tenantId, contractId } = request;
  if (contractId === undefined) return;
  const end = await runJob(deps, { tenantId, id: contractId }, deadlineMs);
  if (end === 'more') await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, request);
  // What a retry reopened goes into the lanes, and what a clear took away may have been all that was missing.
  else if (end === 'done') await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { ...request, kind: 'feed' });
}
