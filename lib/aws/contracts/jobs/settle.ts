import { accountOf, type Contract, type OpenRange, rangeAt } from '../../../domain/contracts/contract.ts';
import { rowsOf } from '../../../domain/contracts/pages.ts';
import { messageOfRow } from '../../../domain/contracts/row-message.ts';
import type { Message } from '../../../domain/messages/message.ts';
import { resultDays, ttlAfter } from '../../../domain/messages/retention.ts';
import { added, patch, unlessSet } from '../../client/patch.ts';
import { absent, inParallel, present, type Write } from '../../client/table.ts';
import { keys, queuedAttribute } from '../../keys.ts';
import { messageItem, readHot, readMessage, tryMove } from '../../messages/messages.ts';
import { endUnknown, outcomeUnknownAfterMs } from '../../messages/outcome-unknown.ts';
import { PageReader } from '../feed-rows.ts';
import { readOpenRanges } from '../reservations.ts';
import { eachStep, type HeldJob, type JobDeps, JobReplaced, note, sameJob } from './held.ts';

/**
 * Ends every row. Returns `waiting` when some are SENDING: ask again in a minute.
 *
 *   PENDING, QUEUED                 -> CANCELED; OUTCOME_UNKNOWN when the message was laid aside
 *   reserved by the feed, no item   -> CANCELED
 *   SENDING                         stays with its owner until 24 h have passed or its account is gone
 *   never fed (only job `settle`)   -> CANCELED by count
 */
export async function settleAll(
  deps: JobDeps,
  contract: Contract,
  held: HeldJob,
  deadlineMs: number,
): Promise<'done' | 'more' | 'waiting'> {
  const reader = new PageReader(deps);
  const end = held.endRow ?? contract.nextRow;
  // Read after the contract. It does not run any more, so no new range opens.
  const [open = []] = await readOpenRanges(deps.table, [contract]);
  const through = await eachStep(deps, contract, held, end, deadlineMs, async (from, messages) => {
    // All other rows have items, or were never fed and are canceled by count.
    const unmade = messages.some((message, i) => message === undefined && rangeAt(open, from + i) !== undefined);
    const rows = unmade ? await reader.rows(contract, from, from + messages.length) : [];
    await inParallel(
      16,
      messages.map((message, index) => ({ message, row: rows[index], number: from + index })),
      async ({ message, row, number }) => {
        const left =
          message ?? (row === undefined ? undefined : await cancelUnmade(deps, contract, rangeAt(open, number), row));
        if (left !== undefined && (await settle(deps, left)) === 'open') {
          held.openRow = Math.min(held.openRow ?? number, number);
        }
      },
    );
  });
  if (!through) return 'more';
  if (held.job === 'settle') await cancelUnfed(deps, contract, held, end);
  if (held.openRow === undefined) return 'done';
  await note(deps.table, contract, held, { nextRow: held.openRow, openRow: undefined, busyUntil: undefined });
  return 'waiting';
}

/** Moves the message until it is final, also when others move it at the same time. Returns `open` while its owner sends it. */
async function settle(deps: JobDeps, read: Message): Promise<'final' | 'open'> {
  let message: Message | undefined = read;
  while (message !== undefined) {
    if ((message.state === 'QUEUED' || message.state === 'PENDING') && message.openSince !== undefined) {
      // The message was laid aside without an answer and may have arrived, so CANCELED could be wrong.
      message =
        (await endUnknown(deps.table, message, 'contract_ended', deps.nowMs())) ??
        (await readMessage(deps.table, message.tenantId, message.id));
    } else if (message.state === 'QUEUED' || message.state === 'PENDING') {
      const { moved } = await tryMove(deps.table, message, 'CANCELED', deps.nowMs());
      message = moved ?? (await readMessage(deps.table, message.tenantId, message.id));
    } else if (message.state === 'SENDING') {
      const why = await whyUnknown(deps, message);
      if (why === undefined) return 'open';
      message =
        (await endUnknown(deps.table, message, why, deps.nowMs())) ??
        (await readMessage(deps.table, message.tenantId, message.id));
    } else {
      return 'final';
    }
  }
  return 'final';
}

