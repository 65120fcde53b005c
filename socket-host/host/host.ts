import { type Clients, destroyClients, onCall } from '../../lib/aws/client/clients.ts';
import { objectStore } from '../../lib/aws/client/objects.ts';
import { Table } from '../../lib/aws/client/table.ts';
import { readClientVersion, saveClientVersion } from '../../lib/aws/hosts/client-version.ts';
import { beat, createInbox, putHost, removeInbox, retireHost } from '../../lib/aws/hosts/hosts.ts';
import { orphanAccounts } from '../../lib/aws/hosts/ownership.ts';
import type { Account, AccountHot, AccountStatus } from '../../lib/domain/accounts/account.ts';
import { newId } from '../../lib/domain/ids.ts';
import { cut } from '../../lib/domain/well-formed.ts';
import type { Clock } from '../../lib/runtime/clock.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import type { HostConfig } from '../../lib/runtime/config.ts';
import { systemRandom } from '../../lib/runtime/random.ts';
import { turns } from '../../lib/runtime/turns.ts';
import { SentMessages } from '../../lib/sending/sent-messages.ts';
import { AccountRunner } from '../account/account.ts';
import type { AccountHost } from '../account/parts.ts';
import { ConnectionChecks } from '../connection/check.ts';
import type { HostDeps, HostLogger } from '../deps.ts';
import { inboundLines } from '../inbound/lines.ts';
import type { TransportFactory } from '../transport.ts';
import { ConnectSlots } from './connect-slots.ts';
import { Fleet } from './fleet.ts';
import { Handover } from './handover.ts';
import { Lease } from './lease.ts';
import { type Fence, type HostState, heartbeats, looks, notes, watchLease } from './loops.ts';
import { createMetrics, type FenceCause, sendingCounts, serveMetrics } from './metrics.ts';
import { Placement } from './placement.ts';

export interface HostOptions {
  config: HostConfig;
  clients: Clients;
  clock: Clock;
  /** What heartbeats, lease and dead hosts go by; default `clock`. A test whose clock runs fast keeps the real one here. */
  fleetClock?: Clock;
  logger: HostLogger;
  /** In [0, 1). */
  random(): number;
  /** Makes the host's way to its network. */
  transports(host: HostDeps): TransportFactory;
  /** The host may not act any more and must start afresh: end the process. */
  onFenced(why: string, fence: FenceCause): void;
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
  const id = newId('hst', systemClock.nowMs(), systemRandom.bytes);
  const metrics = createMetrics();
  onCall(clients, (service, command) => metrics.awsCalls.inc({ service, command }));
  const { fleetClock = clock } = options;
  const table = new Table(clients.dynamodb, config.TABLE_NAME);
  const known = await readClientVersion(table).catch((error: unknown) => {
    logger.warn({ error: describe(error) }, 'the client version that was learnt before could not be read');
    return undefined;
  });
  const inboxUrl = await createInbox(clients.sqs, config.INBOX_PREFIX, id);
  // Its time runs from here on, so nothing is waited for until the host's item stands.
  const lease = new Lease(fleetClock);
  const deps: HostDeps = {
    table,
    sqs: clients.sqs,
    auth: objectStore(clients.s3, config.AUTH_BUCKET),
    config,
    hostId: id,
    lease,
    clock,
    fleetClock,
    random,
    nonce: systemRandom.uniqueId,
    logger,
    metrics,
    counts: sendingCounts(metrics),
    sent: new SentMessages(),
    suspects: turns(),
    failed: (where, error) => {
      metrics.failures.inc({ where });
      logger.error({ where, error: describe(error) }, 'an unexpected error was caught');
    },
  };
  const transports = options.transports(deps);
  if (known !== undefined) transports.clientVersion?.use(known);
  const slots = new ConnectSlots(clock, random, config.CONNECTS_PER_SEC);
  const checks = new ConnectionChecks();
  const accounts = new Map<string, AccountRunner>();
  const stopping = new AbortController();
  let draining = false;

