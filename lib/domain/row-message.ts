import type { Contract, PageRow } from './contract.ts';
import { messageId } from './ids.ts';
import type { Message } from './message.ts';

/** What a row of a contract says of its message before anything has become of it: all but the state. */
export function messageOfRow(contract: Contract, row: number, data: PageRow): Omit<Message, 'state'> {
  return {
    id: messageId(contract.id, row),
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
