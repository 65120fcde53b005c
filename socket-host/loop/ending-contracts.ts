import type { Table } from '../../lib/aws/client/table.ts';
import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import { type Contract, finalStatusOf } from '../../lib/domain/contracts/contract.ts';
import { rowsOf } from '../../lib/domain/contracts/pages.ts';
import { finalCount } from '../../lib/domain/messages/counter.ts';
import type { Clock } from '../../lib/runtime/clock.ts';

/** The shortest time (ms) between two looks. */
const restMs = 1_000;
/** Messages also end without being sent, which is not told here: so often (ms) there is a look all the same. */
const lookAgainMs = 5 * 60_000;

interface Ending {
  contract: Contract;
  /** Messages that were not final at the last look, less those sent since. Before the first look none are known to be missing. */
  left: number;
  lookedAtMs: number;
}

/**
 * Contracts whose rows are all fed: once the counter of one says that all messages are final, the feed must complete it. A look costs a read,
 * and an outcome that must be written for it. So there is one look to see how many messages are missing, and another when so many have been sent.
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

  /** Looks, and returns whether one of the contracts is complete. */
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
