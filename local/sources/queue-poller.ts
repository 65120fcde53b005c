import { setTimeout as sleep } from 'node:timers/promises';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Invocable } from '../functions/function.ts';
import type { Json } from '../template/json.ts';
import { passesFilters } from './filter.ts';
import { doneRecords, type QueueRecord, queueRecord } from './queue-event.ts';

export interface QueuePollerOptions {
  sqs: SQSClient;
  queueUrl: string;
  queueArn: string;
  target: Invocable;
  batchSize: number;
  reportsFailures: boolean;
  /** Number of batches at the same time. */
  concurrency: number;
  filters: string[];
  log: (line: string) => void;
}

const WAIT_SEC = 10;
const AFTER_ERROR_MS = 500;
/** Longest wait before a failed message is visible again, after 1, 2, 4 .. s. AWS would hide it for the queue's whole visibility timeout. */
const MAX_RETRY_SEC = 60;

/** Invokes a function with a queue's messages, as Lambda does, until the signal. Resolves when the last batch has ended. */
export async function pollQueue(options: QueuePollerOptions, signal: AbortSignal): Promise<void> {
  await Promise.all(Array.from({ length: options.concurrency }, () => pollLoop(options, signal)));
}

async function pollLoop(options: QueuePollerOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      // Messages are received only when a process is ready, so that their receive count does not rise without need.
      await options.target.available(signal);
      const records = await receive(options, signal);
      if (records.length > 0) await handleBatch(options, records, signal);
    } catch (error) {
      if (signal.aborted) return;
      options.log(`polling ${options.queueArn} failed: ${error instanceof Error ? error.message : error}`);
      await sleep(AFTER_ERROR_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function receive(
  { sqs, queueUrl, queueArn, batchSize }: QueuePollerOptions,
  signal: AbortSignal,
): Promise<QueueRecord[]> {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: batchSize,
      WaitTimeSeconds: WAIT_SEC,
      MessageSystemAttributeNames: ['All'],
      MessageAttributeNames: ['All'],
    }),
    { abortSignal: signal },
  );
  return Messages.map((message) => queueRecord(message, queueArn));
}

async function handleBatch(options: QueuePollerOptions, received: QueueRecord[], signal: AbortSignal): Promise<void> {
  const wanted = received.filter((record) => passesFilters(options.filters, filterView(record)));
  const unwanted = received.filter((record) => !wanted.includes(record));
  let done: QueueRecord[] = [];
  if (wanted.length > 0) {
    // The process may have died while the poll was waiting.
    await options.target.available(signal);
    const outcome = await options.target.invoke({ Records: wanted });
    if (outcome.kind === 'ok') done = doneRecords(wanted, outcome.value, options.reportsFailures);
    else
      options.log(`${options.target.name}: a batch of ${wanted.length} from ${options.queueArn} ended ${outcome.kind}`);
  }
  await remove(options, [...unwanted, ...done]);
  // Last to first: a FIFO queue puts a returned message at the head of its group.
  for (const record of wanted.filter((one) => !done.includes(one)).reverse()) await comeBack(options, record);
}

/** Returns the record as filters see it: with a parsed body, if the body is JSON. */
function filterView(record: QueueRecord): Json {
  const view: Json = JSON.parse(JSON.stringify(record));
  try {
    return typeof view === 'object' && view !== null && !Array.isArray(view)
      ? { ...view, body: JSON.parse(record.body) }
      : view;
  } catch {
    return view;
  }
}

async function remove({ sqs, queueUrl, log }: QueuePollerOptions, records: QueueRecord[]): Promise<void> {
  if (records.length === 0) return;
  const { Failed = [] } = await sqs.send(
    new DeleteMessageBatchCommand({
      QueueUrl: queueUrl,
      Entries: records.map((record, index) => ({ Id: String(index), ReceiptHandle: record.receiptHandle })),
    }),
  );
  for (const failed of Failed) log(`deleting a message from ${queueUrl} failed: ${failed.Code}`);
}

async function comeBack({ sqs, queueUrl }: QueuePollerOptions, record: QueueRecord): Promise<void> {
  const count = Number(record.attributes.ApproximateReceiveCount ?? 1);
  await sqs.send(
    new ChangeMessageVisibilityCommand({
      QueueUrl: queueUrl,
      ReceiptHandle: record.receiptHandle,
      VisibilityTimeout: Math.min(2 ** (count - 1), MAX_RETRY_SEC),
    }),
  );
}
