import { dayCapOn, dayOf, meanIntervalMs, type PaceState, type PacingPolicy } from '../accounts/pacing.ts';
import { type Counter, finalCount } from '../messages/counter.ts';
import type { Lane } from '../messages/message.ts';
import type { PageEntry } from './pages.ts';

/** DELETED is a tombstone: the HTTP surface answers 404 while what is left is removed. */
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

/** Work on all rows of a contract that a call began and the feed finishes. */
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
  /** Sentences about what is odd in the rows that were accepted. */
  warnings?: string[];
}

/** Times are epoch milliseconds. */
export interface Contract {
  id: string;
  /** What the ids of its messages derive from (`contractIdKey`). A secret: no answer, event or log shows it. Old contracts have none. */
  idKey?: string;
  tenantId: string;
  name: string;
  accountIds: string[];
  lane: Lane;
  status: ContractState;
  reason?: string;
  totalCount: number;
  /** What its rows are made of, see `PageEntry`. */
  pages: PageEntry[];
  /** Rows before this one have passed to an account. */
  nextRow: number;
  /** What earlier releases had reserved and not finished begins here; otherwise equal to `nextRow`, see `openRangesOf`. */
  openFrom: number;
  /** Rows from this one on were never fed: they became CANCELED by number when the contract ended, and have no items. */
  unfedFrom?: number;
  /** Rows that passed to any account and were not skipped. */
  fedCount: number;
  atOnce: number;
  skipInvalid: boolean;
  /** Numbers without + that can be read in several ways are refused, in files and later requests too. */
  requirePlus?: boolean;
  /** Where it stands is in the item `job`, which exists as long as this does. */
  job?: ContractJob;
  /** When a feed last took rows of it (epoch ms). */
  fedAt?: number;
  import?: ContractImport;
  startAt?: number;
  createdAt: number;
  startedAt?: number;
  completedAt?: number;
  /** When a call last moved its status. */
  movedAt?: number;
}

/** Returns the accounts that send the contract's messages. */
export const accountsOf = ({ accountIds }: Pick<Contract, 'accountIds'>): readonly string[] => accountIds;

/** Returns the account that sends the contract's messages; a contract has one, for now. */
export const accountOf = (contract: Pick<Contract, 'accountIds'>): string => accountsOf(contract)[0] ?? '';

/**
 * The counter item of one contract and account. Beside the counts it has the rows that passed to the account and were not skipped (`fed`), and
 * the range of rows that the feed has reserved for the account and not finished. Counters of earlier releases have neither.
 */
export interface AccountCounter extends Counter {
  fed?: number;
  openFrom?: number;
  openTo?: number;
}

/**
 * Rows `[from, to)` that a feed has reserved for an account and not finished: some may lack their message or their entry in the lane. `on` tells
 * which item says so; earlier releases kept one range, on the contract.
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

/** Returns the range that holds the row; undefined where none does. */
export const rangeAt = (open: readonly OpenRange[], row: number): OpenRange | undefined =>
  open.find(({ from, to }) => from <= row && row < to);

/** Rows of a contract at most. */
export const maxRows = 100_000;
/** Rows one request may carry; more come by import or by further requests. */
export const maxInlineRows = 5_000;

/** What a caller asks of a contract, and the two ends of an import. */
export type ContractAction = 'start' | 'pause' | 'cancel' | 'delete' | 'retry' | 'clear' | 'import' | 'imported';

/** `job` is the work on rows that the move begins; it replaces a job in progress. */
export type MoveResult = { ok: true; status: ContractState; job?: ContractJob } | { ok: false; reason: string };

/**
 * The legal moves. `reason` is for a 409, except on DELETED, which callers answer with 404.
 *
 *   import    PENDING without rows -> IMPORTING          imported  IMPORTING -> PENDING
 *   start     PENDING with rows, PAUSED -> IN_PROGRESS   pause     IN_PROGRESS -> PAUSED
 *   cancel    any unfinished -> CANCELED                 delete    any -> DELETED
 *   retry     COMPLETED, FAILED -> IN_PROGRESS; IN_PROGRESS and PAUSED stay
 *   clear     stays: IN_PROGRESS, PAUSED, COMPLETED, FAILED, CANCELED
 * IN_PROGRESS -> COMPLETED or FAILED is `finalStatusOf`.
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

/** Whether nothing of the contract moves any more by itself. */
export function isFinished(status: ContractState): boolean {
  return status === 'COMPLETED' || status === 'CANCELED' || status === 'FAILED' || status === 'DELETED';
}

/** Messages of the contract by state; they add up to totalCount. */
export interface Counts {
  pending: number;
  queued: number;
  sending: number;
  sent: number;
  delivered: number;
  read: number;
  failed: number;
  canceled: number;
  suppressed: number;
  expired: number;
}

/**
 * Counts derived from the contract, the sum of its counters and whether its account has one of its messages in hand
 * (docs/orders.md, Contracts). The items are read one after the other, so what does not fit is bounded: never
 * negative, and the sum stays totalCount unless more are final than there are.
 */
export function countsOf(
  contract: Pick<Contract, 'totalCount' | 'fedCount' | 'atOnce'>,
  counter: Counter,
  inHand: number,
): Counts {
  // One by one: what is read from the table carries its keys.
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

/** What GET /stats says about the whole contract; `pending` is everything not final. */
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

/** success / (success + failed) as `95.00%`; `0.00%` when there is neither. */
export function successRate(success: number, failed: number): string {
  const final = success + failed;
  return `${(final === 0 ? 0 : (success / final) * 100).toFixed(2)}%`;
}

/**
 * What a running or paused contract becomes once all its messages are final: FAILED if none was sent. Undefined while
 * some are not, while a job works on its rows, and in every other status.
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
 * When the remaining messages will be sent (epoch ms), by mean gap and rest: about 175 an hour by default, 50 a second
 * unpaced. With `account`, the day caps of its age and what it sent today are counted in.
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
    const allowed = Math.max(0, dayCapOn(policy, day) - (day === pace.day ? pace.dayCount : 0));
    const sent = Math.min(left, allowed, Math.ceil((dayEndsAt - at) / intervalMs));
    left -= sent;
    at += sent * intervalMs;
    if (left > 0) at = Math.max(at, dayEndsAt);
  }
  return Math.round(at);
}
