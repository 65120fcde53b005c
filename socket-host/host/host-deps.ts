import type { Clients } from '../../lib/aws/client/clients.ts';
import { objectStore } from '../../lib/aws/client/objects.ts';
import { Table } from '../../lib/aws/client/table.ts';
import { cut } from '../../lib/domain/well-formed.ts';
import type { Clock } from '../../lib/runtime/clock.ts';
import type { HostConfig } from '../../lib/runtime/config.ts';
import { mutex } from '../../lib/runtime/mutex.ts';
import { systemRandom } from '../../lib/runtime/random.ts';
import { SentMessages } from '../../lib/sending/sent-messages.ts';
import type { HostDeps, HostLogger } from '../deps.ts';
import { Lease } from '../lease.ts';
import { type HostMetrics, sendingCounts } from '../metrics.ts';

export interface OutsideWorld {
  config: HostConfig;
  clients: Clients;
  clock: Clock;
  /** The clock for heartbeats, the lease and dead hosts; by default `clock`. A test with a fast clock passes the real one here. */
  fleetClock?: Clock;
  logger: HostLogger;
  /** In [0, 1). */
  random(): number;
}

/** Returns the dependencies that the parts of a host share. Starts the lease: store the host's item without delay. */
export function hostDeps(outside: OutsideWorld, hostId: string, metrics: HostMetrics): HostDeps {
  const { clients, clock, config, fleetClock = clock, logger, random } = outside;
  return {
    table: new Table(clients.dynamodb, config.TABLE_NAME),
    sqs: clients.sqs,
    auth: objectStore(clients.s3, config.AUTH_BUCKET),
    config,
    hostId,
    lease: new Lease(fleetClock),
    clock,
    fleetClock,
    random,
    nonce: systemRandom.uniqueId,
    logger,
    metrics,
    counts: sendingCounts(metrics),
    sent: new SentMessages(),
    suspects: mutex(),
    failed: (where, error) => {
      metrics.failures.inc({ where });
      logger.error({ where, error: describe(error) }, 'an unexpected error was caught');
    },
  };
}

/** Returns an error for a log line: its name, its message up to 300 characters, and the first three places of its stack. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return cut(String(error), 300);
  // The stack begins with the whole message, which may have several lines.
  const places = error.stack?.split('\n').filter((line) => /^ {4}at /.test(line)) ?? [];
  return `${error.name}: ${cut(error.message, 300)} ${places.filter((_, at) => at < 3).join(' ')}`;
}