async function whyUnknown(deps: JobDeps, message: Message): Promise<'no_answer' | 'account_gone' | undefined> {
  if (deps.nowMs() - (message.claim?.since ?? deps.nowMs()) >= outcomeUnknownAfterMs) return 'no_answer';
  const hot = await readHot(deps.table, message.tenantId, message.accountId);
  return hot === undefined ? 'account_gone' : undefined;
}

/** Makes a reserved row without an item CANCELED, so that the feed finds an item there. Returns the message that the feed made when it was faster. */
async function cancelUnmade(
  deps: JobDeps,
  contract: Contract,
  range: OpenRange | undefined,
  { row, data }: Awaited<ReturnType<PageReader['rows']>>[number],
): Promise<Message | undefined> {
  if (range === undefined || data.skip !== undefined) return undefined;
  const { accountId } = range;
  const ttl = ttlAfter(deps.nowMs(), resultDays);
  const message = { ...messageOfRow(contract, row, data), accountId, state: 'CANCELED' as const, feedSeq: 1, ttl };
  const put: Write = { put: messageItem(message), condition: { isNew: absent } };
  let counter: Write | undefined = {
    key: keys.counter(contract.tenantId, contract.id, accountId),
    ...patch({ canceled: added(1) }),
    condition: { exists: present },
  };
  let account: Write | undefined = {
    key: keys.accountHot(contract.tenantId, accountId),
    ...patch({ [queuedAttribute[contract.lane]]: added(-1) }),
    condition: { exists: present },
  };
  let refused = await deps.table.tryTransact({ message: put, counter, account });
  while (refused !== undefined) {
    if (refused.by('message')) return await readMessage(deps.table, contract.tenantId, message.id);
    // The contract or the account was removed, with its counts.
    if (refused.by('counter')) counter = undefined;
    if (refused.by('account')) account = undefined;
    refused = await deps.table.tryTransact({ message: put, counter, account });
  }
  return undefined;
}

/** Makes rows that never passed to an account CANCELED by count, without items, and closes all open ranges. Throws JobReplaced. */
async function cancelUnfed(deps: JobDeps, contract: Contract, held: HeldJob, end: number): Promise<void> {
  const { tenantId, id } = contract;
  for (;;) {
    const now = await deps.table.get<Contract>(keys.contract(tenantId, id));
    if (now === undefined) throw new JobReplaced();
    const [open = []] = await readOpenRanges(deps.table, [now]);
    const unfed = now.totalCount - now.atOnce - now.fedCount;
    const rows = rowsOf(now);
    if (now.nextRow === rows && open.length === 0 && unfed === 0) return;
    const own = accountOf(now);
    const others = open.filter(({ on, accountId }) => on === 'counter' && accountId !== own);
    const closed = { openFrom: undefined, openTo: undefined };
    const isAsRead = {
      is: '#totalCount = :total AND #atOnce = :once AND #fedCount = :fed AND #nextRow = :next',
      names: { '#totalCount': 'totalCount', '#atOnce': 'atOnce' },
      values: {
        ':total': now.totalCount,
        ':once': now.atOnce,
        ':fed': now.fedCount,
        ':next': now.nextRow,
      },
    };
    const refused = await deps.table.tryTransact({
      contract: {
        key: keys.contract(tenantId, id),
        ...patch({ nextRow: rows, openFrom: rows, unfedFrom: unlessSet(end), fedCount: added(unfed) }),
        // The number of rows was computed from these values.
        condition: { isAsRead },
      },
      counter: {
        key: keys.counter(tenantId, id, own),
        ...patch({ ...closed, canceled: added(unfed), fed: added(unfed) }),
      },
      others: others.map(({ accountId }) => ({
        key: keys.counter(tenantId, id, accountId),
        ...patch(closed),
        condition: { exists: present },
      })),
      job: { key: keys.job(tenantId, id), ...patch({ endRow: end }), condition: sameJob(held) },
    });
    if (refused === undefined) return;
    if (refused.by('job')) throw new JobReplaced();
  }
}
