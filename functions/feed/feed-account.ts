import { type FeedRequest, requestFeed } from '../../lib/aws/accounts/feed-queue.ts';
import { type PageReader, runningContracts } from '../../lib/aws/contracts/feed-rows.ts';
import { runJob } from '../../lib/aws/contracts/jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys, queuedAttribute } from '../../lib/aws/keys.ts';
import { readHot } from '../../lib/aws/messages/messages.ts';
import { type Account, isHalted } from '../../lib/domain/accounts/account.ts';
import { lanes } from '../../lib/domain/messages/message.ts';
import type { Count } from '../../lib/runtime/metrics.ts';
import { Broken } from './broken.ts';
import { completeIfFinal } from './complete.ts';
import { type FeedCount, type FeedRun, fillLanes } from './fill-lanes.ts';
import { recall } from './recall.ts';
import { removeAccount } from './remove-account.ts';

/**
 * Runs one feed of one account. Requests of an account never run in parallel (FIFO group), and every step can be repeated:
 *
 *   1 finish the rows that an interrupted feed had reserved
 *   2 refeed only: QUEUED messages go into the lanes again, and the counts are corrected
 *   3 messages that are PENDING again and due -> QUEUED
 *   4 new rows, as many as the window leaves, shared among the running contracts -> reserved -> made -> in the lane
 *   5 contracts whose messages are all final -> COMPLETED or FAILED
 *   6 the owner is woken, after the lane holds them
 *
 * While the account is halted, QUEUED messages become PENDING again instead of steps 1 to 4 and 6.
 *
 * A contract that cannot be served (a page is missing) does not stop the others. Its error is thrown at the end, so that the request is repeated.
 * `rowReader` keeps pages between invocations. A refeed or a recall asks for another run at `deadlineMs`.
 */
export async function feedAccount(
  deps: Deps,
  request: FeedRequest,
  rowReader: PageReader,
  deadlineMs: number,
  count: Count<FeedCount>,
): Promise<void> {
  const { tenantId, accountId } = request;
  const { table } = deps;
  const [account, found] = await Promise.all([
    table.get<Account>(keys.account(tenantId, accountId)),
    readHot(table, tenantId, accountId),
  ]);
  if (account?.deletedAt !== undefined) return await removeAccount(deps, tenantId, accountId);
  if (account === undefined || found === undefined) return;
  const running = await runningContracts(table, tenantId, accountId);
  const broken = new Broken();
  const run = { request, account, hot: found, running, broken, reader: rowReader, deadlineMs, count };
  if (isHalted(account, deps.nowMs())) await emptyLanes(deps, run);
  else await fillLanes(deps, run);
  for (const contract of running) {
    await broken.keep(contract, async () => {
      if (await completeIfFinal(deps, contract, accountId)) count('ContractsCompleted');
    });
  }
  broken.throwFirst();
}

/** Takes the messages of a halted account out of its lanes. For a plain feed it does nothing when the counts of both lanes are 0. */
async function emptyLanes(deps: Deps, run: FeedRun): Promise<void> {
  const { request, account, hot, reader, broken, deadlineMs, count } = run;
  if (request.kind === 'feed' && lanes.every((lane) => hot[queuedAttribute[lane]] === 0)) return;
  const cursor = request.kind === 'recall' ? request.cursor : undefined;
  const options = { reader, broken, deadlineMs, ...(cursor === undefined ? {} : { cursor }) };
  const { recalled, next } = await recall(deps, account, hot, options);
  if (cursor === undefined) count('Recalls');
  count('MessagesRecalled', recalled);
  if (next !== undefined) await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, next);
}

/** Goes on with the job of a contract, and asks for another run when the time is up. The sweep asks again for a job that waits for messages. */
export async function continueJob(
  deps: Deps,
  request: FeedRequest,
  deadlineMs: number,
  count: Count<FeedCount>,
): Promise<void> {
  const { tenantId, contractId } = request;
  if (contractId === undefined) return;
  const end = await runJob(deps, { tenantId, id: contractId }, deadlineMs);
  if (end !== 'none') count('JobSteps');
  if (end === 'done') count('JobsDone');
  if (end === 'more') await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, request);
  // The feed puts reopened messages of a retry into the lanes. After a clear the contract may be complete.
  else if (end === 'done') await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { ...request, kind: 'feed' });
}
