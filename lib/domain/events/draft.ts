import type { Account } from '../accounts/account.ts';
import type { Contract } from '../contracts/contract.ts';
import { type EventType, isLogged, type PacelineEvent } from '../event-types.ts';
import { derivedId } from '../ids.ts';

/** An item of the table, unmarshalled. */
export type Image = Record<string, unknown>;

/**
 * The change a pair of images comes from. `at`: when, epoch ms (DynamoDB tells whole seconds). `version`: what no other change of the item
 * has, and every replay of this one has again (the stream's sequence number).
 */
export interface ChangeRecord {
  at: number;
  version: string;
}

/** An event before what its image does not hold (counters, the hot item) is read: lib/aws/events/event-data.ts does that. */
export type EventDraft = Omit<PacelineEvent, 'data'> & { about: Subject };
export type Subject =
  | { kind: 'data'; data: unknown }
  | { kind: 'account'; account: Account }
  /** Without `contract`: as it is when the event is told. */
  | { kind: 'contract'; contractId: string; contract?: Contract };

/**
 * A draft with its id. `of` names the thing, `version` this change of it. `ownMs` is when the item says it happened, `rank` (ms) puts what
 * has the same time in order.
 */
export function draftOf(
  record: ChangeRecord,
  given: {
    type: EventType;
    tenantId: string;
    of: string;
    version: string;
    about: Subject;
    ownMs?: number | undefined;
    rank?: number;
  },
): EventDraft {
  const { type, tenantId, of, version, about, ownMs = 0, rank = 0 } = given;
  return {
    id: derivedId('evt', tenantId, of, type, version),
    type,
    at: timeOf(record, ownMs, rank),
    tenantId,
    about,
    logged: isLogged(type),
  };
}

/**
 * When an event is said to have been: the second in which its change was written, since whoever polls the log must find what is new behind
 * what is old; within that second the item's own time, so that events of one thing stand in their order. A receipt that waited for hours
 * tells its own time in the data.
 */
function timeOf({ at }: ChangeRecord, ownMs: number, rank: number): number {
  return Math.min(Math.max(ownMs, at), at + 999) + rank;
}

/** Throws on anything but text with something in it. */
export function mustBeText(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new TypeError('an image lacks one of its ids');
  return value;
}
