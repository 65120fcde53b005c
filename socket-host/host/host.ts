import { type Clients, destroyClients, onCall } from '../../lib/aws/client/clients.ts';
import { Table } from '../../lib/aws/client/table.ts';
import { readClientVersion, saveClientVersion } from '../../lib/aws/hosts/client-version.ts';
import {
  beat,
  createWakeQueue,
  putHost,
  removeWakeQueue,
  retireHost,
  type WakeNote,
} from '../../lib/aws/hosts/hosts.ts';
import { orphanAccounts } from '../../lib/aws/hosts/ownership.ts';
import type { Account, AccountHot, AccountStatus } from '../../lib/domain/accounts/account.ts';
import { newId } from '../../lib/domain/ids.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { systemRandom } from '../../lib/runtime/random.ts';
import { AccountRunner } from '../account/account.ts';
import type { AccountHost } from '../account/parts.ts';
import { ConnectionChecks } from '../connection/check.ts';
import type { HostDeps } from '../deps.ts';
import { inboundLines } from '../inbound/lines.ts';
import { createMetrics, type FenceCause, serveMetrics } from '../metrics.ts';
import type { TransportFactory } from '../transport.ts';
import { ConnectSlots } from './connect-slots.ts';
import { Fleet } from './fleet.ts';
import { Handover } from './handover.ts';
import { describe, hostDeps, type OutsideWorld } from './host-deps.ts';
import { type HostState, heartbeats, looks, notes, retiredAsDead, watchLease } from './loops.ts';
import { Placement } from './placement.ts';

export interface HostOptions extends OutsideWorld {
  /** Returns the transports of the host's network. */
  transports(host: HostDeps): TransportFactory;
  /** Called when the host may not act any more. End the process, so that a new host starts. */
  onFenced(why: string, fence: FenceCause): void;
}

export interface RunningHost {
  id: string;
  metricsUrl: string | undefined;
  /** Finishes sends in hand, gives all accounts up, retires the host and removes its wake queue. Giving up takes at most `DRAIN_SEC`. */
  stop(): Promise<void>;
}

/** Starts a socket host. It is running and takes accounts when this resolves. */
export async function startHost(options: HostOptions): Promise<RunningHost> {
  const { clients, config, logger } = options;
  const id = newId('hst', systemClock.nowMs(), systemRandom.bytes);
  const metrics = createMetrics();
  onCall(clients, (service, command) => metrics.awsCalls.inc({ service, command }));
  const version = await readClientVersion(new Table(clients.dynamodb, config.TABLE_NAME)).catch((error: unknown) => {
    logger.warn({ error: describe(error) }, 'the client version that was learnt before could not be read');
    return undefined;
  });
  const wakeQueueUrl = await createWakeQueue(clients.sqs, config.WAKE_QUEUE_PREFIX, id);
  const deps = hostDeps(options, id, metrics);
  const transports = options.transports(deps);
  if (version !== undefined) transports.clientVersion?.use(version);
  const host = new Host(deps, clients, transports, wakeQueueUrl, options.onFenced);
  await host.start();
  return host;
}

type State = 'starting' | 'running' | 'draining' | 'stopped' | 'fenced';

const moves: Record<State, readonly State[]> = {
  starting: ['running'],
  running: ['draining', 'fenced'],
  draining: ['stopped', 'fenced'],
  stopped: [],
  fenced: [],
};

/**
 * A socket host: one heartbeat, one wake queue, many accounts.
 *
 *   starting -> running    its item is stored: other hosts see it
 *   running  -> draining   asked to stop: takes no further account and gives its own to others
 *   draining -> stopped    it has given all away, or the time for that is over
 *   running, draining -> fenced   its lease is over, or others have retired it: it may not act any more
 */
class Host implements RunningHost {
  metricsUrl: string | undefined;
  private state: State = 'starting';
  private readonly deps: HostDeps;
  private readonly clients: Clients;
  private readonly transports: TransportFactory;
  private readonly wakeQueueUrl: string;
  private readonly onFenced: HostOptions['onFenced'];
  private readonly accounts = new Map<string, AccountRunner>();
  private readonly checks = new ConnectionChecks();
  private readonly fleet: Fleet;
  private readonly placement: Placement;
  private readonly handover: Handover;
  private readonly forAccounts: AccountHost;
  /** Fires when the host has drained or was fenced. Its loops end then. */
  private readonly ended = new AbortController();
  private loops: Promise<void>[] = [];
  private stopServing: (() => Promise<void>) | undefined;
  private stopping: Promise<void> | undefined;
  private learntVersion: string | undefined;

  constructor(
    deps: HostDeps,
    clients: Clients,
    transports: TransportFactory,
    wakeQueueUrl: string,
    onFenced: HostOptions['onFenced'],
  ) {
    this.deps = deps;
    this.clients = clients;
    this.transports = transports;
    this.wakeQueueUrl = wakeQueueUrl;
    this.onFenced = onFenced;
    const slots = new ConnectSlots(deps.clock, deps.random, deps.config.CONNECTS_PER_SEC);
    this.forAccounts = {
      transports,
      renewClient: () => this.renewClient(),
      connectSlot: (signal) => slots.take(signal),
      checks: this.checks,
      gone: (runner, released) => this.gone(runner, released),
    };
    this.fleet = new Fleet(deps);
    this.handover = new Handover(deps, this.fleet, () => [...this.accounts.values()]);
    this.placement = new Placement(deps, this.fleet, {
      room: () => this.room,
      holds: (accountId) => this.accounts.has(accountId),
      claimed: (account, hot) => this.claimed(account, hot),
    });
  }

  get id(): string {
    return this.deps.hostId;
  }

