import type { Message, MessageAttributeValue } from '@aws-sdk/client-sqs';
import { LOCAL_REGION } from '../process/environment.ts';

/** A record of Lambda's SQS event. */
export interface QueueRecord {
  messageId: string;
  receiptHandle: string;
  body: string;
  attributes: Record<string, string>;
  messageAttributes: Record<string, QueueRecordAttribute>;
  md5OfBody: string;
  eventSource: 'aws:sqs';
  eventSourceARN: string;
  awsRegion: string;
}

interface QueueRecordAttribute {
  stringValue?: string;
  binaryValue?: string;
  stringListValues: string[];
  binaryListValues: string[];
  dataType: string;
}

export function queueRecord(message: Message, queueArn: string): QueueRecord {
  const given = Object.entries(message.MessageAttributes ?? {});
  return {
    messageId: message.MessageId ?? '',
    receiptHandle: message.ReceiptHandle ?? '',
    body: message.Body ?? '',
    attributes: { ...message.Attributes },
    messageAttributes: Object.fromEntries(given.map(([name, value]) => [name, recordAttribute(value)])),
    md5OfBody: message.MD5OfBody ?? '',
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: LOCAL_REGION,
  };
}

function recordAttribute(value: MessageAttributeValue): QueueRecordAttribute {
  return {
    ...(value.StringValue === undefined ? {} : { stringValue: value.StringValue }),
    ...(value.BinaryValue === undefined ? {} : { binaryValue: Buffer.from(value.BinaryValue).toString('base64') }),
    stringListValues: [],
    binaryListValues: [],
    dataType: value.DataType ?? 'String',
  };
}

/**
 * Returns the messages of a batch that are done, by the function's answer. As on Lambda, a malformed report or one with an unknown id fails the
 * whole batch. After a failed message of a FIFO queue, the later ones of its group fail too, so that their order holds.
 */
export function doneRecords(records: QueueRecord[], answer: unknown, reportsFailures: boolean): QueueRecord[] {
  if (!reportsFailures) return records;
  const failed = failedItems(answer);
  const known = new Set(records.map((record) => record.messageId));
  if (failed === undefined || failed.some((id) => !known.has(id))) return [];
  const failedIds = new Set(failed);
  const stopped = new Set<string>();
  return records.filter((record) => {
    const group = record.attributes.MessageGroupId;
    if (failedIds.has(record.messageId)) {
      if (group !== undefined) stopped.add(group);
      return false;
    }
    return group === undefined || !stopped.has(group);
  });
}

/** Returns the item identifiers of `{batchItemFailures:[{itemIdentifier}]}`: none for an answer without a report, undefined for a malformed one. */
export function failedItems(answer: unknown): string[] | undefined {
  if (answer === null || answer === undefined) return [];
  if (typeof answer !== 'object' || !('batchItemFailures' in answer)) return [];
  const list: unknown = answer.batchItemFailures;
  if (list === null) return [];
  if (!Array.isArray(list)) return undefined;
  const ids = list.map((item: unknown) =>
    typeof item === 'object' && item !== null && 'itemIdentifier' in item ? item.itemIdentifier : undefined,
  );
  return ids.every((id): id is string => typeof id === 'string' && id !== '') ? ids : undefined;
}
