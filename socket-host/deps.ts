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

/** The dependencies of every part of a host. Tests replace the clock and the randomness. */
export interface HostDeps {
  table: Table;
  sqs: SQSClient;
  /** The auth bucket. */
  auth: ObjectStore;
  config: HostConfig;
  hostId: string;
  lease: Lease;
  clock: Clock;
  /** The clock for heartbeats, the lease and dead hosts. */
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
  /** Mutex for suspect messages (see `Again`): this host sends one at a time. If the host dies, that message is the cause. */
  suspects: RunExclusive;
  /** Counts and logs an unexpected error that must not stop anything else. */
  failed(where: string, error: unknown): void;
}
