import { type Contract, type Counter, emptyCounter } from '../domain/contract.ts';
import { messageId } from '../domain/ids.ts';
import type { Message } from '../domain/message.ts';
import { PageReader, rowsOf } from './feed-rows.ts';
import { keys, queuedAttribute } from './keys.ts';
import { moveMessage, toMessage } from './messages.ts';
import type { ObjectStore } from './objects.ts';
import { ConditionFailed, type Item, inParallel, type Table, type Write } from './table.ts';

/** Rows looked at per step: one batch read. */
const stepRows = 100;

interface JobDeps {
  table: Table;
  pages: ObjectStore;
  nowMs(): number;
}

/**
 * Work on every row of a contract: `retry` (FAILED -> PENDING), `clear` (failures leave the total), `settle` (nothing that is not sent
 * will be: after cancel, or when the account is gone), `remove` (settle, then the contract itself goes). A call sets `contract.job` in the
 * same write as the move it belongs to, runs the job for a while, and leaves the rest to the feed. Each row's step is conditional, so
 * that two runners side by side do the work once. Answers `more` when `deadlineMs` came first.
 */
export async function runJob(deps: JobDeps, contract: Contract, deadlineMs: number): Promise<'done' | 'more'> {
  const { job } = contract;
  if (job === undefined) return 'done';
  const fed = contract.nextRow;
  const last = job === 'clear' ? rowsOf(contract) : fed;
  const reader = new PageReader(deps.pages);
  for (let row = contract.jobRow ?? 0; row < last; row += stepRows) {
    if (deps.nowMs() >= deadlineMs) {
      await saveProgress(deps.table, contract, row);
      return 'more';
    }
    const to = Math.min(row + stepRows, last);
    const ids = Array.from({ length: to - row }, (_, i) => messageId(contract.id, row + i));
    const items = await deps.table.getMany<Item>(ids.map((id) => keys.message(contract.tenantId, id)));
    const messages = items.map((item) => (item === undefined ? undefined : toMessage(item)));
    if (job === 'retry') await retryRows(deps.table, messages);
    else if (job === 'clear') await clearRows(deps.table, contract, messages);
    else await settleRows(deps, contract, reader, row, messages);
  }
  await finishJob(deps, contract);
  return 'done';
}

async function saveProgress(table: Table, contract: Contract, row: number): Promise<void> {
  await ignoringConditions(
    table.update(keys.contract(contract.tenantId, contract.id), {
      update: 'SET jobRow = :row',
      condition: 'job = :job',
      values: { ':row': row, ':job': contract.job },
    }),
  );
}

const notRetried = new Set(['OUTCOME_UNKNOWN', 'INVALID_NUMBER']);

async function retryRows(table: Table, messages: (Message | undefined)[]): Promise<void> {
  const failed = messages.filter(
    (message): message is Message =>
      message?.state === 'FAILED' && message.cleared !== true && !notRetried.has(message.error?.code ?? ''),
  );
  await inParallel(16, failed, async (message) => {
    await ignoringConditions(moveMessage(table, message, 'PENDING', { attempts: 0 }));
  });
}

/** All failures of these rows leave counter and total in one transaction. */
async function clearRows(table: Table, contract: Contract, messages: (Message | undefined)[]): Promise<void> {
  const failed = messages.filter((m): m is Message => m?.state === 'FAILED' && m.cleared !== true).slice(0, 98);
  if (failed.length === 0) return;
  const atOnce = failed.filter((message) => message.feedSeq === 0).length;
  const writes: Write[] = failed.map((message) => ({
    update: 'SET cleared = :yes',
    key: keys.message(contract.tenantId, message.id),
    // Clauses: still failed; not cleared yet.
    condition: '#s = :failed AND attribute_not_exists(cleared)',
    names: { '#s': 'state' },
    values: { ':yes': true, ':failed': 'FAILED' },
  }));
  for (const [accountId, count] of countBy(failed, (message) => message.accountId)) {
    writes.push({
      update: 'ADD failed :n',
      key: keys.counter(contract.tenantId, contract.id, accountId),
      values: { ':n': -count },
    });
  }
  writes.push({
    update: 'ADD totalCount :all, atOnce :once, fedCount :fed',
    key: keys.contract(contract.tenantId, contract.id),
    condition: 'attribute_exists(pk)',
    values: { ':all': -failed.length, ':once': -atOnce, ':fed': atOnce - failed.length },
  });
  await ignoringConditions(table.transact(writes));
}

