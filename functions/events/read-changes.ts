import type { ObjectStore } from '../../lib/aws/client/objects.ts';
import { changeOf, isLasting, type StreamRecord } from '../../lib/aws/events/change-stream.ts';
import { parkRecord } from '../../lib/aws/events/parked-records.ts';
import { type EventDraft, eventsOf } from '../../lib/domain/events/events.ts';
import type { Logger } from '../../lib/runtime/logger.ts';
import type { Count } from '../../lib/runtime/metrics.ts';
import { type PublishCount, type Publishing, publish } from './publish.ts';

interface Reading {
  publishing: Publishing;
  /** The pages bucket, where poison records are parked. */
  objects: Pick<ObjectStore, 'put'>;
  logger: Pick<Logger, 'error' | 'warn'>;
  count: Count<PublishCount | 'RecordsParked' | 'RecordsFailed'>;
}

/** A record and the events drafted from it. `poison` is the error when its images cannot be read. */
type Drafted = { record: StreamRecord; drafts: EventDraft[]; poison?: unknown };

/**
 * Stores and delivers the events of a batch of records, in their order. A record that can never succeed is parked with both images.
 * Returns the sequence number from which the batch must be retried, after an error of AWS; undefined when all is done.
 *
 *   all records in one go -> done
 *                       \-> failed, or a poison record: one by one -> done | parked | retry from this record on
 */
export async function readChanges(reading: Reading, records: StreamRecord[]): Promise<string | undefined> {
  const drafted = records.map(draft);
  const poisoned = drafted.some(({ poison }) => poison !== undefined);
  const all = drafted.flatMap(({ drafts }) => drafts);
  if (!poisoned) {
    try {
      await publish(reading.publishing, all, reading.count);
      return undefined;
    } catch (error) {
      reading.logger.warn('a batch of changes was not published at once', { error: error as Error });
    }
  }
  for (const one of drafted) {
    try {
      await publishOrPark(reading, one);
    } catch (error) {
      reading.count('RecordsFailed');
      reading.logger.error('a change was not published and will be repeated', { error: error as Error });
      // A record without a number cannot be named; '' makes Lambda retry the whole batch.
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

/** Stores and delivers the events of one record, or parks it. Throws an error that a retry may solve. */
async function publishOrPark({ publishing, objects, logger, count }: Reading, one: Drafted): Promise<void> {
  let reason = one.poison;
  if (reason === undefined) {
    try {
      return await publish(publishing, one.drafts, count);
    } catch (error) {
      if (!isLasting(error)) throw error;
      reason = error;
    }
  }
  const key = await parkRecord(objects, one.record, reason);
  count('RecordsParked');
  logger.error('a change cannot be published; it is parked in the pages bucket', { key, error: reason as Error });
}
