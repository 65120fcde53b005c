import type { Table } from '../../lib/aws/client/table.ts';
import { rowsOf } from '../../lib/aws/contracts/feed-rows.ts';
import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import { type Contract, finalCount, finalStatusOf } from '../../lib/domain/contracts/contract.ts';
import type { Clock } from '../../lib/runtime/clock.ts';

/** No look follows another sooner. */
const restMs = 1_000;
/** Messages also end without being sent, which nobody tells here: a look so often all the same. */
const lookAgainMs = 5 * 60_000;

interface Ending {
  contract: Contract;
  /** Messages it lacked at the last look, less those sent since; before the first look none are known to be missing. */
  left: number;
  lookedAtMs: number;
}

/**
 * Contracts whose rows are all fed: once their counter says that all messages are final, the feed is to complete them. A look costs a read and an
 * outcome that must be written for it, so it is taken once to see how many are missing, and again when so many have been sent.
 */
export class EndingContracts {
  private readonly table: Table;
  private readonly clock: Clock;
  private readonly contracts = new Map<string, Ending>();
  private checkedAtMs = Number.NEGATIVE_INFINITY;

  constructor(table: Table, clock: Clock) {
    this.table = table;
    this.clock = clock;
  }

  /** A message of this contract has been sent. */
  sentOf(contract: Contract): void {
    if (contract.nextRow < rowsOf(contract)) return;
    const known = this.contracts.get(contract.id);
    this.contracts.set(contract.id, { contract, left: (known?.left ?? 0) - 1, lookedAtMs: known?.lookedAtMs ?? 0 });
  }

  forget(): void {
    this.contracts.clear();
  }

  /** Whether it is time to look. */
  get due(): boolean {
    return this.clock.monotonicMs() - this.checkedAtMs >= restMs && this.wanted().length > 0;
  }

  /** Whether one of those that are due is complete. */
  async anyComplete(): Promise<boolean> {
    const nowMs = this.clock.monotonicMs();
    const wanted = this.wanted();
    this.checkedAtMs = nowMs;
    for (const { contract } of wanted) {
      const counter = await readCounter(this.table, contract);
      if (finalStatusOf(contract, counter) !== undefined) {
        this.contracts.delete(contract.id);
        return true;
      }
      const left = contract.totalCount - finalCount(counter);
      this.contracts.set(contract.id, { contract, left, lookedAtMs: nowMs });
    }
    return false;
  }

  private wanted(): Ending[] {
    const nowMs = this.clock.monotonicMs();
    return [...this.contracts.values()].filter(
      ({ left, lookedAtMs }) => left <= 0 || nowMs - lookedAtMs >= lookAgainMs,
    );
  }
}