  /** Stores the host's item and begins to take accounts. */
  async start(): Promise<void> {
    const { clock, config, lease, metrics, table } = this.deps;
    const moment = lease.moment();
    const nowMs = clock.nowMs();
    const { id, wakeQueueUrl, room } = this;
    await putHost(table, { id, beat: 0, beatAt: nowMs, wakeQueueUrl, startedAt: nowMs, accounts: 0, room });
    lease.renew(moment);
    this.become('running');
    this.run();
    if (config.METRICS_PORT === undefined) return;
    const served = await serveMetrics(metrics, {
      port: config.METRICS_PORT,
      healthy: () => lease.valid(),
      refresh: () => this.statusCounts(),
    });
    this.metricsUrl = served.url;
    this.stopServing = () => served.stop();
  }

  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  /** Changes the state. No other code does. */
  private become(next: State): void {
    if (!moves[this.state].includes(next)) throw new Error(`a host that is ${this.state} cannot become ${next}`);
    this.state = next;
  }

  private run(): void {
    const { deps, ended } = this;
    const fence = (why: string, cause: FenceCause) => this.fence(why, cause);
    this.loops = [
      heartbeats(deps, () => this.beatState, fence, ended.signal),
      watchLease(deps, fence, ended.signal),
      this.checks.run(deps.clock, ended.signal),
      notes(deps, this.wakeQueueUrl, ended.signal, (note) => this.take(note)),
      looks(deps, ended.signal, () => this.look()),
      inboundLines(deps, ended.signal),
    ];
  }

  /** The number of further accounts that this host would take. */
  private get room(): number {
    if (this.state === 'draining' || this.transports.full()) return 0;
    return Math.max(0, this.deps.config.MAX_ACCOUNTS - this.accounts.size);
  }

  /** The part of this host that each heartbeat writes. */
  private get beatState(): HostState {
    const { accounts, room, state } = this;
    return { accounts: accounts.size, room, ...(state === 'draining' ? { draining: true } : {}) };
  }

  private async take({ t, a }: WakeNote): Promise<void> {
    const runner = this.accounts.get(a);
    if (runner !== undefined) runner.look();
    else await this.placement.consider({ tenantId: t, accountId: a });
  }

  private async look(): Promise<void> {
    if (this.state === 'draining') return;
    await this.placement.look();
    this.handover.rebalance();
  }

  private claimed(account: Account, hot: AccountHot): void {
    // This host has claimed the account again. Two runners in one host would take each other's epochs for their own.
    this.accounts.get(account.id)?.fence('claimed again');
    const runner = new AccountRunner(this.deps, this.forAccounts, account, hot);
    this.accounts.set(account.id, runner);
    runner.look();
  }

  private gone(runner: Parameters<AccountHost['gone']>[0], released: boolean): void {
    const { accountId } = runner.hold;
    // A new runner may have replaced it meanwhile.
    if (this.accounts.get(accountId) === runner) this.accounts.delete(accountId);
    if (!released) this.placement.recount();
  }

  /** Learns the current client version and stores it, so that hosts that start later are not refused first. */
  private async renewClient(): Promise<void> {
    const { clientVersion } = this.transports;
    if (clientVersion === undefined) throw new Error('the network knows no versions of its clients');
    const version = await clientVersion.refresh();
    if (version === this.learntVersion) return;
    this.learntVersion = version;
    const { clock, failed, table } = this.deps;
    await saveClientVersion(table, version, clock.nowMs()).catch((error: unknown) => failed('version', error));
  }

  private fence(why: string, cause: FenceCause): void {
    if (this.ended.signal.aborted) return;
    this.become('fenced');
    this.deps.metrics.fences.inc({ why: cause });
    this.deps.lease.end();
    this.ended.abort();
    for (const runner of [...this.accounts.values()]) runner.fence(why, cause);
    this.onFenced(why, cause);
  }

  private async end(): Promise<void> {
    if (this.state === 'running') await this.drain();
    await Promise.all(this.loops);
    await this.stopServing?.();
    this.transports.close();
    destroyClients(this.clients);
  }

  private async drain(): Promise<void> {
    const { clock, config, failed, lease, table } = this.deps;
    const drainMs = config.DRAIN_SEC * 1000;
    this.become('draining');
    // Claims stop, but the heartbeat continues until the accounts are given up.
    await this.placement.idle();
    const { id } = this;
    try {
      // A refusal is reported here; the next heartbeat fences the host.
      const stood = await beat(table, { id, beatAt: clock.nowMs(), ...this.beatState });
      if (!stood) failed('drain', new Error(retiredAsDead));
    } catch (error) {
      failed('drain', error);
    }
    const drained = this.handover.drain(drainMs, this.ended.signal);
    await Promise.race([drained, clock.sleep(drainMs, this.ended.signal)]);
    this.ended.abort();
    await Promise.all(this.loops);
    if (lease.valid()) await this.leaveFleet();
    lease.end();
    if (this.state === 'draining') this.become('stopped');
  }

  /** Frees the accounts that are left for other hosts, retires this host and removes its wake queue. */
  private async leaveFleet(): Promise<void> {
    const { clock, sqs, table } = this.deps;
    try {
      // Done before the host is retired. Otherwise its messages in hand would count as those of a host that died.
      await orphanAccounts(table, this.id, { orderly: true });
    } finally {
      // The retired item stays. The sweep removes it once no account names this host; the index for that question lags.
      await retireHost(table, this.id, clock.nowMs());
    }
    await removeWakeQueue(sqs, this.wakeQueueUrl);
  }

  private statusCounts(): Map<AccountStatus, number> {
    const counts = new Map<AccountStatus, number>();
    for (const { status } of this.accounts.values()) counts.set(status, (counts.get(status) ?? 0) + 1);
    return counts;
  }
}
