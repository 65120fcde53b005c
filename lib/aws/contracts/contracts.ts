import type { ContractAction, ContractState } from '../../domain/contracts/contract.ts';
import { accountOf, type Contract, move } from '../../domain/contracts/contract.ts';
import {
  inlinePagesOf,
  maxPages,
  type PageRef,
  type PageRow,
  pageCountOf,
  rowsOf,
} from '../../domain/contracts/pages.ts';
import { PacelineError } from '../../domain/errors.ts';
import { emptyCounter } from '../../domain/messages/counter.ts';
import type { Message } from '../../domain/messages/message.ts';
import { resultDays, ttlAfter } from '../../domain/messages/retention.ts';
import { requestFeed } from '../accounts/feed-queue.ts';
import { tryTransactStop } from '../accounts/stops.ts';
import { type ListStep, newestById } from '../client/newest-first.ts';
import { added, patch, unlessSet } from '../client/patch.ts';
import { absent, type Clauses, type NamedWrites, present, type Table, type Write } from '../client/table.ts';
import type { Deps } from '../deps.ts';
import { finder, keys, places } from '../keys.ts';
import { contentWrite } from '../messages/contents.ts';
import { messageItem } from '../messages/messages.ts';
import { auditWrite, type Origin } from '../tenants/audit.ts';
import { jobWrite, runJob } from './jobs.ts';
import { addPages, readPageRefs } from './page-lists.ts';
import { isSameRequest } from './pages.ts';
import { skippedMessage } from './rows.ts';

/** A call runs a job on rows for this long; the feed does the rest. */
const inlineJobMs = 15_000;

/** Returns the contract; undefined when there is none, or when it was deleted. */
export async function readContract(table: Table, tenantId: string, id: string): Promise<Contract | undefined> {
  const contract = await table.get<Contract>(keys.contract(tenantId, id));
  return contract?.status === 'DELETED' ? undefined : contract;
}

/** Returns one page of a tenant's contracts, newest first, without deleted ones. `step.before` is the `next` of the previous page. */
export async function listContracts(
  table: Table,
  tenantId: string,
  step: ListStep,
): Promise<{ items: Contract[]; next?: string }> {
  const { items, ...next } = await newestById<Contract>(table, (id) => keys.contract(tenantId, id), step);
  return { items: items.filter((contract) => contract.status !== 'DELETED'), ...next };
}

/** Makes the items of rows that are final from the start. Lists, retry and clear read these items. */
export async function putSkipped(
  deps: Pick<Deps, 'table' | 'nowMs'>,
  contract: Contract,
  rows: { row: number; data: PageRow }[],
): Promise<void> {
  const nowMs = deps.nowMs();
  await deps.table.writeMany(
    rows.flatMap(({ row, data }) => {
      if (data.skip === undefined) return [];
      const message = skippedMessage(contract, row, { ...data, skip: data.skip });
      return [
        { put: messageItem({ ...message, ttl: ttlAfter(nowMs, resultDays) }) },
        contentWrite(contract.tenantId, message.id, data.content, nowMs),
      ];
    }),
  );
}

/** Returns rows with their numbers in the contract. */
export function numbered(rows: PageRow[], firstRow: number): { row: number; data: PageRow }[] {
  return rows.map((data, index) => ({ row: firstRow + index, data }));
}

/**
 * Makes the contract visible, after its pages are stored: one transaction with its page list, its counter, its scheduled start, and its `running`
 * item when it starts at once. Returns the existing contract when an earlier call with the same Idempotency-Key made it. `suppressed`: how many of
 * the rows that are final from the start are people who opted out.
 */
