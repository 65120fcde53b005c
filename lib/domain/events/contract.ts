import { accountsOf, type Contract, type ContractState, isFinished } from '../contracts/contract.ts';
import type { EventType } from '../event-types.ts';
import { type ChangeRecord, draftOf, type EventDraft, type Image, mustBeText } from './draft.ts';

/** Pure: returns the events of a change of a contract: the end of an import, and moves of its status. Messages draft its progress. */
export function contractEvents(before: Image | undefined, after: Image, record: ChangeRecord): EventDraft[] {
  const contract = after as unknown as Contract;
  const was = before as unknown as Contract | undefined;
  const { id, tenantId, startedAt = 0, completedAt = 0, movedAt = 0 } = contract;
  for (const text of [id, tenantId]) mustBeText(text);
  const accountId = mustBeText(accountsOf(contract)[0]);
  const draft = (type: EventType, ownMs: number): EventDraft => ({
    ...draftOf(record, {
      type,
      tenantId,
      of: id,
      version: record.version,
      about: { kind: 'contract', contractId: id, contract },
      ownMs,
    }),
    accountId,
  });
  const drafts: EventDraft[] = [];
  const imported = endedImport(was, contract);
  if (imported !== undefined) drafts.push(draft(imported, 0));
  const moved = moveEvent(was?.status, contract.status);
  if (moved !== undefined) drafts.push(draft(moved, Math.max(startedAt, completedAt, movedAt)));
  return drafts;
}

function endedImport(was: Contract | undefined, now: Contract): EventType | undefined {
  const { id, status } = now.import ?? {};
  if (was?.import?.id === id && was?.import?.status === status) return undefined;
  if (status === 'completed') return 'import.completed';
  return status === 'failed' ? 'import.failed' : undefined;
}

/** Returns undefined for moves that have no event. */
function moveEvent(from: ContractState | undefined, to: ContractState): EventType | undefined {
  if (from === to) return undefined;
  switch (to) {
    case 'IN_PROGRESS':
      // A contract that has ended runs again when its failed messages are retried.
      return from === undefined || from === 'PENDING' ? 'contract.started' : 'contract.resumed';
    case 'PAUSED':
      return 'contract.paused';
    case 'COMPLETED':
      return 'contract.completed';
    case 'CANCELED':
      return 'contract.canceled';
    case 'FAILED':
      return 'contract.failed';
    case 'DELETED':
      // A delete cancels what has not ended.
      return from === undefined || isFinished(from) ? undefined : 'contract.canceled';
    case 'IMPORTING':
    case 'PENDING':
      return undefined;
    default:
      to satisfies never;
      throw new TypeError('the image of a contract has no known status');
  }
}
