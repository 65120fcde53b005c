import { messageId } from '../ids.ts';
import type { ContractMessage, MessageState } from '../messages/message.ts';
import { mayBeGone } from '../messages/retention.ts';
import { accountOf, type Contract, isFinished, type OpenRange, rangeAt } from './contract.ts';
import type { PageRow } from './pages.ts';

/**
 * The id of the message that a row (counted from 0) becomes. It derives from the contract's `idKey`; contracts made before that field derive from
 * their own id. The only way from a contract to the ids of its messages.
 */
export function rowMessageId(contract: Pick<Contract, 'id' | 'idKey'>, row: number): string {
  return messageId(contract.idKey ?? contract.id, row);
}

/** Returns what a row says of its message before anything has become of the message: all but the state. */
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
 * Returns the state that follows from the contract and its open ranges. Undefined where the message was made once and has ended: its result was kept for 90 days.
 * Before the first results can be gone, a row that the feed has passed is in the feed's hands, or was canceled by an earlier version, which
 * did not note the first row that was never fed.
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
