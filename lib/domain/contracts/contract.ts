import { dayCapOn, dayOf, meanIntervalMs, type PaceState, type PacingPolicy, sentOn } from '../accounts/pacing.ts';
import { type Counter, finalCount } from '../messages/counter.ts';
import type { Lane } from '../messages/message.ts';
import type { PageEntry } from './pages.ts';

/** DELETED is a tombstone: the HTTP API answers 404 while messages and pages of the contract are removed. */
export const contractStates = [
  'IMPORTING',
  'PENDING',
  'IN_PROGRESS',
  'PAUSED',
  'COMPLETED',
  'CANCELED',
  'FAILED',
  'DELETED',
] as const;
export type ContractState = (typeof contractStates)[number];

/** Work on all rows of a contract. An API call begins it, the feed does it. */
export type ContractJob = 'retry' | 'clear' | 'settle' | 'remove';

export interface ImportError {
  line: number;
  code: string;
  message: string;
}

export interface ContractImport {
  id: string;
  format: 'csv' | 'ndjson';
  status: 'awaiting_upload' | 'reading' | 'completed' | 'failed';
  rowsRead: number;
  expiresAt: number;
  errorCount: number;
  errors: ImportError[];
  /** Sentences about oddities in the accepted rows. */
  warnings?: string[];
}

/** Times are epoch milliseconds. */
export interface Contract {
  id: string;
  /** The key from which the ids of its messages derive (`contractIdKey`). Secret: no answer, event or log shows it. Old contracts have none. */
  idKey?: string;
  tenantId: string;
  name: string;
  accountIds: string[];
  lane: Lane;
  status: ContractState;
  reason?: string;
  totalCount: number;
  /** The pages with its rows, see `PageEntry`. */
  pages: PageEntry[];
  /** The first row that has not passed to an account. */
  nextRow: number;
  /** The first row of a range that an earlier release reserved and did not finish; otherwise equal to `nextRow`. See `openRangesOf`. */
  openFrom: number;
  /** The first row that was never fed, set when the contract ended. Rows from here on count as CANCELED and have no items. */
  unfedFrom?: number;
  /** The number of rows that have passed to an account and were not skipped. */
  fedCount: number;
  /** The number of rows that were final when they were accepted (skipped rows). */
  atOnce: number;
  skipInvalid: boolean;
  /** True: numbers that are in doubt without + are refused, also in files and later requests. */
  requirePlus?: boolean;
  /** The job in progress. Its position is in the item `job`, which exists as long as this field. */
  job?: ContractJob;
  /** The time when a feed last took rows of it (epoch ms). */
  fedAt?: number;
  import?: ContractImport;
  startAt?: number;
  createdAt: number;
  startedAt?: number;
  completedAt?: number;
  /** The time when an API call last changed its status. */
  movedAt?: number;
}

/** Returns the accounts that send the contract's messages. */
export const accountsOf = ({ accountIds }: Pick<Contract, 'accountIds'>): readonly string[] => accountIds;

/** Returns the account that sends the contract's messages. For now each contract has one. */
export const accountOf = (contract: Pick<Contract, 'accountIds'>): string => accountsOf(contract)[0] ?? '';

/**
 * The counter item of one contract and account. `fed` counts the rows that passed to the account and were not skipped. `openFrom` and `openTo` are
 * the range of rows that the feed has reserved for the account and not finished. Counters of earlier releases have none of these.
 */
export interface AccountCounter extends Counter {
  fed?: number;
  openFrom?: number;
  openTo?: number;
}

/**
 * Rows `[from, to)` that a feed has reserved for an account and not finished: some may lack their message or their entry in the lane. `on` is
 * the item that stores the range. Earlier releases stored one range, on the contract.
 */
export interface OpenRange {
  accountId: string;
  from: number;
  to: number;
  on: 'counter' | 'contract';
}

/** Returns the open ranges of a contract; `counters` are those of its accounts, in their order. */
export function openRangesOf(
  contract: Pick<Contract, 'accountIds' | 'openFrom' | 'nextRow'>,
  counters: readonly (AccountCounter | undefined)[],
): OpenRange[] {
  const { openFrom: from, nextRow: to } = contract;
  const earlier: OpenRange[] = from < to ? [{ accountId: accountOf(contract), from, to, on: 'contract' }] : [];
  const own = accountsOf(contract).flatMap((accountId, index): OpenRange[] => {
    const { openFrom, openTo } = counters[index] ?? {};
    return openFrom === undefined || openTo === undefined
      ? []
      : [{ accountId, from: openFrom, to: openTo, on: 'counter' }];
  });
  return [...earlier, ...own];
}

