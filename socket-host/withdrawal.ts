import { readContract } from '../lib/aws/contracts.ts';
import { isRunning } from '../lib/aws/messages.ts';
import type { Table } from '../lib/aws/table.ts';
import type { Contract } from '../lib/domain/contract.ts';
import type { Message } from '../lib/domain/message.ts';
import type { Clock } from '../lib/runtime/clock.ts';

/** An answer this young is as good as one asked for now: a pause takes longer to be heard of. */
const stillTrueMs = 100;

/** Whether the contracts of an account's messages run, asked right before each claim. */
export class RunningContracts {
  private readonly table: Table;
  private readonly clock: Clock;
  /** When the last ones that ran were asked for, by contract. */
  private readonly asked = new Map<string, number>();

  constructor(table: Table, clock: Clock) {
    this.table = table;
    this.clock = clock;
  }

  /** Where the message goes if its contract does not run; undefined: it may be sent. Asks again after a tenth of a second. */
  async insteadOfSending(message: Message): Promise<ReturnType<typeof whenNotRunning>> {
    const { tenantId, contractId } = message;
    const nowMs = this.clock.monotonicMs();
    for (const [id, askedMs] of this.asked) if (nowMs - askedMs > stillTrueMs) this.asked.delete(id);
    if (this.asked.has(contractId)) return undefined;
    if (!(await isRunning(this.table, message)))
      return whenNotRunning(await readContract(this.table, tenantId, contractId));
    this.asked.set(contractId, nowMs);
    return undefined;
  }
}

/** Pure: where a queued message goes whose contract does not run; undefined while it runs. */
export function whenNotRunning(contract: Contract | undefined): 'PENDING' | 'CANCELED' | undefined {
  if (contract === undefined) return 'CANCELED';
  switch (contract.status) {
    case 'IN_PROGRESS':
      return undefined;
    case 'PAUSED':
    case 'PENDING':
    case 'IMPORTING':
      return 'PENDING';
    case 'CANCELED':
    case 'DELETED':
    case 'FAILED':
    case 'COMPLETED':
      return 'CANCELED';
    default:
      return contract.status satisfies never;
  }
}
