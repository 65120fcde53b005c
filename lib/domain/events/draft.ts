import type { Account } from '../accounts/account.ts';
import type { Contract } from '../contracts/contract.ts';
import { type EventType, isLogged, type PacelineEvent } from '../event-types.ts';
import { derivedId } from '../ids.ts';

/** An item of the table, unmarshalled. */
export type Image = Record<string, unknown>;

/**
 * The change that a pair of images comes from. `at`: its time, epoch ms (whole seconds, as DynamoDB has them). `version`: the sequence number of
 * the stream. No other change of the item has it, and every repeat of this one has it again.
 */
export interface ChangeRecord {
  at: number;
  version: string;
}

/** An event without the data that its image does not hold (counters, the hot item). lib/aws/events/event-data.ts reads those. */
export type EventDraft = Omit<PacelineEvent, 'data'> & { about: Subject };
export type Subject =
  | { kind: 'data'; data: unknown }
  | { kind: 'account'; account: Account }
  /** Without `contract`: the event shows the contract as it is when the event is completed. */
  | { kind: 'contract'; contractId: string; contract?: Contract };

/**
 * Returns a draft with its id. `of` names the thing, `version` this change of it. `ownMs` is the time in the item. `rank` (ms) orders events of
 * the same time.
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
 * Returns the time of an event: within the second in which its change was written, because a client that polls the log must find new events
 * behind old ones. Within that second it is the item's own time, so that events of one thing stand in order. A receipt that waited for hours
 * has its own time in the data.
 */
function timeOf({ at }: ChangeRecord, ownMs: number, rank: number): number {
  return Math.min(Math.max(ownMs, at), at + 999) + rank;
}

/** Returns the value if it is a text that is not empty. Throws on any other value. */
export function mustBeText(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new TypeError('an image lacks one of its ids');
  return value;
}