  let learnt: string | undefined;
  const parts: AccountHost = {
    transports,
    renewClient: async () => {
      if (transports.clientVersion === undefined) throw new Error('the network knows no versions of its clients');
      const version = await transports.clientVersion.refresh();
      // Once for all accounts that were refused; hosts that start later need not be refused first.
      if (version === learnt) return;
      learnt = version;
      await saveClientVersion(deps.table, version, clock.nowMs()).catch((e: unknown) => deps.failed('version', e));
    },
    connectSlot: (signal) => slots.take(signal),
    checks,
    gone: (runner, released) => {
      // A new runner may have taken its place meanwhile.
      const { accountId } = runner.hold;
      if (accounts.get(accountId) === runner) accounts.delete(accountId);
      if (!released) placement.recount();
    },
  };
  const hold = (account: Account, hot: AccountHot): void => {
    // Somebody else gave it up in our name: two runners of one host would take each other's epochs for their own.
    accounts.get(account.id)?.fence('claimed anew');
    const runner = new AccountRunner(deps, parts, account, hot);
    accounts.set(account.id, runner);
    runner.look();
  };
  const room = (): number => (draining || transports.full() ? 0 : Math.max(0, config.MAX_ACCOUNTS - accounts.size));
  const fleet = new Fleet(deps);
  const handover = new Handover(deps, fleet, () => [...accounts.values()]);
  const placement = new Placement(deps, fleet, {
    room,
    holds: (accountId) => accounts.has(accountId),
    claimed: hold,
  });

  const moment = lease.moment();
  await putHost(deps.table, {
    id,
    beat: 0,
    beatAt: clock.nowMs(),
    inboxUrl,
    startedAt: clock.nowMs(),
    accounts: 0,
    room: room(),
  });
  lease.renew(moment);

  const fence: Fence = (why, cause) => {
    if (stopping.signal.aborted) return;
    metrics.fences.inc({ why: cause });
    lease.end();
    stopping.abort();
    for (const runner of [...accounts.values()]) runner.fence(why, cause);
    options.onFenced(why, cause);
  };
  const state = (): HostState => ({ accounts: accounts.size, room: room(), ...(draining ? { draining: true } : {}) });
  const loops = [
    heartbeats(deps, state, fence, stopping.signal),
    watchLease(deps, fence, stopping.signal),
    checks.run(clock, stopping.signal),
    notes(deps, inboxUrl, stopping.signal, async ({ t, a }) => {
      const runner = accounts.get(a);
      if (runner !== undefined) runner.look();
      else await placement.consider({ tenantId: t, accountId: a });
    }),
    looks(deps, stopping.signal, async () => {
      if (draining) return;
      await placement.look();
      handover.rebalance();
    }),
    inboundLines(deps, stopping.signal),
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
        await beat(deps.table, { id, beatAt: clock.nowMs(), ...state() }).catch((e: unknown) =>
          deps.failed('drain', e),
        );
        const drain = handover.drain(config.DRAIN_SEC * 1000, stopping.signal);
        await Promise.race([drain, clock.sleep(config.DRAIN_SEC * 1000, stopping.signal)]);
        stopping.abort();
        await Promise.all(loops);
        if (lease.valid()) {
          // What the drain budget did not suffice for is left to be taken over; before the host is retired, or others would count its
          // messages in hand as those of one that died. The item stays, retired, until the sweep has seen once more that no account
          // names this host: the index it is asked through lags.
          try {
            await orphanAccounts(deps.table, id, { orderly: true });
          } finally {
            await retireHost(deps.table, id, clock.nowMs());
          }
          await removeInbox(deps.sqs, inboxUrl);
        }
        lease.end();
      }
      await Promise.all(loops);
      await served?.stop();
      transports.close();
      destroyClients(clients);
    },
  };
}

function statusCounts(accounts: Iterable<AccountRunner>): Map<AccountStatus, number> {
  const counts = new Map<AccountStatus, number>();
  for (const { status } of accounts) counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}

/** An error without what it may quote: its name and message up to 300 characters, and where it comes from. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return cut(String(error), 300);
  return `${error.name}: ${cut(error.message, 300)} ${error.stack?.split('\n').slice(1, 4).join(' ') ?? ''}`;
}
