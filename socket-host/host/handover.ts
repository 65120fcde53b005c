import { type Host, sendNote } from '../../lib/aws/hosts/hosts.ts';
import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import { rebalancedPerMinute } from '../../lib/domain/hosts/ownership.ts';
import type { Load } from '../account/account.ts';
import type { HostDeps } from '../deps.ts';
import type { Fleet } from './fleet.ts';

/**
 * Intervals (ms) at which a drain reads which hosts take accounts, and at which it gives accounts away. A deployment ends hosts together, and
 * they say so within a moment. Accounts given to one of them before that must be found by a third host.
 */
const refreshEveryMs = 250;
const tickMs = 50;
/** The share of another host's connection rate that drains use. The rest is for connections that are lost meanwhile. */
const connectShare = 0.5;
/** The share of the drain's time within which all accounts should have begun to move. */
const drainShare = 0.7;
/** The time (ms) in which a replacement host starts. A shorter drain does not wait for one. */
const hostStartsMs = 20_000;

/** An account that can be given away. */
export interface Movable {
  readonly hold: Hold;
  /** A rebalance does not move an account that is linking; a drain does. */
  readonly load: Load;
  /** Finishes the message in hand and gives the account up for other hosts. */
  stop(): Promise<void>;
}

interface Queue {
  target: Host;
  accounts: Movable[];
  nextAtMs: number;
}

/**
 * Gives each account to the other host that comes first for it. A note tells that host, so that it need not search:
 *
 *   rebalance   a host has joined: it gets its fair share, idle accounts first, at most `rebalancedPerMinute`
 *   drain       this host ends: it gives all accounts away, at half the rate at which the others open connections. Draining hosts share that
 *               rate. It is faster only if the time would be too short.
 */
export class Handover {
  private readonly deps: HostDeps;
  private readonly fleet: Fleet;
  private readonly held: () => Movable[];
  private misplaced: Movable[] = [];
  private plannedFor = '';
  private plannedAtMs = Number.NEGATIVE_INFINITY;
  private allowance = 0;
  private allowedAtMs: number;
  private readonly moving = new Set<string>();

  constructor(deps: HostDeps, fleet: Fleet, held: () => Movable[]) {
    this.deps = deps;
    this.fleet = fleet;
    this.held = held;
    this.allowedAtMs = deps.fleetClock.monotonicMs();
  }

  /** Gives away accounts for which another host comes first, as many as the rate allows. Call it at each look. */
  rebalance(): void {
    const now = this.deps.fleetClock.monotonicMs();
    const perMs = rebalancedPerMinute / 60_000;
    // At most five seconds of the rate are saved up.
    this.allowance = Math.min(this.allowance + (now - this.allowedAtMs) * perMs, perMs * 5_000);
    this.allowedAtMs = now;
    if (!this.fleet.steady) return;
    this.planMoves(now);
    const rooms = new Map(this.fleet.others.map((host) => [host.id, host.room]));
    for (; this.allowance >= 1 && this.misplaced.length > 0; this.allowance -= 1) {
      const account = this.takeIdlestFirst();
      const target = account === undefined ? undefined : this.fleet.bestOther(account.hold.accountId);
      if (account === undefined || target === undefined) return;
      const room = rooms.get(target.id) ?? 0;
      if (room <= 0) continue;
      rooms.set(target.id, room - 1);
      void this.give(account, target, 'rebalance');
    }
  }

  /**
   * Gives all accounts away. Resolves when that is done, or `signal` fires. While no other host takes accounts, they stay connected and wait
   * for one. When the time for that is over, or was too short from the start, they are given up: a later host finds them.
   */
  async drain(budgetMs: number, signal: AbortSignal): Promise<void> {
    const { fleetClock: clock, config } = this.deps;
    const waiting = new Set(this.held());
    const startedMs = clock.monotonicMs();
    const moveMs = budgetMs * drainShare;
    const patienceMs = moveMs < hostStartsMs ? 0 : moveMs;
    const given: Promise<void>[] = [];
    let refreshedAtMs = Number.NEGATIVE_INFINITY;
    let queues: Queue[] = [];
    let queuedFor: string | undefined;
    while (waiting.size > 0 && !signal.aborted) {
      const now = clock.monotonicMs();
      if (now - refreshedAtMs >= refreshEveryMs) {
        refreshedAtMs = now;
        await this.fleet.refresh().catch((error: unknown) => this.deps.failed('drain', error));
        const held = new Set(this.held());
        for (const account of waiting) if (!held.has(account)) waiting.delete(account);
      }
      if (this.fleet.others.length === 0 && now - startedMs >= patienceMs) {
        given.push(...[...waiting].map((account) => account.stop()));
        break;
      }
      if (queuedFor !== this.fleet.composition) {
        queuedFor = this.fleet.composition;
        queues = this.queuesOf(waiting, now);
      }
      const leftMs = Math.max(tickMs, moveMs - (now - startedMs));
      for (const queue of queues) {
        const shareMs = (1000 / (config.CONNECTS_PER_SEC * connectShare)) * (1 + this.fleet.draining);
        const everyMs = Math.min(shareMs, leftMs / queue.accounts.length);
        for (; queue.nextAtMs <= now && queue.accounts.length > 0; queue.nextAtMs += everyMs) {
          const account = queue.accounts.shift();
          if (account === undefined) break;
          // The account may be gone for another reason.
          if (waiting.delete(account)) given.push(this.give(account, queue.target, 'drain'));
        }
      }
      await clock.sleep(tickMs, signal);
    }
    await Promise.all(given);
  }

  /** Returns the accounts to give, grouped by target host. */
  private queuesOf(accounts: Iterable<Movable>, nowMs: number): Queue[] {
    const queues = new Map<string, Queue>();
    for (const account of accounts) {
      const target = this.fleet.bestOther(account.hold.accountId);
      if (target === undefined) continue;
      const queue = queues.get(target.id) ?? { target, accounts: [], nextAtMs: nowMs };
      queues.set(target.id, queue);
      queue.accounts.push(account);
    }
    return [...queues.values()];
  }

  private planMoves(now: number): void {
    // Planned once a minute too, for accounts taken since then as a second choice.
    if (this.plannedFor === this.fleet.composition && now - this.plannedAtMs < 60_000) return;
    this.plannedFor = this.fleet.composition;
    this.plannedAtMs = now;
    this.misplaced = this.held().filter(({ hold }) => !this.fleet.isFirst(hold.accountId));
  }

  private takeIdlestFirst(): Movable | undefined {
    const held = new Set(this.held());
    this.misplaced = this.misplaced.filter((account) => held.has(account) && !this.moving.has(account.hold.accountId));
    const idle = this.misplaced.findIndex(({ load }) => load === 'idle');
    const at = idle >= 0 ? idle : this.misplaced.findIndex(({ load }) => load === 'busy');
    return at < 0 ? undefined : this.misplaced.splice(at, 1)[0];
  }

  private async give(account: Movable, target: Host, kind: 'rebalance' | 'drain'): Promise<void> {
    const { tenantId, accountId } = account.hold;
    this.moving.add(accountId);
    try {
      await account.stop();
      this.deps.metrics.handovers.inc({ kind });
      // A hint: without it the target finds the account within two seconds.
      await sendNote(this.deps.sqs, target.wakeQueueUrl, { t: tenantId, a: accountId });
    } catch (error) {
      this.deps.failed('handover', error);
    } finally {
      this.moving.delete(accountId);
    }
  }
}