/** Returns the range with the row; undefined if there is none. */
export const rangeAt = (open: readonly OpenRange[], row: number): OpenRange | undefined =>
  open.find(({ from, to }) => from <= row && row < to);

/** Most rows of a contract. */
export const maxRows = 100_000;
/** Most rows of one request. Use an import or further requests for more. */
export const maxInlineRows = 5_000;

/** The actions of API callers, and `imported`, the end of an import. */
export type ContractAction = 'start' | 'pause' | 'cancel' | 'delete' | 'retry' | 'clear' | 'import' | 'imported';

/** `job` is the work on rows that the move begins; it replaces a job in progress. */
export type MoveResult = { ok: true; status: ContractState; job?: ContractJob } | { ok: false; reason: string };

/**
 * Returns the status after an action, or why the action is illegal. `reason` is for a 409; for a DELETED contract callers answer 404.
 *
 *   import    PENDING without rows -> IMPORTING          imported  IMPORTING -> PENDING
 *   start     PENDING with rows, PAUSED -> IN_PROGRESS   pause     IN_PROGRESS -> PAUSED
 *   cancel    any unfinished -> CANCELED                 delete    any -> DELETED
 *   retry     COMPLETED, FAILED -> IN_PROGRESS; IN_PROGRESS and PAUSED stay
 *   clear     stays: IN_PROGRESS, PAUSED, COMPLETED, FAILED, CANCELED
 *
 * `finalStatusOf` decides about IN_PROGRESS -> COMPLETED or FAILED.
 */
export function move(contract: Pick<Contract, 'status' | 'totalCount' | 'job'>, action: ContractAction): MoveResult {
  const { status } = contract;
  const refuse = (reason: string): MoveResult => ({ ok: false, reason });
  const wrongState = () => refuse(`A contract that is ${status} cannot be ${participles[action]}.`);
  if (status === 'DELETED') return refuse('The contract is deleted.');
  switch (action) {
    case 'start':
      if (status === 'PENDING' && contract.totalCount === 0) return refuse('The contract has no recipients yet.');
      return status === 'PENDING' || status === 'PAUSED' ? { ok: true, status: 'IN_PROGRESS' } : wrongState();
    case 'pause':
      return status === 'IN_PROGRESS' ? { ok: true, status: 'PAUSED' } : wrongState();
    case 'cancel':
      return isFinished(status) ? wrongState() : { ok: true, status: 'CANCELED', job: 'settle' };
    case 'delete':
      return { ok: true, status: 'DELETED', job: 'remove' };
    case 'import':
      if (contract.totalCount > 0) return refuse('The contract has recipients already; import into an empty one.');
      return status === 'PENDING' ? { ok: true, status: 'IMPORTING' } : wrongState();
    case 'imported':
      return status === 'IMPORTING' ? { ok: true, status: 'PENDING' } : wrongState();
    case 'retry':
    case 'clear': {
      if (status === 'PENDING' || status === 'IMPORTING') return wrongState();
      if (action === 'retry' && status === 'CANCELED') return wrongState();
      if (contract.job !== undefined) return refuse(`The contract is busy (${contract.job}); try again in a moment.`);
      const reopened = action === 'retry' && isFinished(status);
      return { ok: true, status: reopened ? 'IN_PROGRESS' : status, job: action };
    }
    default:
      return action satisfies never;
  }
}

const participles: Record<ContractAction, string> = {
  start: 'started',
  pause: 'paused',
  cancel: 'canceled',
  delete: 'deleted',
  retry: 'retried',
  clear: 'cleared of failed messages',
  import: 'imported into',
  imported: 'completed by an import',
};

/** Returns whether a contract has ended. Only an API call can start it again. */
export function isFinished(status: ContractState): boolean {
  return status === 'COMPLETED' || status === 'CANCELED' || status === 'FAILED' || status === 'DELETED';
}

/** The number of messages of a contract in each state. The sum is `totalCount`. */
export interface Counts extends Omit<Counter, 'backlog'> {
  pending: number;
  queued: number;
  sending: number;
}

