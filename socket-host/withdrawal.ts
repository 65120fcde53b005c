import { readContract } from '../lib/aws/contracts.ts';
import { isRunning } from '../lib/aws/messages.ts';
import type { Table } from '../lib/aws/table.ts';
import type { Contract } from '../lib/domain/contract.ts';
import type { Message } from '../lib/domain/message.ts';

/** Where the message goes if its contract does not run at this moment; undefined: it may be sent. */
export async function insteadOfSending(table: Table, message: Message): Promise<ReturnType<typeof whenNotRunning>> {
  if (await isRunning(table, message)) return undefined;
  return whenNotRunning(await readContract(table, message.tenantId, message.contractId));
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
