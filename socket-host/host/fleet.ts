import { type Host, listHosts, takesAccounts } from '../../lib/aws/hosts/hosts.ts';
import { fleetSteadyMs, type HostView, observe, rendezvous } from '../../lib/domain/hosts/ownership.ts';
import type { HostDeps } from '../deps.ts';

/**
 * All hosts as this host sees them. A host is dead when its counter has not moved for ten seconds by our clock, or when it was retired.
 * Rendezvous hashing among the hosts that take accounts decides which host gets an account.
 */
export class Fleet {
  private readonly deps: HostDeps;
  private views = new Map<string, HostView>();
  private hosts: Host[] = [];
  private takers: Host[] = [];
  private takersChangedAtMs: number;

  constructor(deps: HostDeps) {
    this.deps = deps;
    this.takersChangedAtMs = deps.fleetClock.monotonicMs();
  }

  /** Reads the list of hosts again: one query, however many accounts there are. */
  async refresh(): Promise<void> {
    const askedAtMs = this.deps.fleetClock.monotonicMs();
    const hosts = await listHosts(this.deps.table);
    const now = this.deps.fleetClock.monotonicMs();
    const views = new Map<string, HostView>();
    for (const host of hosts) {
      const before = this.views.get(host.id);
      // A slow answer shows the counter as it was when we asked.
      const view = observe(before, host.beat, before?.counter === host.beat ? askedAtMs : now);
      views.set(host.id, host.retired === true ? { ...view, dead: true } : view);
    }
    this.views = views;
    this.hosts = hosts.filter(({ id }) => id !== this.deps.hostId);
    const takers = this.hosts.filter((host) => takesAccounts(host) && !this.isDead(host.id));
    if (idsOf(takers) !== idsOf(this.takers)) this.takersChangedAtMs = now;
    this.takers = takers;
  }

  isDead(hostId: string): boolean {
    return this.views.get(hostId)?.dead === true;
  }

  get dead(): string[] {
    return this.hosts.flatMap(({ id }) => (this.isDead(id) ? [id] : []));
  }

  /** The other live hosts that take accounts. */
  get others(): readonly Host[] {
    return this.takers;
  }

  /** The number of other hosts that are draining. */
  get draining(): number {
    return this.hosts.filter(({ id, draining }) => draining === true && !this.isDead(id)).length;
  }

  /** True if the set of other hosts that take accounts has not changed for `fleetSteadyMs`. Only then are accounts moved. */
  get steady(): boolean {
    return this.deps.fleetClock.monotonicMs() - this.takersChangedAtMs >= fleetSteadyMs;
  }

  /** The ids of the other hosts that take accounts, as one string to compare. */
  get composition(): string {
    return idsOf(this.takers);
  }

  /** Returns true if this host comes first for the account, before all others that take accounts. */
  isFirst(accountId: string): boolean {
    return rendezvous([this.deps.hostId, ...this.takers.map(({ id }) => id)], accountId)[0] === this.deps.hostId;
  }

  /** Returns the other host that comes first for the account; undefined if no other host takes accounts. */
  bestOther(accountId: string): Host | undefined {
    const [best] = rendezvous(
      this.takers.map(({ id }) => id),
      accountId,
    );
    return this.takers.find(({ id }) => id === best);
  }
}

function idsOf(hosts: readonly Host[]): string {
  return hosts
    .map(({ id }) => id)
    .sort()
    .join();
}
