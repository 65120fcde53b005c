import type { FeedRequest, WalkCursor } from '../../lib/aws/accounts/feed-queue.ts';
import { patch } from '../../lib/aws/client/patch.ts';
import { type Item, present } from '../../lib/aws/client/table.ts';
import { contractsOf } from '../../lib/aws/contracts/account-contracts.ts';
import type { PageReader } from '../../lib/aws/contracts/feed-rows.ts';
import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import { readOpenRanges } from '../../lib/aws/contracts/reservations.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys, queuedAttribute } from '../../lib/aws/keys.ts';
import { readHot, toMessage } from '../../lib/aws/messages/messages.ts';
import { endUnknown, outcomeUnknownAfterMs } from '../../lib/aws/messages/outcome-unknown.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';
import { inHandOf } from '../../lib/domain/accounts/in-hand.ts';
import { type Contract, inFlightOf } from '../../lib/domain/contracts/contract.ts';
import { rowMessageId } from '../../lib/domain/contracts/row-message.ts';
import { type ContractMessage, type Lane, lanes, ofContract } from '../../lib/domain/messages/message.ts';
import type { Broken } from './broken.ts';
import { finishOpenRows } from './open-rows.ts';

/** Rows read per step: eight batch reads in parallel. */
const stepRows = 800;

/** The options of every walk; `cursor` where an earlier run stopped for its deadline. */
export interface WalkOptions {
  reader: PageReader;
  broken: Broken;
  cursor?: WalkCursor;
  deadlineMs: number;
}

interface Walk extends WalkOptions {
  kind: 'refeed' | 'recall';
  hot: AccountHot;
  /** Called before each step. False ends the walk for good. */
  goOn(): Promise<boolean>;
  /**
   * Handles the QUEUED messages of a step, in the order of their rows, and updates the numbers of the cursor. Returns the first message for which the
   * time was not enough.
   */
  each(contract: Contract, queued: ContractMessage[], cursor: WalkCursor): Promise<ContractMessage | undefined>;
}

interface Walked {
  /** Messages of rows that were only reserved. They are now made, and in the lane. */
  finished: number;
  /** Set when the deadline came first: the request that continues. */
  next?: FeedRequest;
}

/** The reason why the walk of a contract ended. */
type End = 'through' | 'time' | 'stopped';

/**
 * Walks through every QUEUED message of the account. Then corrects the account's counts, unless something moved in the meantime. Also ends messages
 * that have been SENDING for a day and are in no owner's hand.
 *
 * Walks running and paused contracts, except those whose counter shows nothing under way. Ended contracts have no QUEUED messages once their job is
 * done; until then the counts stay as they are.
 */
export async function walkQueued(deps: Deps, account: Account, walk: Walk): Promise<Walked> {
  const { broken } = walk;
  const cursor = walk.cursor ?? begin(walk.hot);
  const all = await contractsOf(deps.table, account.tenantId, account.id);
  const open = all
    .filter(({ status, id }) => (status === 'IN_PROGRESS' || status === 'PAUSED') && id >= cursor.contractId)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const walked: Walked = { finished: 0 };
  let stopped = false;
  for (const contract of broken.without(open)) {
    await broken.keep(contract, async () => {
      stopped = (await walkContract(deps, account, contract, { walk, cursor, walked })) === 'stopped';
    });
    if (stopped || walked.next !== undefined) return walked;
  }
  if (!broken.some && !all.some(({ job }) => job === 'settle' || job === 'remove')) {
    for (const lane of lanes)
      if (cursor.found[lane] !== cursor.counted[lane]) await correctCount(deps, account, cursor, lane);
  }
  return walked;
}

function begin(hot: AccountHot): WalkCursor {
  return {
    contractId: '',
    row: 0,
    found: { express: 0, bulk: 0 },
    counted: { express: hot.queuedExpress, bulk: hot.queuedBulk },
    ...(hot.lastActivity === undefined ? {} : { lastActivity: hot.lastActivity }),
  };
}

