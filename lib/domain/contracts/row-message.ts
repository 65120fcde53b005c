import { messageId } from '../ids.ts';
import type { ContractMessage, MessageState } from '../messages/message.ts';
import { mayBeGone } from '../messages/retention.ts';
import { accountOf, type Contract, isFinished, type OpenRange, rangeAt } from './contract.ts';
import type { PageRow } from './pages.ts';

/**
 * Returns the id of the message for a row (counted from 0). It derives from the contract's `idKey`, or from the contract's id in contracts older
 * than that field. Use no other way from a contract to the ids of its messages.
 */
export function rowMessageId(contract: Pick<Contract, 'id' | 'idKey'>, row: number): string {
  return messageId(contract.idKey ?? contract.id, row);
}

/** Returns the message of a row that has no item yet, without its state. */
export function messageOfRow(contract: Contract, row: number, data: PageRow): Omit<ContractMessage, 'state'> {
  return {
    id: rowMessageId(contract, row),
    tenantId: contract.tenantId,
    accountId: accountOf(contract),
    source: 'contract',
    sourceId: contract.id,
    contractId: contract.id,
    row,
    to: data.to,
    lane: contract.lane,
    feedSeq: 0,
    attempts: 0,
    createdAt: contract.createdAt,
    ...(data.externalId === undefined ? {} : { externalId: data.externalId }),
  };
}

/**
 * Returns the state of a row whose message has no item, from the contract and its open ranges. Undefined if the item existed and was deleted after
 * its 90 days. Before that, a fed row without an item is being fed now, or an earlier version canceled it, which did not store `unfedFrom`.
 */
export function stateWithoutItem(
  contract: Pick<Contract, 'status' | 'nextRow' | 'openFrom' | 'unfedFrom' | 'startedAt'>,
  row: number,
  nowMs: number,
  open: readonly OpenRange[] = [],
): MessageState | undefined {
  const ended = contract.status === 'CANCELED' || contract.status === 'FAILED' || contract.status === 'DELETED';
  if (row >= (contract.unfedFrom ?? contract.nextRow)) return isFinished(contract.status) ? 'CANCELED' : 'PENDING';
  const isOpen = row >= contract.openFrom || rangeAt(open, row) !== undefined;
  if (!isOpen && mayBeGone(contract.startedAt, nowMs)) return undefined;
  if (ended) return 'CANCELED';
  return isFinished(contract.status) ? undefined : 'QUEUED';
}
