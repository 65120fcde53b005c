import { createHash } from 'node:crypto';
import type { ObjectStore } from '../client/objects.ts';
import type { StreamRecord } from './change-stream.ts';

type StreamImage = NonNullable<NonNullable<StreamRecord['dynamodb']>['NewImage']>;

/**
 * Stores a record that cannot become an event, with both images, under `parked/<yyyy-mm-dd>/`. Returns its key; a repeat overwrites it. The object is
 * a batch of one record. Passed to the function unchanged, it is tried again (docs/runbook.md, events). Secrets are left out, because no event
 * contains them.
 */
export async function parkRecord(
  objects: Pick<ObjectStore, 'put'>,
  record: StreamRecord,
  reason: unknown,
): Promise<string> {
  const { ApproximateCreationDateTime: atSec = 0, SequenceNumber } = record.dynamodb ?? {};
  const name = SequenceNumber ?? createHash('sha256').update(JSON.stringify(record)).digest('hex');
  const key = `parked/${new Date(atSec * 1000).toISOString().slice(0, 10)}/${name}.json`;
  const why = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
  const body = JSON.stringify({ Records: [withoutSecrets(record)], reason: why });
  await objects.put(key, new TextEncoder().encode(body), 'application/json');
  return key;
}

/** Attributes of contracts and endpoints that must not leave the table. */
const secretAttributes = new Set(['idKey', 'secrets']);

function withoutSecrets(record: StreamRecord): StreamRecord {
  if (record.dynamodb === undefined) return record;
  const dynamodb = { ...record.dynamodb };
  for (const name of ['OldImage', 'NewImage'] as const) {
    const image = dynamodb[name];
    if (image !== undefined) dynamodb[name] = imageWithoutSecrets(image);
  }
  return { ...record, dynamodb };
}

function imageWithoutSecrets(image: StreamImage): StreamImage {
  const kept = Object.fromEntries(Object.entries(image).filter(([attribute]) => !secretAttributes.has(attribute)));
  const headers = kept.headers?.M;
  if (headers === undefined) return kept;
  // The names of an endpoint's headers are shown; a value may be a password.
  const hidden = Object.fromEntries(Object.keys(headers).map((header) => [header, { S: '***' }]));
  return { ...kept, headers: { M: hidden } };
}
