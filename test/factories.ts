import { randomBytes } from 'node:crypto';
import type { Host } from '../lib/aws/hosts/hosts.ts';
import type { Account } from '../lib/domain/accounts/account.ts';
import { textContent } from '../lib/domain/content.ts';
import type { Contract } from '../lib/domain/contracts/contract.ts';
import type { PageRow } from '../lib/domain/contracts/pages.ts';
import { newId } from '../lib/domain/ids.ts';
import type { ContractMessage, MessageState } from '../lib/domain/messages/message.ts';

/** Ids for tests that do not depend on them. */
export const tenantId = 'ten_0000000000000000000000000A';
export const accountId = 'acc_01KAFXQ8E4WZ8M7D9T2B6R3V5N';
export const contractId = 'con_01KAFXR2M6B8V4N3T7Q9Z5W1HC';
export const messageId = 'msg_0123456789ABCDEF01';

/** Returns an account before it is stored: it waits for a host, is not paced, and has an id of its own. */
export function newAccount(nowMs: number, more: Partial<Account> = {}): Omit<Account, 'laneUrls'> {
  return {
    id: newId('acc', nowMs, randomBytes),
    tenantId,
    name: 'Test account',
    phoneNumber: '79990000001',
    priority: 999,
    weight: 1,
    desired: 'connected',
    status: 'created',
    statusSince: nowMs,
    useLimits: false,
    pacing: {},
    linkMethod: 'qr',
    warnings: [],
    linkedAt: nowMs,
    createdAt: nowMs,
    ...more,
  };
}

/** Returns a running contract of an account before it is stored, none of its rows fed, with an id of its own. */
export function newContract(account: Pick<Account, 'id' | 'tenantId'>, more: Partial<Contract> = {}): Contract {
  const createdAt = more.createdAt ?? Date.now();
  return {
    id: newId('con', createdAt, randomBytes),
    tenantId: account.tenantId,
    name: 'Test contract',
    accountIds: [account.id],
    lane: 'bulk',
    status: 'IN_PROGRESS',
    totalCount: 0,
    pages: [],
    nextRow: 0,
    openFrom: 0,
    fedCount: 0,
    atOnce: 0,
    skipInvalid: false,
    createdAt,
    ...more,
  };
}

/** Returns a host before it is stored, which takes accounts and has just beaten. */
export function newHost(id: string, more: Partial<Host> = {}): Host {
  return { id, beat: 1, beatAt: Date.now(), wakeQueueUrl: '', startedAt: 0, accounts: 0, room: 100, ...more };
}

/** Returns a message of a contract as it is in the table, without key and type. */
export function messageImage(state: MessageState, more: Partial<ContractMessage> = {}) {
  return {
    id: messageId,
    tenantId,
    accountId,
    contractId,
    row: 0,
    to: '79991234567',
    lane: 'bulk' as const,
    state,
    feedSeq: 1,
    attempts: 0,
    createdAt: 1_000,
    ...more,
  };
}

/** Returns a message of a contract as it is read from the table. */
export function messageIn(state: MessageState, more: Partial<ContractMessage> = {}): ContractMessage {
  return { source: 'contract', sourceId: contractId, ...messageImage(state, more) };
}

/** Returns the recipient of row `row` of `rowsTo`, counted from 0. */
export const numberOf = (row: number): string => `7999${String(1_000_001 + row)}`;

/** Returns `count` rows to distinct valid numbers, each with a text of its own. */
export function rowsTo(count: number, from = 0): PageRow[] {
  return Array.from({ length: count }, (_, i) => ({
    to: numberOf(from + i),
    content: textContent(`Text ${from + i}`),
  }));
}