export async function createContract(deps: Deps, origin: Origin, order: Contract, suppressed = 0): Promise<Contract> {
  const { tenantId, id, name, lane, status, totalCount, skipInvalid, requirePlus } = order;
  const accountId = accountOf(order);
  const { pages, list } = addPages({ tenantId, id, pages: [] }, inlinePagesOf(order));
  const contract: Contract = { ...order, pages };
  const refused = await deps.table.tryTransact({
    contract: {
      put: { ...keys.contract(tenantId, id), type: 'contract', ...contract },
      condition: { idIsNew: absent },
    },
    pageList: list,
    account: accountCheck(tenantId, accountId),
    counter: {
      put: {
        ...keys.counter(tenantId, id, accountId),
        type: 'counter',
        ...emptyCounter,
        failed: contract.atOnce - suppressed,
        suppressed,
      },
    },
    audit: auditWrite(
      origin,
      {
        action: 'contract.created',
        target: id,
        changes: { name, accountId, lane, status, totalCount, skipInvalid, requirePlus },
      },
      deps.randomBytes,
    ),
    startAt: contract.startAt === undefined ? undefined : startWrite(tenantId, id, contract.startAt),
    running: status === 'IN_PROGRESS' ? runningWrite(tenantId, accountId, id) : undefined,
  });
  if (refused !== undefined) {
    const there = refused.by('contract') ? await readContract(deps.table, tenantId, id) : undefined;
    if (there !== undefined) return there;
    const detail = 'The account was deleted while the contract was being made.';
    throw new PacelineError('CONFLICT', detail, { cause: refused });
  }
  if (status === 'IN_PROGRESS') await askFeed(deps, contract, 'feed');
  return contract;
}

/**
 * Adds the pages of one request after the existing rows. Throws ILLEGAL_STATE unless the contract is PENDING, has no job, and has room for more
 * pages. The same batch is added only once.
 */
export async function appendRows(
  deps: Deps,
  origin: Origin,
  read: Contract,
  pages: PageRef[],
  rows: PageRow[],
): Promise<Contract> {
  const { tenantId, id } = read;
  const accountId = accountOf(read);
  const suppressed = rows.filter((row) => row.skip === 'SUPPRESSED').length;
  const invalid = rows.filter((row) => row.skip === 'INVALID_NUMBER').length;
  const firstKey = pages[0]?.key;
  for (let contract = read; ; ) {
    const there = firstKey === undefined ? [] : await readPageRefs(deps.table, contract);
    if (firstKey !== undefined && there.some(({ key }) => isSameRequest(key, firstKey))) return contract;
    mustTakeRows(contract);
    if (pageCountOf(contract) + pages.length > maxPages) {
      throw new PacelineError(
        'ILLEGAL_STATE',
        `The contract is made of ${pageCountOf(contract)} pages and can have ${maxPages}: each request makes one or more. ` +
          'Put the rest into a new contract, in requests of up to 5,000 recipients or as one file with /import.',
      );
    }
    const firstRow = rowsOf(contract);
    const grown = addPages(contract, pages);
    const refused = await deps.table.tryTransact({
      contract: {
        key: keys.contract(tenantId, id),
        ...patch({ pages: grown.pages, totalCount: added(rows.length), atOnce: added(suppressed + invalid) }),
        condition: {
          isPending: { is: '#status = :pending', names: { '#status': 'status' }, values: { ':pending': 'PENDING' } },
          isIdle: 'attribute_not_exists(job)',
          // No other rows were added since the read, so the row numbers below are right.
          hasPagesRead: {
            is: 'size(#pages) = :there AND #totalCount = :total',
            values: { ':there': contract.pages.length, ':total': contract.totalCount },
          },
        },
      },
      pageList: grown.list,
      counter: {
        key: keys.counter(tenantId, id, accountId),
        ...patch({ failed: added(invalid), suppressed: added(suppressed) }),
      },
      audit: auditWrite(
        origin,
        { action: 'contract.recipients_added', target: id, changes: { recipients: rows.length } },
        deps.randomBytes,
      ),
    });
    if (refused !== undefined) {
      contract = await mustRead(deps.table, tenantId, id);
      continue;
    }
    // Only now do the rows have their numbers; before, these ids could belong to other rows.
    await putSkipped(deps, contract, numbered(rows, firstRow));
    return await mustRead(deps.table, tenantId, id);
  }
}

