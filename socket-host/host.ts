import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Clients, destroyClients, onCall } from '../lib/aws/clients.ts';
import { beat, createInbox, type InboxNote, putHost, removeInbox, retireHost, takeNotes } from '../lib/aws/hosts.ts';
import { objectStore } from '../lib/aws/objects.ts';
import { orphanAccounts } from '../lib/aws/ownership.ts';
import { Table } from '../lib/aws/table.ts';
import type { Account, AccountHot, AccountStatus } from '../lib/domain/account.ts';
import { newId } from '../lib/domain/ids.ts';
import { heartbeatMs } from '../lib/domain/ownership.ts';
import type { Clock } from '../lib/runtime/clock.ts';
import type { HostConfig } from '../lib/runtime/config.ts';
import { AccountRunner } from './account.ts';
import { openCache } from './auth/cache.ts';
import { openAuthStore } from './auth/store.ts';
import { ConnectSlots } from './connect-slots.ts';
import type { AccountParts, HostDeps, HostLogger } from './deps.ts';
import { Lease } from './lease.ts';
import { createMetrics, serveMetrics } from './metrics.ts';
import { lookEveryMs, Placement } from './placement.ts';
import { SentMessages } from './sent-messages.ts';
import type { TransportFactory } from './transport.ts';

/** Accounts one host holds at most; more need another host. */
const maxAccounts = 2_000;
/** How often the lease is looked at, whatever else hangs. */
const leaseCheckMs = 500;
/** Connections opened per second. */
const connectsPerSecond = 10;

export interface HostOptions {
  config: HostConfig;
  clients: Clients;
  clock: Clock;
  logger: HostLogger;
  /** In [0, 1). */
  random(): number;
  transports: TransportFactory;
  /** The host may not act any more and must start afresh: end the process. */
  onFenced(why: string): void;
}

export interface RunningHost {
  id: string;
  metricsUrl: string | undefined;
  /** Finishes sends in hand, gives all accounts up, removes heartbeat and inbox; at most `DRAIN_SEC`. */
  stop(): Promise<void>;
}

/**
 * A socket host: one heartbeat, one inbox, many accounts.
 *
 *   starting -> running -> draining -> stopped
 *                  \-> fenced: its heartbeat stood still for too long, or somebody removed it
 */
