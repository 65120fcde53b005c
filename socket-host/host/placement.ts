import { hostExists } from '../../lib/aws/hosts/hosts.ts';
import { type AccountRefs, claimAccount, findAccounts, orphanAccount } from '../../lib/aws/hosts/ownership.ts';
import { finder, keys } from '../../lib/aws/keys.ts';
import { readHot } from '../../lib/aws/messages/messages.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';
import { heartbeatMs, secondChoiceAfterMs } from '../../lib/domain/hosts/ownership.ts';
import type { HostDeps } from '../deps.ts';
import type { Fleet } from './fleet.ts';

/** Interval (ms) at which a host looks for accounts without an owner: two queries, however many accounts there are. */
export const lookEveryMs = 2_000;
/** At the first look and every 30th after it, a host also searches the accounts in its own name. */
const ownEvery = 30;
/** Claims in parallel. Each checks this host's own item, and more of them would only conflict over it. */
const width = 4;
/** While the last beat is older than this (ms), no claim is made. Claims check the item that a beat writes, and may have made it fail. */
const heartbeatLateMs = heartbeatMs + 1_000;

type MayTake = (hot: AccountHot) => boolean | Promise<boolean>;

/**
 * Finds the accounts that this host should own: accounts without an owner, and accounts of dead hosts (see Fleet). The host that comes first by
 * rendezvous hashing claims an account at once, the others after five seconds.
 */
export class Placement {
  private readonly deps: HostDeps;
  private readonly fleet: Fleet;
  private readonly room: () => number;
  private readonly holds: (accountId: string) => boolean;
  private readonly claimed: (account: Account, hot: AccountHot) => void;
  private looks = 0;
  /** Accounts being claimed or given up now. A second claim would take the success of the first for its own. */
  private readonly claiming = new Set<string>();
  /** The times (monotonic ms) at which accounts were first seen without a live owner. */
  private waitingSince = new Map<string, number>();
  /** Accounts that may be in our name without a runner here. No other host may claim them, and the index may not show them to us. */
  private readonly unsure = new Map<string, AccountRefs>();

  constructor(
    deps: HostDeps,
    fleet: Fleet,
    options: { room(): number; holds(accountId: string): boolean; claimed(account: Account, hot: AccountHot): void },
  ) {
    this.deps = deps;
    this.fleet = fleet;
    this.room = options.room;
    this.holds = options.holds;
    this.claimed = options.claimed;
  }

  /** Reads all hosts, then the accounts without a live owner, and claims those that this host should own. */
  async look(): Promise<void> {
    const { table, fleetClock: clock } = this.deps;
    await this.fleet.refresh();
    const found = await findAccounts(table, finder.unowned, 1000);
    if (this.looks++ % ownEvery === 0) await this.findLost();
    for (const host of this.fleet.dead) found.push(...(await findAccounts(table, finder.ownedBy(host), 1000)));
    const seen = new Map<string, number>();
    const mine: AccountRefs[] = [];
    for (const refs of found) {
      const since = this.waitingSince.get(refs.accountId) ?? clock.monotonicMs();
      seen.set(refs.accountId, since);
      if (this.fleet.isFirst(refs.accountId) || clock.monotonicMs() - since >= secondChoiceAfterMs) mine.push(refs);
    }
    this.waitingSince = seen;
    // Unsure accounts that are not in our name after all are left to the host that comes first for them.
    const lost = [...this.unsure.values()];
    if (this.room() > 0) await this.claimAll(lost, (hot) => this.isLost(hot));
    else await this.giveUpAll(lost);
    await this.claimAll(mine);
  }

  /** Call this when an account may be left in our name. The next look searches our accounts. */
  recount(): void {
    this.looks = 0;
  }

  /** Finds accounts in our name without a runner here. A claim lost its answer, or only this host thought it had lost the account. */
  private async findLost(): Promise<void> {
    const own = await findAccounts(this.deps.table, finder.ownedBy(this.deps.hostId));
    for (const refs of own) if (!this.holds(refs.accountId)) this.unsure.set(refs.accountId, refs);
  }

  /** Resolves when no account is being claimed or given up. */
  async idle(): Promise<void> {
    while (this.claiming.size > 0) await this.deps.clock.sleep(20);
  }

  /** Claims the account that a note names, if it has no live owner and wants a host. */
  async consider(refs: AccountRefs): Promise<void> {
    await this.claimAll([refs]);
  }

  private claimAll(wanted: AccountRefs[], mayTake: MayTake = (hot) => this.isFree(hot)): Promise<void> {
    return this.abreast(
      wanted,
      () => this.mayClaim(),
      (refs) => this.claim(refs, mayTake),
    );
  }

  /** Gives up accounts in our name for which this host has no room. While this host lives, no other can free them. */
  private giveUpAll(lost: AccountRefs[]): Promise<void> {
    return this.abreast(
      lost,
      () => this.deps.lease.valid(),
      (refs) => this.giveUp(refs),
    );
  }

  /** Runs the task for each account, four at a time, while `may` returns true. An account whose task fails becomes unsure. */
  private async abreast(
    accounts: AccountRefs[],
    may: () => boolean,
    task: (refs: AccountRefs) => Promise<void>,
  ): Promise<void> {
    const queue = [...accounts];
    const takeNext = async (): Promise<void> => {
      for (let refs = queue.shift(); refs !== undefined && may(); refs = queue.shift()) {
        const { accountId } = refs;
        if (this.claiming.has(accountId)) continue;
        this.claiming.add(accountId);
        try {
          await task(refs);
          this.unsure.delete(accountId);
        } catch (error) {
          this.deps.failed('claim', error);
          this.unsure.set(accountId, refs);
        }
        this.claiming.delete(accountId);
      }
    };
    await Promise.all(Array.from({ length: width }, takeNext));
  }

  /** Returns true if one more claim may be made. Many claims must neither exceed the room nor delay the heartbeat. */
  private mayClaim(): boolean {
    const { lease } = this.deps;
    return lease.valid() && lease.ageMs() < heartbeatLateMs && this.room() > 0;
  }

  private async claim({ tenantId, accountId }: AccountRefs, mayTake: MayTake): Promise<void> {
    const { table, hostId } = this.deps;
    const hot = await readHot(table, tenantId, accountId);
    if (hot === undefined || !(await mayTake(hot))) return;
    const claimed = await claimAccount(table, hot, hostId);
    if (claimed === undefined) return;
    const account = await table.get<Account>(keys.account(tenantId, accountId));
    if (account === undefined) return;
    this.deps.metrics.handovers.inc({ kind: 'taken' });
    this.claimed(account, claimed);
  }

  private async giveUp(refs: AccountRefs): Promise<void> {
    const { table, hostId } = this.deps;
    const hot = await readHot(table, refs.tenantId, refs.accountId);
    // Orderly, because no host has died over the message in hand.
    if (hot !== undefined && this.isLost(hot)) await orphanAccount(table, refs, hostId, { orderly: true });
  }

  /** Returns true if the account may be claimed: it is offered, its owner is dead, or we own it without a runner here. */
  private async isFree(hot: AccountHot & { ix?: string }): Promise<boolean> {
    const { owner } = hot;
    if (owner === undefined) return hot.ix === finder.unowned;
    if (owner === this.deps.hostId) return this.isLost(hot);
    return this.fleet.isDead(owner) || !(await hostExists(this.deps.table, owner));
  }

  private isLost({ owner, accountId }: AccountHot): boolean {
    return owner === this.deps.hostId && !this.holds(accountId);
  }
}
