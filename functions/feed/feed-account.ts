import { readCounter, runJob } from '../../lib/aws/contract-jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { type FeedRequest, requestFeed } from '../../lib/aws/feed-queue.ts';
import {
  closeRows,
  dueBacklog,
  type PageReader,
  putRows,
  reserveRows,
  rowsOf,
  runningContracts,
} from '../../lib/aws/feed-rows.ts';
import { keys } from '../../lib/aws/keys.ts';
import { sendToLane } from '../../lib/aws/lanes.ts';
import { moveMessage, readHot, readMessage } from '../../lib/aws/messages.ts';
import { ConditionFailed } from '../../lib/aws/table.ts';
import { wakeAccount } from '../../lib/aws/wake.ts';
import type { Account } from '../../lib/domain/account.ts';
import { type Contract, finalStatusOf } from '../../lib/domain/contract.ts';
import { planFeed, windowOf } from '../../lib/domain/feed.ts';
import type { Lane, Message } from '../../lib/domain/message.ts';
import { policyOf } from '../../lib/domain/pacing.ts';
import { refeed } from './refeed.ts';

/**
 * One feed of one account. Requests of an account never run side by side (FIFO group), and every step can be repeated:
 *
 *   1 finish rows an interrupted feed had reserved
 *   2 messages that are PENDING again and due -> QUEUED
 *   3 new rows, as many as the window leaves, turn by turn among the running contracts -> reserved -> made -> in the lane
 *   4 contracts whose messages are all final -> COMPLETED or FAILED
 *   5 the owner is told, after the lane holds them
 *
 * `rowReader` keeps pages between invocations.
 */
export async function feedAccount(deps: Deps, request: FeedRequest, rowReader: PageReader): Promise<void> {
  const { tenantId, accountId } = request;
  const { table } = deps;
  const [account, hot] = await Promise.all([
    table.get<Account>(keys.account(tenantId, accountId)),
    readHot(table, tenantId, accountId),
  ]);
  if (account === undefined || hot === undefined || account.deletedAt !== undefined) return;
  const contracts = (await runningContracts(table, tenantId, accountId)).filter((c) => c.status === 'IN_PROGRESS');

  let sent = 0;
  if (request.kind === 'refeed') sent += await refeed(deps, account, hot);
  for (const contract of contracts) sent += await finishOpenRows(deps, account, contract, rowReader);
  const queued = { express: hot.queuedExpress, bulk: hot.queuedBulk };
  sent += await feedBacklog(deps, account, contracts, queued);
  sent += await feedNewRows(deps, account, contracts, queued, rowReader);
  if (sent > 0) await wakeAccount(deps, tenantId, accountId);
  for (const contract of contracts) await completeIfFinal(deps, contract, accountId);
}

async function finishOpenRows(deps: Deps, account: Account, contract: Contract, reader: PageReader): Promise<number> {
  if (contract.openFrom >= contract.nextRow) return 0;
  const rows = await reader.rows(contract, contract.openFrom, contract.nextRow);
  const messages = await putRows(deps.table, contract, account.id, rows, deps.nowMs());
  await sendToLane(deps.sqs, account.laneUrls[contract.lane], messages);
  await closeRows(deps.table, contract, contract.openFrom, contract.nextRow);
  contract.openFrom = contract.nextRow;
  return messages.length;
}

/** Before new rows: whoever waited longest comes first. Raises `queued` by what it moved. */
async function feedBacklog(
  deps: Deps,
  account: Account,
  contracts: Contract[],
  queued: Record<Lane, number>,
): Promise<number> {
  const policy = policyOf(account);
  let sent = 0;
  for (const contract of contracts) {
    const room = windowOf(contract.lane, policy) - queued[contract.lane];
    if (room <= 0) continue;
    const due = await dueBacklog(deps.table, contract, deps.nowMs(), room);
    const moved: Message[] = [];
    for (const { messageId } of due) {
      const message = await readMessage(deps.table, contract.tenantId, messageId);
      if (message?.state !== 'PENDING') continue;
      try {
        moved.push(await moveMessage(deps.table, message, 'QUEUED', { queuedAt: deps.nowMs() }));
      } catch (error) {
        // Canceled in between: its backlog entry went with it.
        if (!(error instanceof ConditionFailed)) throw error;
      }
    }
    await sendToLane(deps.sqs, account.laneUrls[contract.lane], moved);
    queued[contract.lane] += moved.length;
    sent += moved.length;
  }
  return sent;
}

async function feedNewRows(
  deps: Deps,
  account: Account,
  contracts: Contract[],
  queued: Record<Lane, number>,
  reader: PageReader,
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
    const from = contract.nextRow;
    const rows = await reader.rows(contract, from, await rowsToTake(reader, contract, wanted));
    const to = from + rows.length;
    const valid = rows.filter(({ data }) => data.skip === undefined).length;
    if (!(await reserveRows(deps.table, contract, account.id, to, valid, deps.nowMs()))) continue;
    const messages = await putRows(deps.table, contract, account.id, rows, deps.nowMs());
    await sendToLane(deps.sqs, account.laneUrls[contract.lane], messages);
    contract.nextRow = to;
    contract.openFrom = from;
    await closeRows(deps.table, contract, from, to);
    contract.openFrom = to;
    contract.fedCount += valid;
    queued[contract.lane] += messages.length;
    sent += messages.length;
  }
  return sent;
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

async function completeIfFinal(deps: Deps, contract: Contract, accountId: string): Promise<void> {
  if (contract.nextRow < rowsOf(contract)) return;
  const counter = await readCounter(deps.table, contract);
  const status = finalStatusOf(contract, counter);
  if (status === undefined) return;
  try {
    await deps.table.transact([
      {
        update: 'SET #s = :status, completedAt = :now REMOVE reason',
        key: keys.contract(contract.tenantId, contract.id),
        // Clauses: still running; nothing reopens its messages; no rows came or went since the counter was read.
        condition: '#s = :running AND attribute_not_exists(job) AND totalCount = :total',
        names: { '#s': 'status' },
        values: { ':status': status, ':now': deps.nowMs(), ':running': 'IN_PROGRESS', ':total': contract.totalCount },
      },
      { delete: keys.running(contract.tenantId, accountId, contract.id) },
    ]);
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}

/** Goes on with a contract's job; asks for another turn when the time is up. */
export async function continueJob(deps: Deps, request: FeedRequest, deadlineMs: number): Promise<void> {
  if (request.contractId === undefined) return;
  const contract = await deps.table.get<Contract>(keys.contract(request.tenantId, request.contractId));
  if (contract?.job === undefined) return;
  const state = await runJob(deps, contract, deadlineMs);
  if (state === 'more') await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, request);
  else if (contract.job === 'retry') {
    await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { ...request, kind: 'feed' });
  }
}
