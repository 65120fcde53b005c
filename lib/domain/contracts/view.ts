import { type Account, type AccountHot, isHalted, warmUpStart } from '../accounts/account.ts';
import { inHandOfContract } from '../accounts/in-hand.ts';
import { policyOf } from '../accounts/pacing.ts';
import type { Counter } from '../messages/counter.ts';
import type { Lane } from '../messages/message.ts';
import { isoOf, toIso } from '../times.ts';
import {
  type Contract,
  type ContractImport,
  type ContractState,
  type Counts,
  countsOf,
  estimatedEndAt,
} from './contract.ts';
import { waitingReason } from './waiting-reason.ts';

/** A contract as the HTTP API and events show it. Times are ISO 8601 UTC. */
export interface ContractView {
  id: string;
  name: string;
  accountIds: string[];
  lane: Lane;
  status: Exclude<ContractState, 'DELETED'>;
  reason: string | null;
  totalCount: number;
  counts: Counts;
  template: null;
  startAt: string | null;
  createdAt: string;
  startedAt: string | null;
  completedAt: string | null;
  estimatedEndAt: string | null;
  import?: Pick<ContractImport, 'status' | 'format' | 'rowsRead' | 'errorCount' | 'errors'>;
  warnings?: string[];
}

/** The parts of the contract's account that the view needs. */
interface Pair {
  account: Account;
  hot: Pick<AccountHot, 'inHand' | 'pace'>;
}

/** Returns a contract as GET shows it. `pair` is its account; undefined when the account has been deleted. */
export function contractView(
  contract: Contract,
  counter: Counter,
  pair: Pair | undefined,
  nowMs: number,
  warnings: string[] | undefined = contract.import?.warnings,
): ContractView {
  const counts = countsOf(contract, counter, inHandOfContract(pair?.hot, contract.id));
  const held = heldReason(contract, pair, counts, counter, nowMs);
  return {
    id: contract.id,
    name: contract.name,
    accountIds: contract.accountIds,
    lane: contract.lane,
    status: contract.status === 'DELETED' ? 'CANCELED' : contract.status,
    reason: contract.reason ?? waitingReason(contract, pair?.account, nowMs) ?? held ?? null,
    totalCount: contract.totalCount,
    counts,
    template: null,
    startAt: toIso(contract.startAt),
    createdAt: isoOf(contract.createdAt),
    startedAt: toIso(contract.startedAt),
    completedAt: toIso(contract.completedAt),
    estimatedEndAt: toIso(held === undefined ? estimate(contract, counts, pair, nowMs) : undefined),
    ...(contract.import === undefined ? {} : { import: importView(contract.import) }),
    ...(warnings === undefined ? {} : { warnings }),
  };
}

/** Returns the reason if a running contract waits only for the end of a hold of first contacts; else undefined. */
function heldReason(
  { status }: Contract,
  pair: Pair | undefined,
  counts: Counts,
  { backlog }: Counter,
  nowMs: number,
): string | undefined {
  const untilMs = pair?.account.firstContactsHeldUntil ?? 0;
  const waits = counts.pending > 0 && counts.pending === backlog && counts.queued + counts.sending === 0;
  if (status !== 'IN_PROGRESS' || untilMs <= nowMs || !waits) return undefined;
  return `Waiting: WhatsApp refuses messages to people the account has no chat with (463) until ${isoOf(untilMs)}; they are tried again then.`;
}

function importView({ status, format, rowsRead, errorCount, errors }: ContractImport): ContractView['import'] & object {
  return {
    status,
    format,
    rowsRead,
    errorCount,
    errors: errors.map(({ line, code, message }) => ({ line, code, message })),
  };
}

function estimate(contract: Contract, counts: Counts, pair: Pair | undefined, nowMs: number): number | undefined {
  if (contract.status !== 'IN_PROGRESS' || pair === undefined) return undefined;
  const { account, hot } = pair;
  // The contract sends nothing until the tenant acts, or WhatsApp's restriction ends.
  if (isHalted(account, nowMs)) return undefined;
  const age = account.linkedAt === undefined ? undefined : { linkedAtMs: warmUpStart(account), pace: hot.pace };
  return estimatedEndAt(counts.pending + counts.queued + counts.sending, policyOf(account), nowMs, age);
}
