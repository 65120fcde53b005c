import { setTimeout as sleep } from 'node:timers/promises';
import { AwsJsonError, awsJson } from '../emulators/aws-json.ts';
import type { Invocable } from '../functions/function.ts';
import { LOCAL_REGION } from '../process/environment.ts';
import { isObject, type JsonObject } from '../template/json.ts';
import { passesFilters } from './filter.ts';
import { failedItems } from './queue-event.ts';

/** The position of a stream reader: the last handled sequence number of each shard. */
export interface Checkpoints {
  load(shardId: string): string | undefined;
  save(shardId: string, sequenceNumber: string): void;
}

export interface StreamPollerOptions {
  endpoint: string;
  streamArn: string;
  target: Invocable;
  batchSize: number;
  /** Without a checkpoint, true starts at the oldest record, false at new ones. */
  fromStart: boolean;
  reportsFailures: boolean;
  bisect: boolean;
  /** -1: no limit. */
  maxRetries: number;
  filters: string[];
  checkpoints: Checkpoints;
  /** Called once for records that are given up, with the reason. */
  park: (records: StreamRecord[], reason: string) => void;
  log: (line: string) => void;
}

export type StreamRecord = JsonObject & { eventID: string; dynamodb: JsonObject & { SequenceNumber: string } };

const API = 'DynamoDBStreams_20120810';
/** Lambda polls an idle stream four times a second. */
const IDLE_MS = 250;
const AFTER_ERROR_MS = 500;
const MAX_BACKOFF_MS = 10_000;

/** Invokes a function with the records of a DynamoDB stream until the signal. The records of each shard stay in order. */
export async function pollStream(options: StreamPollerOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const shards = await shardsOf(options);
      await Promise.all(shards.map((shardId) => pollShard(options, shardId, signal)));
      // All shards have closed: look for new ones.
      await sleep(AFTER_ERROR_MS, undefined, { signal });
    } catch (error) {
      if (signal.aborted) return;
      options.log(`polling the stream failed: ${error instanceof Error ? error.message : error}`);
      await sleep(AFTER_ERROR_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function shardsOf({ endpoint, streamArn }: StreamPollerOptions): Promise<string[]> {
  const answer = await awsJson<{ StreamDescription: { Shards?: { ShardId: string }[] } }>(
    endpoint,
    `${API}.DescribeStream`,
    { StreamArn: streamArn },
  );
  return (answer.StreamDescription.Shards ?? []).map((shard) => shard.ShardId);
}

async function pollShard(options: StreamPollerOptions, shardId: string, signal: AbortSignal): Promise<void> {
  let iterator = await iteratorOf(options, shardId);
  while (!signal.aborted && iterator !== undefined) {
    const page: { Records?: StreamRecord[]; NextShardIterator?: string } = await awsJson(
      options.endpoint,
      `${API}.GetRecords`,
      { ShardIterator: iterator, Limit: options.batchSize },
      signal,
    );
    const records = page.Records ?? [];
    if (records.length === 0) await sleep(IDLE_MS, undefined, { signal });
    else if (!(await handleRecords(options, records, signal))) return;
    const last = records.at(-1);
    if (last !== undefined) options.checkpoints.save(shardId, last.dynamodb.SequenceNumber);
    iterator = page.NextShardIterator;
  }
}

async function iteratorOf(options: StreamPollerOptions, shardId: string): Promise<string | undefined> {
  const { endpoint, streamArn, fromStart, checkpoints } = options;
  const from = async (type: string, more: object = {}): Promise<string | undefined> => {
    const request = { StreamArn: streamArn, ShardId: shardId, ShardIteratorType: type, ...more };
    const answer = await awsJson<{ ShardIterator?: string }>(endpoint, `${API}.GetShardIterator`, request);
    return answer.ShardIterator;
  };
  const after = checkpoints.load(shardId);
  if (after === undefined) return from(fromStart ? 'TRIM_HORIZON' : 'LATEST');
  try {
    return await from('AFTER_SEQUENCE_NUMBER', { SequenceNumber: after });
  } catch (error) {
    // The record has been trimmed: all remaining ones are newer.
    if (error instanceof AwsJsonError && error.code === 'TrimmedDataAccessException') return from('TRIM_HORIZON');
    throw error;
  }
}

/** Delivers the records that pass the filters. Returns false when the signal came first. */
async function handleRecords(
  options: StreamPollerOptions,
  records: StreamRecord[],
  signal: AbortSignal,
): Promise<boolean> {
  const wanted = records.filter((record) => passesFilters(options.filters, record));
  return deliver(
    options,
    wanted.map((record) => lambdaRecord(record, options.streamArn)),
    0,
    signal,
  );
}

/**
 * Delivers one batch with Lambda's retries. The next try starts at the first reported failure; with `bisect`, a failed batch is halved. Records that
 * still fail after `maxRetries` retries are parked. Returns false when the signal came first.
 */
async function deliver(
  options: StreamPollerOptions,
  batch: StreamRecord[],
  retries: number,
  signal: AbortSignal,
): Promise<boolean> {
  let left = batch;
  let tried = retries;
  while (left.length > 0) {
    await options.target.available(signal);
    if (signal.aborted) return false;
    const outcome = await options.target.invoke({ Records: left });
    const failed = outcome.kind === 'ok' ? (options.reportsFailures ? failedItems(outcome.value) : []) : undefined;
    if (failed?.length === 0) return true;
    const start = failed === undefined ? 0 : firstFailure(left, failed);
    if (start > 0) {
      left = left.slice(start);
      tried = 0;
    }
    if (outcome.kind !== 'unavailable') tried++;
    const reason = outcome.kind === 'error' ? `${outcome.name}: ${outcome.message}` : outcome.kind;
    options.log(`${options.target.name}: ${left.length} stream records failed, try ${tried} (${reason})`);
    if (options.maxRetries >= 0 && tried > options.maxRetries) {
      options.park(left, reason);
      return true;
    }
    await sleep(Math.min(100 * 2 ** tried, MAX_BACKOFF_MS), undefined, { signal }).catch(() => undefined);
    if (options.bisect && left.length > 1) {
      const middle = Math.ceil(left.length / 2);
      if (!(await deliver(options, left.slice(0, middle), tried, signal))) return false;
      return deliver(options, left.slice(middle), tried, signal);
    }
  }
  return true;
}

/** Returns the index of the first failed record; 0 when the report names none of the records. */
function firstFailure(records: StreamRecord[], failed: string[]): number {
  const found = records.findIndex((record) => failed.includes(record.dynamodb.SequenceNumber));
  return Math.max(found, 0);
}

function lambdaRecord(record: StreamRecord, streamArn: string): StreamRecord {
  const filled = { ...record, awsRegion: LOCAL_REGION, eventSourceARN: streamArn };
  return isObject(filled.dynamodb) ? filled : record;
}