/** Walks one contract from the cursor on, and adds to the cursor's numbers. Sets `walked.next` when the deadline comes first. */
async function walkContract(
  deps: Deps,
  account: Account,
  contract: Contract,
  { walk, cursor, walked }: { walk: Walk; cursor: WalkCursor; walked: Walked },
): Promise<End> {
  const [open = []] = await readOpenRanges(deps.table, [contract]);
  walked.finished += await finishOpenRows(deps, account, contract, open, walk.reader);
  if (inFlightOf(contract, await readCounter(deps.table, contract)) > 0) {
    const later = (row: number): End => {
      const { tenantId, id: accountId } = account;
      walked.next = { kind: walk.kind, tenantId, accountId, cursor: { ...cursor, contractId: contract.id, row } };
      return 'time';
    };
    for (let row = contract.id === cursor.contractId ? cursor.row : 0; row < contract.nextRow; row += stepRows) {
      if (deps.nowMs() >= walk.deadlineMs) return later(row);
      if (!(await walk.goOn())) return 'stopped';
      const left = await walk.each(contract, await queuedOf(deps, account, contract, row), cursor);
      if (left !== undefined) return later(left.row);
    }
  }
  await noteWalked(deps, contract, account.id);
  return 'through';
}

/** Returns the QUEUED messages among the rows of a step. */
async function queuedOf(deps: Deps, account: Account, contract: Contract, from: number): Promise<ContractMessage[]> {
  const count = Math.min(stepRows, contract.nextRow - from);
  const ids = Array.from({ length: count }, (_, i) => rowMessageId(contract, from + i));
  const items = await deps.table.getMany<Item>(ids.map((id) => keys.message(contract.tenantId, id)));
  const messages = items.flatMap((item) => (item === undefined ? [] : [ofContract(toMessage(item))]));
  for (const message of messages) {
    const sinceMs = message.claim?.since;
    if (message.state !== 'SENDING' || sinceMs === undefined) continue;
    if (deps.nowMs() - sinceMs < outcomeUnknownAfterMs) continue;
    // A message in no owner's hand ends here; the one in hand belongs to its owner and the sweep. The hot item is read after the message, which may
    // have
    // been claimed a moment ago, for another try long after the first.
    const hot = await readHot(deps.table, account.tenantId, account.id);
    const inHand = hot !== undefined && inHandOf(hot).some(({ messageId }) => messageId === message.id);
    if (!inHand) await endUnknown(deps.table, message, 'no_answer', deps.nowMs());
  }
  return messages.filter((message) => message.state === 'QUEUED');
}

async function correctCount(deps: Deps, account: Account, cursor: WalkCursor, lane: Lane): Promise<void> {
  const { lastActivity } = cursor;
  const count = queuedAttribute[lane];
  await deps.table.tryUpdate(keys.accountHot(account.tenantId, account.id), {
    ...patch({ [count]: cursor.found[lane] }),
    condition: {
      countIsAsRead: { is: `#${count} = :counted`, values: { ':counted': cursor.counted[lane] } },
      // After a claim the count can be the same although one message has left the lane and another has come.
      isUnclaimedSince:
        lastActivity === undefined
          ? 'attribute_not_exists(lastActivity)'
          : { is: 'lastActivity = :claimed', values: { ':claimed': lastActivity } },
    },
  });
}

/** Stores the time of the walk, so that the sweep does not ask for it again and again. */
async function noteWalked(deps: Deps, { tenantId, id, status }: Contract, accountId: string): Promise<void> {
  const key = status === 'PAUSED' ? keys.paused(tenantId, accountId, id) : keys.running(tenantId, accountId, id);
  // A contract that was moved in the meantime has no such item.
  await deps.table.tryUpdate(key, { ...patch({ refedAt: deps.nowMs() }), condition: { exists: present } });
}
