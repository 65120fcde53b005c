import { type FeedRequest, requestFeed } from '../../lib/aws/accounts/feed-queue.ts';
import { sendToLane } from '../../lib/aws/accounts/lanes.ts';
import type { Item } from '../../lib/aws/client/table.ts';
import { dueBacklog, type PageReader, type RunningContract, renewTexts } from '../../lib/aws/contracts/feed-rows.ts';
import { reserveRows } from '../../lib/aws/contracts/reservations.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { wakeAccount } from '../../lib/aws/hosts/wake.ts';
import { keys } from '../../lib/aws/keys.ts';
import { readHot, toMessage, tryMove } from '../../lib/aws/messages/messages.ts';
import { endUnknown, outcomeUnknownAfterMs } from '../../lib/aws/messages/outcome-unknown.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';
import { policyOf } from '../../lib/domain/accounts/pacing.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import { planFeed, windowOf } from '../../lib/domain/contracts/feed.ts';
import { rowsOf } from '../../lib/domain/contracts/pages.ts';
import { type ContractMessage, type Lane, lanes, type Message, ofContract } from '../../lib/domain/messages/message.ts';
import type { Count } from '../../lib/runtime/metrics.ts';
import type { Broken } from './broken.ts';
import { finishOpenRows, finishRows } from './open-rows.ts';
import { refeed } from './refeed.ts';

/** The metrics of a feed: messages from new rows, messages that were PENDING again, messages put into a lane again or taken back, and ends. */
export type FeedCount =
  | 'MessagesFed'
  | 'BacklogFed'
  | 'Refeeds'
  | 'MessagesRefed'
  | 'Recalls'
  | 'MessagesRecalled'
  | 'ContractsCompleted'
  | 'JobSteps'
  | 'JobsDone'
  | 'RequestsFailed';

/** One feed of one account: its request, and the items that were read at its beginning. */
export interface FeedRun {
  request: FeedRequest;
  account: Account;
  hot: AccountHot;
  running: RunningContract[];
  broken: Broken;
  reader: PageReader;
  deadlineMs: number;
  count: Count<FeedCount>;
}

/** An owner that has claimed nothing for this long may not know what the lanes hold. */
const ownerIdleMs = 60_000;

/** Runs steps 1 to 4 and 6 of `feedAccount`. */
export async function fillLanes(deps: Deps, run: FeedRun): Promise<void> {
  const { request, account, running, broken, reader: rowReader, deadlineMs, count } = run;
  const { tenantId, id: accountId } = account;
  let { hot } = run;
  let sent = 0;
  for (const contract of running) {
    await broken.keep(contract, async () => {
      const finished = await finishOpenRows(deps, account, contract, contract.open, rowReader);
      count('MessagesFed', finished);
      sent += finished;
    });
  }
  if (request.kind === 'refeed') {
    const { cursor } = request;
    const options = { reader: rowReader, broken, deadlineMs, ...(cursor === undefined ? {} : { cursor }) };
    const refed = await refeed(deps, account, hot, options);
    sent += refed.sent;
    if (cursor === undefined) count('Refeeds');
    count('MessagesRefed', refed.sent);
    if (refed.next !== undefined) await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, refed.next);
    hot = (await readHot(deps.table, tenantId, accountId)) ?? hot;
  }
  const queued = { express: hot.queuedExpress, bulk: hot.queuedBulk };
  for (const contract of broken.without(running)) {
    await broken.keep(contract, async () => {
      const moved = await feedBacklog(deps, account, contract, queued, rowReader);
      count('BacklogFed', moved);
      sent += moved;
    });
  }
  const fed = await feedNewRows(deps, account, broken.without(running), queued, rowReader, broken);
  count('MessagesFed', fed);
  sent += fed;
  if (sent > 0 || mayNotKnow(account, hot, queued, deps.nowMs())) await wakeAccount(deps, tenantId, accountId);
}

/**
 * Returns whether the owner may not know what its lanes hold, because an earlier feed may have died before it woke the owner. An owner with half a
 * window or less asks for more with each message, so it is not woken each time.
 */
function mayNotKnow(account: Account, hot: AccountHot, queued: Record<Lane, number>, nowMs: number): boolean {
  const idle = nowMs - (hot.lastActivity ?? 0) > ownerIdleMs;
  const policy = policyOf(account);
  return lanes.some((lane) => queued[lane] > 0 && (idle || queued[lane] >= windowOf(lane, policy) / 2));
}

/** Moves due messages to QUEUED, before new rows, so that those that waited longest come first. Adds their number to `queued`. */
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
  const due = await dueBacklog(table, contract, account.firstContactsHeldUntil, deps.nowMs(), room);
  const items = await table.getMany<Item>(due.map(({ messageId }) => keys.message(contract.tenantId, messageId)));
  const pending = items
    .flatMap((item) => (item?.state === 'PENDING' ? [ofContract(toMessage(item))] : []))
    .sort(longestDue);
  await renewTexts(table, contract, reader, pending, deps.nowMs());
  const fed: Message[] = [];
  for (const message of pending) {
    if (deps.nowMs() - (message.openSince ?? deps.nowMs()) >= outcomeUnknownAfterMs) {
      await endUnknown(table, message, 'no_answer', deps.nowMs());
      continue;
    }
    const { moved } = await tryMove(table, message, 'QUEUED', deps.nowMs(), { queuedAt: deps.nowMs() });
    // A message that was canceled in between has taken its backlog entry with it.
    if (moved !== undefined) fed.push(moved);
  }
  await sendToLane(deps.sqs, account.laneUrls[contract.lane], fed);
  queued[contract.lane] += fed.length;
  return fed.length;
}

/** Sorts by due time. Messages that came back together keep the order of their rows. */
function longestDue(a: ContractMessage, b: ContractMessage): number {
  return (a.notBefore ?? 0) - (b.notBefore ?? 0) || a.row - b.row;
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
  const range = await reserveRows(deps.table, contract, account.id, { to, valid, nowMs: deps.nowMs() });
  if (range === undefined) return 0;
  contract.nextRow = to;
  contract.openFrom = to;
  contract.fedCount += valid;
  return await finishRows(deps, account, contract, range, reader);
}

/** Returns the row after the last one to take: `wanted` rows with a message, and the skipped ones between and right after them. */
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
