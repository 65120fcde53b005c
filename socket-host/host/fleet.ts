import { type Host, listHosts, takesAccounts } from '../../lib/aws/hosts/hosts.ts';
import { fleetSteadyMs, type HostView, observe, rendezvous } from '../../lib/domain/hosts/ownership.ts';
import type { HostDeps } from '../deps.ts';

/**
 * All hosts as this one sees them. A host is dead when its counter has stood still for ten seconds by our clock, or when it has been
 * retired. Rendezvous hashing among those that take accounts decides which account is whose.
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

  /** One read for the whole host, however many accounts there are. */
  async refresh(): Promise<void> {
    const askedAtMs = this.deps.fleetClock.monotonicMs();
    const hosts = await listHosts(this.deps.table);
    const now = this.deps.fleetClock.monotonicMs();
    const views = new Map<string, HostView>();
    for (const host of hosts) {
      const before = this.views.get(host.id);
      // An answer that was long in coming tells how a counter stood when it was asked for.
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

  /** The other hosts that would take an account of ours. */
  get others(): readonly Host[] {
    return this.takers;
  }

  /** How many other hosts are giving their accounts away. */
  get draining(): number {
    return this.hosts.filter(({ id, draining }) => draining === true && !this.isDead(id)).length;
  }

  /** Whether the same other hosts have been taking accounts for long enough to move any. */
  get steady(): boolean {
    return this.deps.fleetClock.monotonicMs() - this.takersChangedAtMs >= fleetSteadyMs;
  }

  /** Which others there are, as one value to compare. */
  get composition(): string {
    return idsOf(this.takers);
  }

  /** Whether no other host that takes accounts has a better claim to this one than we. */
  isFirst(accountId: string): boolean {
    return rendezvous([this.deps.hostId, ...this.takers.map(({ id }) => id)], accountId)[0] === this.deps.hostId;
  }

  /** The other host with the best claim to the account; undefined while there is none that takes any. */
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
