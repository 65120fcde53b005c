import type { ObjectStore } from '../../lib/aws/client/objects.ts';
import { changeOf, isLasting, type StreamRecord } from '../../lib/aws/events/change-stream.ts';
import { parkRecord } from '../../lib/aws/events/parked-records.ts';
import { type EventDraft, eventsOf } from '../../lib/domain/events/events.ts';
import type { Logger } from '../../lib/runtime/logger.ts';
import type { Count } from '../../lib/runtime/metrics.ts';
import { type TellCount, type Telling, tell } from './tell.ts';

interface Reading {
  telling: Telling;
  /** The pages bucket, where poison records are parked. */
  objects: Pick<ObjectStore, 'put'>;
  logger: Pick<Logger, 'error' | 'warn'>;
  count: Count<TellCount | 'RecordsParked' | 'RecordsFailed'>;
}

/** What a record tells; `poison` where its images cannot be read. */
type Drafted = { record: StreamRecord; drafts: EventDraft[]; poison?: unknown };

/**
 * Tells what a batch of records tells, in their order. Answers the sequence number from which the batch has to come again (what it asked of
 * AWS failed), undefined when all is done. A record that can never be told is parked with both images and the rest goes on.
 *
 *   all at once -> done
 *             \-> failed: record by record -> told | parked | comes again, with all behind it
 */
export async function readChanges(reading: Reading, records: StreamRecord[]): Promise<string | undefined> {
  const drafted = records.map(draft);
  const poisoned = drafted.some(({ poison }) => poison !== undefined);
  const all = drafted.flatMap(({ drafts }) => drafts);
  if (!poisoned) {
    try {
      await tell(reading.telling, all, reading.count);
      return undefined;
    } catch (error) {
      reading.logger.warn('a batch of changes was not told at once', { error: error as Error });
    }
  }
  for (const one of drafted) {
    try {
      await tellOrPark(reading, one);
    } catch (error) {
      reading.count('RecordsFailed');
      reading.logger.error('a change was not told and will be repeated', { error: error as Error });
      return one.record.dynamodb?.SequenceNumber ?? '';
    }
  }
  return undefined;
}

function draft(record: StreamRecord): Drafted {
  try {
    const { before, after, at, version } = changeOf(record);
    return { record, drafts: eventsOf(before, after, { at, version }) };
  } catch (poison) {
    return { record, drafts: [], poison };
  }
}

/** Throws what may be over when it is tried again. */
async function tellOrPark({ telling, objects, logger, count }: Reading, one: Drafted): Promise<void> {
  let reason = one.poison;
  if (reason === undefined) {
    try {
      return await tell(telling, one.drafts, count);
    } catch (error) {
      if (!isLasting(error)) throw error;
      reason = error;
    }
  }
  const key = await parkRecord(objects, one.record, reason);
  count('RecordsParked');
  logger.error('a change cannot be told; it is parked in the pages bucket', { key, error: reason as Error });
}
