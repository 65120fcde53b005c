import type { Contract, PageRow } from './contract.ts';
import { messageId } from './ids.ts';
import type { Message } from './message.ts';

/**
 * The id of the message that a row (counted from 0) becomes. It derives from the contract's `idKey`; contracts made before that field derive from
 * their own id. The only way from a contract to the ids of its messages.
 */
export function rowMessageId(contract: Pick<Contract, 'id' | 'idKey'>, row: number): string {
  return messageId(contract.idKey ?? contract.id, row);
}

/** What a row of a contract says of its message before anything has become of it: all but the state. */
export function messageOfRow(contract: Contract, row: number, data: PageRow): Omit<Message, 'state'> {
  return {
    id: rowMessageId(contract, row),
    tenantId: contract.tenantId,
    accountId: contract.accountIds[0] ?? '',
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
