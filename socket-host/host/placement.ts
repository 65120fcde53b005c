import { hostExists } from '../../lib/aws/hosts/hosts.ts';
import { type AccountRefs, claimAccount, findAccounts, orphanAccount } from '../../lib/aws/hosts/ownership.ts';
import { finder, keys } from '../../lib/aws/keys.ts';
import { readHot } from '../../lib/aws/messages/messages.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';
import { heartbeatMs, secondChoiceAfterMs } from '../../lib/domain/hosts/ownership.ts';
import type { HostDeps } from '../deps.ts';
import type { Fleet } from './fleet.ts';

/** How often a host looks for accounts without an owner: two reads for the whole host, however many accounts there are. */
export const lookEveryMs = 2_000;
/** Every so many looks a host counts its own accounts, from the first one after a start on. */
const ownEvery = 30;
/** Accounts claimed side by side: each claim checks this host's own item, and too many at once would only conflict over it. */
const width = 4;
/** A heartbeat that is so late may be losing to the claims, which check the item that it writes: no claim is made until it stands. */
const heartbeatLateMs = heartbeatMs + 1_000;

type MayTake = (hot: AccountHot) => boolean | Promise<boolean>;

/**
 * Finds the accounts that this host should own: those without an owner, and those of hosts whose counter has stood still for ten seconds by
 * our clock. The host that rendezvous hashing puts first claims at once, others after five seconds.
 */
export class Placement {
  private readonly deps: HostDeps;
  private readonly fleet: Fleet;
  private readonly room: () => number;
  private readonly holds: (accountId: string) => boolean;
  private readonly claimed: (account: Account, hot: AccountHot) => void;
  private looks = 0;
  /** Being claimed (or given up) right now: a second claim would take the first one's success for its own. */
  private readonly claiming = new Set<string>();
  /** When an account we are not first for was first seen without an owner. */
  private waitingSince = new Map<string, number>();
  /** Accounts that may be in our name without a runner here. No other host may claim these, and the index may not offer them to us any more. */
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

  /** Looks once at all hosts, then at accounts without a live owner, and claims those that are ours to claim. */
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
    // Those that are not in our name after all are left to the host that is first for them.
    const lost = [...this.unsure.values()];
    if (this.room() > 0) await this.claimAll(lost, (hot) => this.isLost(hot));
    else await this.giveUpAll(lost);
    await this.claimAll(mine);
  }

  /** An account may have been left in our name: the next look counts our accounts. */
  recount(): void {
    this.looks = 0;
  }

  /** Accounts in our name that no runner of ours holds: a claim whose answer was lost, or a fence that was ours alone. */
  private async findLost(): Promise<void> {
    const own = await findAccounts(this.deps.table, finder.ownedBy(this.deps.hostId));
    for (const refs of own) if (!this.holds(refs.accountId)) this.unsure.set(refs.accountId, refs);
  }

  /** Resolves when no claim is under way. */
  async idle(): Promise<void> {
    while (this.claiming.size > 0) await this.deps.clock.sleep(20);
  }

  /** A note named this account: claims it if it has no live owner and wants a host. */
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

  /** Gives up accounts in our name that have no room here: as we live, only we can free them for others. */
  private giveUpAll(lost: AccountRefs[]): Promise<void> {
    return this.abreast(
      lost,
      () => this.deps.lease.valid(),
      (refs) => this.giveUp(refs),
    );
  }

  /** Does the task for several accounts at a time, for each account once. An account whose task fails is unsure. */
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

  /** Whether one more claim may be made. A long row of claims must not outlast the room, nor keep the heartbeat from its item. */
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
    // Orderly: no host has died over what is in hand.
    if (hot !== undefined && this.isLost(hot)) await orphanAccount(table, refs, hostId, { orderly: true });
  }

  /** Whether the account has no live owner and wants a host. One in our name without a runner here counts. */
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