async function settleRows(
  deps: JobDeps,
  contract: Contract,
  reader: PageReader,
  from: number,
  messages: (Message | undefined)[],
): Promise<void> {
  const rows = messages.includes(undefined) ? await reader.rows(contract, from, from + messages.length) : [];
  await inParallel(
    16,
    messages.map((message, index) => ({ message, index })),
    async ({ message, index }) => {
      if (message === undefined) {
        const row = rows[index];
        if (row !== undefined && row.data.skip === undefined) await cancelUnmade(deps, contract, row.row, row.data);
      } else if (message.state === 'QUEUED' || message.state === 'PENDING') {
        await ignoringConditions(moveMessage(deps.table, message, 'CANCELED'));
      }
    },
  );
}

/** A row the feed had reserved and not made yet: it is made CANCELED, so that the feed finds it taken. */
async function cancelUnmade(
  deps: JobDeps,
  contract: Contract,
  row: number,
  data: { to: string; externalId?: string },
): Promise<void> {
  const [accountId] = contract.accountIds;
  if (accountId === undefined) return;
  const message: Message = {
    id: messageId(contract.id, row),
    tenantId: contract.tenantId,
    accountId,
    contractId: contract.id,
    row,
    to: data.to,
    lane: contract.lane,
    state: 'CANCELED',
    feedSeq: 1,
    attempts: 0,
    createdAt: contract.createdAt,
    ...(data.externalId === undefined ? {} : { externalId: data.externalId }),
  };
  const write = async (accountThere: boolean) =>
    await deps.table.transact([
      {
        put: { ...keys.message(contract.tenantId, message.id), type: 'message', ...message },
        condition: 'attribute_not_exists(pk)',
      },
      {
        update: 'ADD canceled :one',
        key: keys.counter(contract.tenantId, contract.id, accountId),
        values: { ':one': 1 },
      },
      ...(accountThere
        ? [
            {
              update: `ADD ${queuedAttribute[contract.lane]} :less`,
              key: keys.accountHot(contract.tenantId, accountId),
              condition: 'attribute_exists(pk)',
              values: { ':less': -1 },
            },
          ]
        : []),
    ]);
  try {
    await write(true);
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    if (error.failed[0] !== true) await ignoringConditions(write(false));
  }
}

async function finishJob(deps: JobDeps, contract: Contract): Promise<void> {
  const { table } = deps;
  const key = keys.contract(contract.tenantId, contract.id);
  if (contract.job === 'retry' || contract.job === 'clear') {
    await ignoringConditions(
      table.update(key, {
        update: 'REMOVE job, jobRow',
        condition: 'job = :job',
        values: { ':job': contract.job },
      }),
    );
    return;
  }
  // Rows the feed never took become canceled by number; they have no items.
  const [accountId] = contract.accountIds;
  const unfed = contract.totalCount - contract.atOnce - contract.fedCount;
  const rows = rowsOf(contract);
  await ignoringConditions(
    table.transact([
      {
        update: 'SET nextRow = :rows, openFrom = :rows ADD fedCount :n REMOVE job, jobRow',
        key,
        condition: 'job = :job AND fedCount = :fed',
        values: { ':rows': rows, ':n': unfed, ':job': contract.job, ':fed': contract.fedCount },
      },
      {
        update: 'ADD canceled :n',
        key: keys.counter(contract.tenantId, contract.id, accountId ?? '-'),
        values: { ':n': unfed },
      },
    ]),
  );
  if (contract.job === 'remove') await removeContract(deps, contract);
}

async function removeContract(deps: JobDeps, contract: Contract): Promise<void> {
  await deps.pages.remove(contract.pages.map((page) => page.key));
  await deps.table.writeMany([
    ...contract.accountIds.map((a) => ({ delete: keys.counter(contract.tenantId, contract.id, a) })),
    { delete: keys.startAt(contract.tenantId, contract.id) },
    { delete: keys.contract(contract.tenantId, contract.id) },
  ]);
}

/** The sum of a contract's counters over its accounts. */
export async function readCounter(table: Table, contract: Contract): Promise<Counter> {
  const items = await table.getMany<Counter>(
    contract.accountIds.map((a) => keys.counter(contract.tenantId, contract.id, a)),
  );
  const sum: Counter = { ...emptyCounter };
  for (const item of items) {
    if (item === undefined) continue;
    for (const field of Object.keys(sum) as (keyof Counter)[]) sum[field] += item[field] ?? 0;
  }
  return sum;
}

function countBy<T>(items: T[], keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

/** For steps another runner may have done already: a failed condition means just that. */
async function ignoringConditions(step: Promise<unknown>): Promise<void> {
  try {
    await step;
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}