/** Throws ILLEGAL_STATE unless rows can be added: the contract is PENDING and no job works on its rows. */
export function mustTakeRows({ status, job }: Pick<Contract, 'status' | 'job'>): void {
  if (status === 'PENDING' && job === undefined) return;
  throw new PacelineError(
    'ILLEGAL_STATE',
    `Recipients can be added while the contract is PENDING and has no job; it is ${status}.`,
  );
}

const auditNames: Record<Exclude<ContractAction, 'import' | 'imported'>, string> = {
  start: 'contract.started',
  pause: 'contract.paused',
  cancel: 'contract.canceled',
  delete: 'contract.deleted',
  retry: 'contract.retried',
  clear: 'contract.cleared',
};

/**
 * Carries out a move of the domain: status, job and the items `running` and `job` change in one transaction. Throws NOT_FOUND and ILLEGAL_STATE. Runs
 * a job on rows for up to 15 s; the feed does the rest, and all of `delete`. `repeated`: an earlier attempt of the same call may have moved the
 * contract already; it is then returned as it is.
 */
export async function moveContract(
  deps: Deps,
  origin: Origin,
  tenantId: string,
  id: string,
  action: Exclude<ContractAction, 'import' | 'imported'>,
  repeated = false,
): Promise<Contract> {
  for (;;) {
    const contract = await mustRead(deps.table, tenantId, id);
    const result = move(contract, action);
    if (!result.ok) {
      if (repeated && contract.status === targetOf[action]) return contract;
      throw new PacelineError('ILLEGAL_STATE', result.reason);
    }
    const moved = {
      from: contract,
      to: result.status,
      action,
      ...(result.job === undefined ? {} : { job: result.job }),
    };
    const accountId = accountOf(contract);
    const writes = moveWrites(deps, origin, moved);
    const stops = contract.status === 'IN_PROGRESS' && result.status !== 'IN_PROGRESS';
    const refused = stops
      ? await tryTransactStop(deps.table, { tenantId, accountId }, writes)
      : await deps.table.tryTransact<string>(writes);
    // Another call moved the contract since the read, so decide again.
    if (refused?.by('contract')) continue;
    if (refused !== undefined) throw new PacelineError('ILLEGAL_STATE', 'The account of this contract was deleted.');
    if (result.status === 'IN_PROGRESS' && result.job === undefined) await askFeed(deps, contract, 'feed');
    if (action === 'delete') {
      await askFeed(deps, contract, 'job');
      return { ...contract, status: 'DELETED' };
    }
    if (result.job === undefined) return await mustRead(deps.table, tenantId, id);
    const end = await runJob(deps, contract, deps.nowMs() + inlineJobMs);
    if (end === 'more') await askFeed(deps, contract, 'job');
    else if (result.status === 'IN_PROGRESS') await askFeed(deps, contract, 'feed');
    return await mustRead(deps.table, tenantId, id);
  }
}

const targetOf: Partial<Record<ContractAction, ContractState>> = {
  start: 'IN_PROGRESS',
  pause: 'PAUSED',
  cancel: 'CANCELED',
  retry: 'IN_PROGRESS',
};

