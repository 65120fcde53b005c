import type { Table } from '../../lib/aws/client/table.ts';
import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import { type Contract, finalStatusOf } from '../../lib/domain/contracts/contract.ts';
import { rowsOf } from '../../lib/domain/contracts/pages.ts';
import { finalCount } from '../../lib/domain/messages/counter.ts';
import type { Clock } from '../../lib/runtime/clock.ts';

/** The shortest time (ms) between two checks of the counters. */
const restMs = 1_000;
/** A contract is checked again after this time (ms) at the latest. Messages that end without being sent are not reported here. */
const lookAgainMs = 5 * 60_000;

interface Ending {
  contract: Contract;
  /** Messages that were not final at the last check, minus those sent since. Before the first check it counts from 0. */
  left: number;
  lookedAtMs: number;
}

/**
 * Contracts whose rows are all fed. Once the counter of such a contract says that all messages are final, the feed must complete it. A check
 * costs a read, and the kept outcome must be written first. So one check finds how many messages are missing, and the next one comes when that
 * many have been sent.
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

  /** Call this after each resolved send of a message of this contract. */
  sentOf(contract: Contract): void {
    if (contract.nextRow < rowsOf(contract)) return;
    const known = this.contracts.get(contract.id);
    this.contracts.set(contract.id, { contract, left: (known?.left ?? 0) - 1, lookedAtMs: known?.lookedAtMs ?? 0 });
  }

  forget(): void {
    this.contracts.clear();
  }

  /** True when a check is due. */
  get due(): boolean {
    return this.clock.monotonicMs() - this.checkedAtMs >= restMs && this.wanted().length > 0;
  }

  /** Checks the contracts that are due. Returns true if one is complete. */
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
