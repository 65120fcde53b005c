import { accountOf, type Contract } from '../../../domain/contracts/contract.ts';
import { messageOfRow } from '../../../domain/contracts/row-message.ts';
import type { Message } from '../../../domain/messages/message.ts';
import { resultDays, ttlAfter } from '../../../domain/messages/retention.ts';
import { ConditionFailed, inParallel, type Write } from '../../client/table.ts';
import { keys, queuedAttribute } from '../../keys.ts';
import { messageItem, moveMessage, readHot, readMessage } from '../../messages/messages.ts';
import { endUnknown, outcomeUnknownAfterMs } from '../../messages/outcome-unknown.ts';
import { PageReader, rowsOf } from '../feed-rows.ts';
import { eachStep, type HeldJob, type JobDeps, JobReplaced, note, sameJob } from './held.ts';

/**
 * Every row ends: PENDING and QUEUED -> CANCELED (OUTCOME_UNKNOWN if it was on its way once); a row the feed has reserved and not made yet is made CANCELED; one that is SENDING is
 * left to its owner, until its 24 h have passed or its account is gone. `waiting`: some are SENDING; ask again in a minute.
 */
export async function settleAll(
  deps: JobDeps,
  contract: Contract,
  held: HeldJob,
  deadlineMs: number,
): Promise<'done' | 'more' | 'waiting'> {
  const reader = new PageReader(deps.pages);
  const end = held.endRow ?? contract.nextRow;
  const through = await eachStep(deps, contract, held, end, deadlineMs, async (from, messages) => {
    // Rows before openFrom have items, or were never fed and are canceled by number.
    const unmade = messages.some((message, i) => message === undefined && from + i >= contract.openFrom);
    const rows = unmade ? await reader.rows(contract, from, from + messages.length) : [];
    await inParallel(
      16,
      messages.map((message, index) => ({ message, row: rows[index], number: from + index })),
      async ({ message, row, number }) => {
        const left = message ?? (row === undefined ? undefined : await cancelUnmade(deps, contract, row));
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

/** Until it is final, whoever else moves it meanwhile; `open`: it is being sent. */
async function settle(deps: JobDeps, read: Message): Promise<'final' | 'open'> {
  let message: Message | undefined = read;
  while (message !== undefined) {
    if ((message.state === 'QUEUED' || message.state === 'PENDING') && message.openSince !== undefined) {
      // It was laid aside without an answer and may have arrived: canceled would be a guess.
      message =
        (await endUnknown(deps.table, message, 'contract_ended', deps.nowMs())) ??
        (await readMessage(deps.table, message.tenantId, message.id));
    } else if (message.state === 'QUEUED' || message.state === 'PENDING') {
      try {
        message = await moveMessage(deps.table, message, 'CANCELED', deps.nowMs());
      } catch (error) {
        if (!(error instanceof ConditionFailed)) throw error;
        message = await readMessage(deps.table, message.tenantId, message.id);
      }
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

/**
 * A row the feed had reserved and not made yet is made CANCELED, so that the feed finds it taken. Answers the message that is there
 * when the feed was faster.
 */
async function cancelUnmade(
  deps: JobDeps,
  contract: Contract,
  { row, data }: Awaited<ReturnType<PageReader['rows']>>[number],
): Promise<Message | undefined> {
  const accountId = accountOf(contract);
  if (row < contract.openFrom || data.skip !== undefined) return undefined;
  const ttl = ttlAfter(deps.nowMs(), resultDays);
  const message = { ...messageOfRow(contract, row, data), state: 'CANCELED' as const, feedSeq: 1, ttl };
  const writes: Write[] = [
    {
      put: messageItem(message),
      condition: 'attribute_not_exists(pk)',
    },
    {
      update: 'ADD canceled :one',
      key: keys.counter(contract.tenantId, contract.id, accountId),
      // Clause: the contract has not been removed.
      condition: 'attribute_exists(pk)',
      values: { ':one': 1 },
    },
    {
      update: `ADD ${queuedAttribute[contract.lane]} :less`,
      key: keys.accountHot(contract.tenantId, accountId),
      // Clause: the account has not been removed.
      condition: 'attribute_exists(pk)',
      values: { ':less': -1 },
    },
  ];
  for (let left = writes; ; ) {
    try {
      await deps.table.transact(left);
      return undefined;
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      if (error.failed[0] === true) return await readMessage(deps.table, contract.tenantId, message.id);
      left = left.filter((_, index) => error.failed[index] !== true);
    }
  }
}

/** Rows the feed never took become canceled by number; they have no items. Throws JobReplaced. */
async function cancelUnfed(deps: JobDeps, contract: Contract, held: HeldJob, end: number): Promise<void> {
  const { tenantId, id } = contract;
  for (;;) {
    const now = await deps.table.get<Contract>(keys.contract(tenantId, id));
    if (now === undefined) throw new JobReplaced();
    const unfed = now.totalCount - now.atOnce - now.fedCount;
    const rows = rowsOf(now);
    if (now.nextRow === rows && now.openFrom === rows && unfed === 0) return;
    const same = sameJob(held);
    try {
      await deps.table.transact([
        {
          update: 'SET nextRow = :rows, openFrom = :rows, unfedFrom = if_not_exists(unfedFrom, :end) ADD fedCount :n',
          key: keys.contract(tenantId, id),
          // Clauses: what the number was reckoned from stands.
          condition: 'totalCount = :total AND atOnce = :once AND fedCount = :fed AND nextRow = :next',
          values: {
            ':rows': rows,
            ':end': end,
            ':n': unfed,
            ':total': now.totalCount,
            ':once': now.atOnce,
            ':fed': now.fedCount,
            ':next': now.nextRow,
          },
        },
        {
          update: 'ADD canceled :n',
          key: keys.counter(tenantId, id, accountOf(now)),
          values: { ':n': unfed },
        },
        {
          update: 'SET endRow = :end',
          key: keys.job(tenantId, id),
          condition: same.condition,
          values: { ...same.values, ':end': end },
        },
      ]);
      return;
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      if (error.failed[2] === true) throw new JobReplaced();
    }
  }
}
