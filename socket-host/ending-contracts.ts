import { readCounter } from '../lib/aws/contract-jobs.ts';
import { rowsOf } from '../lib/aws/feed-rows.ts';
import type { Table } from '../lib/aws/table.ts';
import { type Contract, finalStatusOf } from '../lib/domain/contract.ts';
import type { Clock } from '../lib/runtime/clock.ts';

/** How often a contract near its end is looked at. */
const checkEveryMs = 1_000;

/** Contracts whose rows are all fed: once their counter says that all are final, the feed is to complete them. */
export class EndingContracts {
  private readonly table: Table;
  private readonly clock: Clock;
  private readonly contracts = new Map<string, Contract>();
  private checkedAtMs = Number.NEGATIVE_INFINITY;

  constructor(table: Table, clock: Clock) {
    this.table = table;
    this.clock = clock;
  }

  /** A message of this contract has been sent. */
  sentOf(contract: Contract): void {
    if (contract.nextRow >= rowsOf(contract)) this.contracts.set(contract.id, contract);
  }

  forget(): void {
    this.contracts.clear();
  }

  /** Whether it is time to look. */
  get due(): boolean {
    return this.contracts.size > 0 && this.clock.monotonicMs() - this.checkedAtMs >= checkEveryMs;
  }

  /** Whether one of them is complete; those looked at are forgotten until their next message. */
  async anyComplete(): Promise<boolean> {
    this.checkedAtMs = this.clock.monotonicMs();
    const contracts = [...this.contracts.values()];
    this.contracts.clear();
    for (const contract of contracts) {
      if (finalStatusOf(contract, await readCounter(this.table, contract)) !== undefined) return true;
    }
    return false;
  }
}
