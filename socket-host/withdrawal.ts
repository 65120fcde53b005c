import { readContract } from '../lib/aws/contracts.ts';
import { readBeforeClaim } from '../lib/aws/messages.ts';
import { suppressNumberOf } from '../lib/aws/suppressions.ts';
import type { Table } from '../lib/aws/table.ts';
import type { Contract } from '../lib/domain/contract.ts';
import type { Message } from '../lib/domain/message.ts';
import type { Clock } from '../lib/runtime/clock.ts';
import type { TransportSession } from './transport.ts';

/** An answer this young is as good as one asked for now: a pause or an opt-out takes longer to be heard of. */
const stillTrueMs = 100;

/** What a claim does not check itself, asked right before it: whether the contract runs, and whether the person has opted out by LID. */
export class BeforeClaim {
  private readonly table: Table;
  private readonly clock: Clock;
  /** When contracts that ran and LIDs that had not opted out were asked for. */
  private readonly fine = new Map<string, number>();

  constructor(table: Table, clock: Clock) {
    this.table = table;
    this.clock = clock;
  }

  /**
   * Where a queued message goes at this moment instead of being sent: undefined if it is to be claimed. The numbers in `soon` are asked for
   * along with it, since they are written to within a tenth of a second. Somebody who has opted out by LID alone is suppressed by number
   * too from now on, which the claims of other accounts go by.
   */
  async insteadOf(
    message: Message,
    people: Pick<TransportSession, 'lidOf'>,
    soon: string[],
  ): Promise<'PENDING' | 'CANCELED' | 'SUPPRESSED' | undefined> {
    const { tenantId, contractId, to: phoneNumber } = message;
    const lid = people.lidOf(phoneNumber);
    const nowMs = this.clock.monotonicMs();
    for (const [id, askedMs] of this.fine) if (nowMs - askedMs > stillTrueMs) this.fine.delete(id);
    if (this.fine.has(contractId) && (lid === undefined || this.fine.has(lid))) return undefined;
    const lids = new Set([phoneNumber, ...soon].map((to) => people.lidOf(to)).filter((one) => one !== undefined));
    const { running, suppressed } = await readBeforeClaim(this.table, message, [...lids]);
    if (!running) return whenNotRunning(await readContract(this.table, tenantId, contractId));
    for (const one of [contractId, ...lids]) if (!suppressed.has(one)) this.fine.set(one, nowMs);
    if (lid === undefined || !suppressed.has(lid)) return undefined;
    return (await suppressNumberOf(this.table, tenantId, { phoneNumber, lid })) ? 'SUPPRESSED' : undefined;
  }
}

/** What is said of a message that was laid aside without an answer, and so may have arrived, where another would end in this state. */
export const unknownWhen = { CANCELED: 'contract_ended', SUPPRESSED: 'opted_out', EXPIRED: 'no_answer' } as const;

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