function moveWrites(
  deps: Deps,
  origin: Origin,
  moved: {
    from: Contract;
    to: ContractState;
    job?: NonNullable<Contract['job']>;
    action: Exclude<ContractAction, 'import' | 'imported'>;
  },
): NamedWrites {
  const { from, to, job, action } = moved;
  const { tenantId, id } = from;
  const accountId = accountOf(from);
  const moves = to !== from.status;
  const condition: Clauses = {
    isInStatusRead: { is: '#status = :from', values: { ':from': from.status } },
    // A retry or a clear is refused while a job runs; cancel and delete replace the job.
    isIdle: action === 'retry' || action === 'clear' ? 'attribute_not_exists(job)' : undefined,
    hasRows: action === 'start' ? { is: 'totalCount > :none', values: { ':none': 0 } } : undefined,
  };
  const fields = {
    status: to,
    ...(moves ? { movedAt: origin.at, reason: undefined } : {}),
    ...(job === undefined ? {} : { job }),
    ...(to === 'IN_PROGRESS' ? { startedAt: unlessSet(origin.at), completedAt: undefined } : {}),
    ...(to === 'CANCELED' && moves ? { completedAt: origin.at } : {}),
  };
  const pauses = to === 'PAUSED' && moves;
  const resumes = from.status === 'PAUSED' && moves;
  const endsStart = action === 'start' || action === 'cancel' || action === 'delete';
  return {
    contract: { key: keys.contract(tenantId, id), ...patch(fields), condition },
    audit: auditWrite(
      origin,
      { action: auditNames[action], target: id, changes: { from: from.status, to } },
      deps.randomBytes,
    ),
    job: job === undefined ? undefined : jobWrite(from, job, deps.nowMs()),
    running:
      to === 'IN_PROGRESS' ? runningWrite(tenantId, accountId, id) : { delete: keys.running(tenantId, accountId, id) },
    account: to === 'IN_PROGRESS' ? accountCheck(tenantId, accountId) : undefined,
    paused: pauses
      ? pausedWrite(tenantId, accountId, id, deps.nowMs())
      : resumes
        ? { delete: keys.paused(tenantId, accountId, id) }
        : undefined,
    startAt: endsStart ? { delete: keys.startAt(tenantId, id) } : undefined,
  };
}

/** Returns the contract. Throws NOT_FOUND. */
export async function mustRead(table: Table, tenantId: string, id: string): Promise<Contract> {
  const contract = await readContract(table, tenantId, id);
  if (contract === undefined) throw new PacelineError('NOT_FOUND', 'There is no such contract.');
  return contract;
}

async function askFeed(deps: Deps, contract: Contract, kind: 'feed' | 'job'): Promise<void> {
  const accountId = accountOf(contract);
  const request = { kind, tenantId: contract.tenantId, accountId, contractId: contract.id };
  await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, request);
}

/** While this item exists the sweep starts the contract at its time. */
function startWrite(tenantId: string, id: string, startAt: number): Write {
  const ixs = places.dueContract.of(startAt, tenantId, id);
  return { put: { ...keys.startAt(tenantId, id), type: 'startAt', ix: finder.start, ixs } };
}

/** While this item exists the feed and the sweep know that the contract runs. */
function runningWrite(tenantId: string, accountId: string, id: string): Write {
  const ixs = places.contract.of(tenantId, accountId, id);
  return { put: { ...keys.running(tenantId, accountId, id), type: 'running', ix: finder.running, ixs } };
}

/** While this item exists, the sweep checks whether messages of the paused contract are still under way. */
function pausedWrite(tenantId: string, accountId: string, id: string, nowMs: number): Write {
  const ixs = places.contract.of(tenantId, accountId, id);
  return { put: { ...keys.paused(tenantId, accountId, id), type: 'paused', at: nowMs, ix: finder.paused, ixs } };
}

/**
 * Returns the check for a message that goes back to PENDING: its contract runs or is paused, so the message will be fed again. Empty without a
 * contract.
 */
export const goesOn = ({ tenantId, contractId }: Pick<Message, 'tenantId' | 'contractId'>): Write[] =>
  contractId === undefined
    ? []
    : [
        {
          check: keys.contract(tenantId, contractId),
          condition: {
            goesOn: {
              is: '#status IN (:running, :paused)',
              names: { '#status': 'status' },
              values: { ':running': 'IN_PROGRESS', ':paused': 'PAUSED' },
            },
          },
        },
      ];

function accountCheck(tenantId: string, accountId: string): Write {
  return {
    check: keys.account(tenantId, accountId),
    condition: { exists: present, isNotDeleted: 'attribute_not_exists(deletedAt)' },
  };
}
