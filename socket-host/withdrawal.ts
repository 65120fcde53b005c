import type { Contract } from '../lib/domain/contract.ts';

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
