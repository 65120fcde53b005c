import type { SQSClient } from '@aws-sdk/client-sqs';
import type { ObjectStore } from '../lib/aws/client/objects.ts';
import type { Table } from '../lib/aws/client/table.ts';
import type { Clock } from '../lib/runtime/clock.ts';
import type { HostConfig } from '../lib/runtime/config.ts';
import type { RunExclusive } from '../lib/runtime/mutex.ts';
import type { SendingCounts } from '../lib/sending/deps.ts';
import type { SentMessages } from '../lib/sending/sent-messages.ts';
import type { Lease } from './lease.ts';
import type { HostMetrics } from './metrics.ts';

/** Structured lines without texts, secrets or whole phone numbers. */
export interface HostLogger {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** What every part of a host needs of the outside world; tests replace the clock and the randomness. */
export interface HostDeps {
  table: Table;
  sqs: SQSClient;
  /** The auth bucket. */
  auth: ObjectStore;
  config: HostConfig;
  hostId: string;
  lease: Lease;
  clock: Clock;
  /** Of heartbeats and dead hosts. */
  fleetClock: Clock;
  /** In [0, 1). */
  random(): number;
  /** Unique per claim. */
  nonce(): string;
  logger: HostLogger;
  metrics: HostMetrics;
  /** Metrics of the send core. */
  counts: SendingCounts;
  sent: SentMessages;
  /** Runs one at a time in this host: messages that hosts have died over. Another death then shows which message caused it. */
  suspects: RunExclusive;
  /** An unexpected error that must not take anything else down: counted and logged. */
  failed(where: string, error: unknown): void;
}