export async function startHost(options: HostOptions): Promise<RunningHost> {
  const { config, clients, clock, logger, random } = options;
  const id = newId('hst', Date.now(), randomBytes);
  const metrics = createMetrics();
  onCall(clients, (service, command) => metrics.awsCalls.inc({ service, command }));
  const lease = new Lease(clock);
  const deps: HostDeps = {
    table: new Table(clients.dynamodb, config.TABLE_NAME),
    sqs: clients.sqs,
    auth: objectStore(clients.s3, config.AUTH_BUCKET),
    config,
    hostId: id,
    lease,
    clock,
    random,
    nonce: () => randomUUID(),
    logger,
    metrics,
    sent: new SentMessages(),
    failed: (where, error) => {
      metrics.failures.inc({ where });
      logger.error({ where, error: describe(error) }, 'an unexpected error was caught');
    },
  };
  mkdirSync(config.HOST_DATA_DIR, { recursive: true });
  const cache = openCache(join(config.HOST_DATA_DIR, `auth-${id}.sqlite`));
  const slots = new ConnectSlots(clock, random, connectsPerSecond);
  const accounts = new Map<string, AccountRunner>();
  const stopping = new AbortController();
  let draining = false;

  const parts: AccountParts = {
    openStore: (hold, onFenced) =>
      openAuthStore({
        objects: deps.auth,
        cache,
        prefix: `${hold.tenantId}/${hold.accountId}/`,
        host: id,
        epoch: hold.epoch,
        mayWrite: () => lease.valid(),
        nowMs: () => clock.nowMs(),
        nonce: deps.nonce,
        onFenced,
      }),
    transport: (store, account) => options.transports.create(store, account, () => lease.valid()),
    refreshVersion: () => options.transports.refreshVersion(),
    connectSlot: (signal) => slots.take(signal),
    gone: (runner) => {
      // A new runner may have taken its place meanwhile.
      const { accountId } = runner.hold;
      if (accounts.get(accountId) === runner) accounts.delete(accountId);
    },
  };
  const hold = (account: Account, hot: AccountHot): void => {
    const runner = new AccountRunner(deps, parts, account, hot);
    accounts.set(account.id, runner);
    runner.look();
  };
  const placement = new Placement(deps, {
    room: () => (draining ? 0 : maxAccounts - accounts.size),
    holds: (accountId) => accounts.has(accountId),
    claimed: hold,
  });

  const inboxUrl = await createInbox(deps.sqs, config.INBOX_PREFIX, id);
  const moment = lease.moment();
  await putHost(deps.table, { id, beat: 0, beatAt: clock.nowMs(), inboxUrl, startedAt: clock.nowMs(), accounts: 0 });
  lease.renew(moment);

  const fence = (why: string): void => {
    if (stopping.signal.aborted) return;
    lease.end();
    stopping.abort();
    for (const runner of [...accounts.values()]) runner.fence(why);
    options.onFenced(why);
  };
  const loops = [
    heartbeats(deps, () => accounts.size, fence, stopping.signal),
    watchLease(deps, fence, stopping.signal),
    notes(deps, inboxUrl, stopping.signal, async ({ t, a }) => {
      const runner = accounts.get(a);
      if (runner !== undefined) runner.look();
      else await placement.consider({ tenantId: t, accountId: a });
    }),
    looks(deps, placement, stopping.signal),
  ];
  const served =
    config.METRICS_PORT === undefined
      ? undefined
      : await serveMetrics(metrics, {
          port: config.METRICS_PORT,
          healthy: () => lease.valid(),
          refresh: () => statusCounts(accounts.values()),
        });

  return {
    id,
    metricsUrl: served?.url,
    async stop() {
      if (!stopping.signal.aborted) {
        draining = true;
        // Claim no more, but keep the heartbeat until the accounts are given up.
        await placement.idle();
        const drained = Promise.all([...accounts.values()].map((runner) => runner.stop()));
        await Promise.race([drained, clock.sleep(config.DRAIN_SEC * 1000)]);
        stopping.abort();
        await Promise.all(loops);
        if (lease.valid()) {
          // What the drain budget did not suffice for is left to be taken over. The item stays, retired, until the sweep has seen
          // once more that no account names this host: the index it is asked through lags.
          await retireHost(deps.table, id, clock.nowMs());
          await orphanAccounts(deps.table, id);
          await removeInbox(deps.sqs, inboxUrl);
        }
        lease.end();
      }
      await Promise.all(loops);
      await served?.stop();
      cache.close();
      destroyClients(clients);
    },
  };
}

async function heartbeats(
  deps: HostDeps,
  accounts: () => number,
  fence: (why: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { clock, lease } = deps;
  while (!signal.aborted) {
    const moment = lease.moment();
    let waitMs = heartbeatMs;
    try {
      await beat(deps.table, { id: deps.hostId, beatAt: clock.nowMs(), accounts: accounts() });
      lease.renew(moment);
    } catch (error) {
      deps.failed('heartbeat', error);
      if (error instanceof Error && error.name === 'ConditionFailed') return fence('this host was retired as dead');
      waitMs = 500;
    }
    await clock.sleep(waitMs, signal);
  }
}

/** A heartbeat that hangs must not hide that the lease is over. */
async function watchLease(deps: HostDeps, fence: (why: string) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (!deps.lease.valid()) return fence('the heartbeat stood still for too long');
    await deps.clock.sleep(leaseCheckMs, signal);
  }
}

async function notes(
  deps: HostDeps,
  inboxUrl: string,
  signal: AbortSignal,
  handle: (note: InboxNote) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for (const note of await takeNotes(deps.sqs, inboxUrl, signal)) await handle(note);
    } catch (error) {
      if (signal.aborted) return;
      deps.failed('inbox', error);
      await deps.clock.sleep(1000, signal);
    }
  }
}

async function looks(deps: HostDeps, placement: Placement, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await placement.look();
    } catch (error) {
      deps.failed('placement', error);
    }
    await deps.clock.sleep(lookEveryMs, signal);
  }
}

function statusCounts(accounts: Iterable<AccountRunner>): Map<AccountStatus, number> {
  const counts = new Map<AccountStatus, number>();
  for (const { status } of accounts) counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}

/** An error without what it may quote: its name and message up to 300 characters, and where it comes from. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, 300);
  return `${error.name}: ${error.message.slice(0, 300)} ${error.stack?.split('\n').slice(1, 4).join(' ') ?? ''}`;
}
