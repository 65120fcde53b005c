import type { SQSClient } from '@aws-sdk/client-sqs';
import type { ObjectStore } from '../lib/aws/client/objects.ts';
import type { Table } from '../lib/aws/client/table.ts';
import type { Hold } from '../lib/aws/hosts/ownership.ts';
import type { Account } from '../lib/domain/accounts/account.ts';
import type { Clock } from '../lib/runtime/clock.ts';
import type { HostConfig } from '../lib/runtime/config.ts';
import type { TakeTurn } from '../lib/runtime/turns.ts';
import type { SendingCounts } from '../lib/sending/deps.ts';
import type { SentMessages } from '../lib/sending/sent-messages.ts';
import type { AuthStore } from './auth/store.ts';
import type { ConnectionChecks } from './connection/check.ts';
import type { Lease } from './host/lease.ts';
import type { HostMetrics } from './host/metrics.ts';
import type { Transport } from './transport.ts';

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
  /** One at a time in this host: messages that hosts have died over, so that another death tells which it was. */
  suspects: TakeTurn;
  /** An unexpected error that must not take anything else down: counted and logged. */
  failed(where: string, error: unknown): void;
}

/** What an account needs of its host beside HostDeps. */
export interface AccountParts {
  /** `authHead`: the highest segment known to have been written, undefined where there was none. */
  openStore(hold: Hold, authHead: number | undefined, onFenced: (why: string) => void): Promise<AuthStore>;
  /** Removes keys that cannot be opened, of an account that is to be logged out. */
  wipeUnopened(hold: Hold, authHead: number | undefined): Promise<void>;
  transport(store: AuthStore, account: Account): Transport;
  refreshVersion(): Promise<void>;
  connectSlot(signal: AbortSignal): Promise<void>;
  /** The checks of all connections of the host. */
  checks: Pick<ConnectionChecks, 'add' | 'delete'>;
  /** The account is not held any more; called once, with the runner that held it. Not `released`: it may be in the host's name all the same. */
  gone(runner: { hold: Hold }, released: boolean): void;
}
