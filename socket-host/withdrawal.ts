import { readContract } from '../lib/aws/contracts.ts';
import { readBeforeClaim } from '../lib/aws/messages.ts';
import { suppressNumberOf } from '../lib/aws/suppressions.ts';
import type { Table } from '../lib/aws/table.ts';
import type { Contract } from '../lib/domain/contract.ts';
import type { Message } from '../lib/domain/message.ts';

/**
 * Where a queued message goes at this moment instead of being sent: undefined if it is to be claimed. Somebody who has opted out by `lid`
 * alone is suppressed by number too from now on, which the claims of other accounts go by.
 */
export async function insteadOf(
  table: Table,
  message: Message,
  lid: string | undefined,
): Promise<'PENDING' | 'CANCELED' | 'SUPPRESSED' | undefined> {
  const { tenantId, to: phoneNumber } = message;
  const { running, lidSuppressed } = await readBeforeClaim(table, message, lid);
  if (!running) return whenNotRunning(await readContract(table, tenantId, message.contractId));
  if (lid === undefined || !lidSuppressed) return undefined;
  return (await suppressNumberOf(table, tenantId, { phoneNumber, lid })) ? 'SUPPRESSED' : undefined;
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