/**
 * Returns the counts of a contract. `counter` is the sum of its counters, `inHand` how many of its messages are in hand (docs/orders.md, Contracts).
 * The items are read at different moments and may not agree. So counts are never negative, and the sum is `totalCount` unless more messages
 * are final than that.
 */
export function countsOf(
  contract: Pick<Contract, 'totalCount' | 'fedCount' | 'atOnce'>,
  counter: Counter,
  inHand: number,
): Counts {
  // Field by field, because a counter from the table also has its keys.
  const { sent, delivered, read, failed, canceled, suppressed, expired } = counter;
  const final = finalCount(counter);
  const open = Math.max(0, contract.totalCount - final);
  const inFlight = Math.min(Math.max(0, inFlightOf(contract, counter)), open);
  const sending = Math.min(inHand, inFlight);
  const unsent = { pending: open - inFlight, queued: inFlight - sending, sending };
  return { ...unsent, sent, delivered, read, failed, canceled, suppressed, expired };
}

/** Returns the number of messages that are QUEUED or SENDING, by contract and counter. */
export function inFlightOf(contract: Pick<Contract, 'fedCount' | 'atOnce'>, counter: Counter): number {
  return contract.fedCount - (finalCount(counter) - contract.atOnce) - counter.backlog;
}

/** The answer of GET /stats. `pending` counts all messages that are not final. */
export interface Stats {
  status: ContractState;
  total: number;
  success: number;
  failed: number;
  suppressed: number;
  canceled: number;
  expired: number;
  pending: number;
  successRate: string;
}

export function statsOf(contract: Pick<Contract, 'status' | 'totalCount'>, counter: Counter): Stats {
  const success = counter.sent + counter.delivered + counter.read;
  const { failed, suppressed, canceled, expired } = counter;
  return {
    status: contract.status,
    total: contract.totalCount,
    success,
    failed,
    suppressed,
    canceled,
    expired,
    pending: Math.max(0, contract.totalCount - finalCount(counter)),
    successRate: successRate(success, failed),
  };
}

/** Returns success / (success + failed) in the form `95.00%`; `0.00%` if both are 0. */
export function successRate(success: number, failed: number): string {
  const final = success + failed;
  return `${(final === 0 ? 0 : (success / final) * 100).toFixed(2)}%`;
}

/**
 * Returns the end of a running or paused contract whose messages are all final: FAILED if none was sent, else COMPLETED. Undefined while some are
 * not final, while a job works on its rows, and in every other status. The feed ends a paused contract only once it is started again.
 */
export function finalStatusOf(
  contract: Pick<Contract, 'status' | 'totalCount' | 'job'>,
  counter: Counter,
): 'COMPLETED' | 'FAILED' | undefined {
  if (contract.status !== 'IN_PROGRESS' && contract.status !== 'PAUSED') return undefined;
  if (contract.job !== undefined || counter.backlog > 0 || finalCount(counter) < contract.totalCount) return undefined;
  return counter.sent + counter.delivered + counter.read > 0 ? 'COMPLETED' : 'FAILED';
}

/**
 * Estimates when the remaining messages will be sent (epoch ms), from the mean gap and rest: about 175 an hour by default, 50 a second unpaced.
 * With `account`, the estimate includes the day caps for its age and the messages that it has sent today.
 */
export function estimatedEndAt(
  remaining: number,
  policy: PacingPolicy | undefined,
  nowMs: number,
  account?: { linkedAtMs: number; pace: Pick<PaceState, 'day' | 'dayCount'> },
): number {
  const intervalMs = meanIntervalMs(policy);
  if (policy === undefined || account === undefined) return Math.round(nowMs + remaining * intervalMs);
  const { linkedAtMs, pace } = account;
  let at = nowMs;
  let left = remaining;
  while (left > 0) {
    const day = dayOf(at, linkedAtMs);
    const dayEndsAt = linkedAtMs + (day + 1) * 24 * 3_600_000;
    const allowed = Math.max(0, dayCapOn(policy, day) - sentOn(day, pace));
    const sent = Math.min(left, allowed, Math.ceil((dayEndsAt - at) / intervalMs));
    left -= sent;
    at += sent * intervalMs;
    if (left > 0) at = Math.max(at, dayEndsAt);
  }
  return Math.round(at);
}
