import { type Hold, raiseEpoch } from '../../lib/aws/hosts/ownership.ts';
import { type Account, type AccountHot, type AccountStatus, hasStopped } from '../../lib/domain/accounts/account.ts';
import type { FollowUp } from '../../lib/domain/accounts/disconnect.ts';
import type { Halt } from '../../lib/domain/accounts/halt.ts';
import type { Useless } from '../connection/check.ts';
import type { Connection } from '../connection/connection.ts';
import type { HostDeps } from '../deps.ts';
import type { SendEnd } from '../loop/send-end.ts';
import type { FenceCause } from '../metrics.ts';
import { NoRoomForState, type SessionEnd, StateDamaged } from '../transport.ts';
import { askFeed, cleanUp, release } from './leaving.ts';
import { isConnected, type Mode, move } from './mode.ts';
import { openConnection } from './open-connection.ts';
import { type AccountHost, type AccountParts, accountParts, type Machine } from './parts.ts';

/** `idle`: it has nothing to send. `linking`: its tenant may be scanning the code. */
export type Load = 'idle' | 'busy' | 'linking';

/**
 * The machine of one account that this host owns: brings the account's status to what the tenant desires. Its modes and moves are those of
 * mode.ts. Everything that happens to the account (a note, a word from its connection, a timer) is handled one after the other. An error in one
 * account is caught here and never reaches another.
 */
export class AccountRunner implements Machine {
  readonly hold: Hold;
  private readonly deps: HostDeps;
  private readonly host: AccountHost;
  private readonly parts: AccountParts;
  private readonly halting = new AbortController();
  private mode: Mode = 'held';
  private connection: Connection | undefined;
  /** The tenant's last wish that we have acted on. */
  private asked: number | undefined;

  constructor(deps: HostDeps, host: AccountHost, account: Account, hot: AccountHot) {
    this.deps = deps;
    this.host = host;
    this.hold = { tenantId: account.tenantId, accountId: account.id, hostId: deps.hostId, epoch: hot.epoch };
    this.parts = accountParts(deps, host, this, this.hold, account, hot);
  }

  get status(): AccountStatus {
    return this.account.status;
  }

  /** What would be noticed if the account moved to another host now. */
  get load(): Load {
    const { status, linkedAt } = this.account;
    if (status === 'awaiting_link' || (status === 'connecting' && linkedAt === undefined)) return 'linking';
    return !this.parts.hand.hasOpen && !this.parts.loop.hasWork ? 'idle' : 'busy';
  }

  /** Begins. Call it again whenever the account may have changed. */
  look(): void {
    this.parts.tasks.post('look', () => this.reconcile());
  }

  /** Ends sends in hand, writes what is left, and gives the account up for others to take. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.connection?.abort();
    this.halting.abort();
    this.parts.tasks.post('stop', async () => {
      try {
        await this.parts.record.writeHalt();
        await this.giveUp({ wanted: this.wantsHost() });
      } catch (error) {
        this.deps.failed('stop', error);
        this.finish({ released: false });
      }
    });
    await this.parts.tasks.handled();
  }

  /** This host may not act for the account any more: the connection is closed, and nothing is written. */
  fence(why: string, by: FenceCause = 'epoch'): void {
    if (this.mode === 'gone') return;
    // Without a lease every write is refused: that says nothing of other hosts.
    const fence = by === 'retired' || this.deps.lease.valid() ? by : 'lease_lost';
    this.deps.metrics.fences.inc({ why: fence });
    this.deps.logger.warn(
      { account: this.hold.accountId, why, fence },
      'fenced: this host does not own the account any more',
    );
    // A claim or a release whose answer was lost looks the same as one of another host.
    this.finish({ released: false });
    this.closeConnection()
      .then(() => this.parts.transport.close())
      .catch((error: unknown) => this.deps.failed('fence', error));
  }

  isGone(): boolean {
    return this.mode === 'gone';
  }

  mayAct(): boolean {
    return this.mode !== 'gone' && this.deps.lease.valid();
  }

  handle(connection: () => object, where: string, task: () => Promise<void>): void {
    this.parts.tasks.post(where, async () => {
      if (this.connection === connection()) await task();
    });
  }

  private get account(): Account {
    return this.parts.record.account;
  }

  /** The one place that changes the mode. */
  private become(next: Mode): void {
    this.mode = move(this.mode, next);
  }

  /** Something is left for a host to do: to keep a connection, to tell the network of a logout, to remove the keys. */
  private wantsHost(): boolean {
    return this.account.desired !== 'disconnected';
  }

  /** Reads what the tenant desires, and does the next thing towards it. */
  private async reconcile(): Promise<void> {
    const { links, loop, record } = this.parts;
    const account = await record.read();
    if (account === undefined) return await this.giveUp({ wanted: false });
    loop.look();
    await record.writeHalt();
    const askedAnew = account.asked !== this.asked;
    this.asked = account.asked;
    switch (account.desired) {
      case 'connected':
        if (this.mode === 'held' || (this.mode === 'waiting' && askedAnew)) return await this.connectUnlessStopped();
        await links.asked(account.pairingFor);
        return;
      case 'disconnected':
        await this.closeConnection();
        // The number that the tenant has to confirm stays in sight.
        if (account.linkedNumber !== undefined) await record.awaitConfirmation();
        else await record.save({ status: 'disconnected', statusReason: 'by_request' });
        return await this.giveUp({ wanted: false });
      case 'logged_out':
        return await this.logOut();
      default:
        return account.desired satisfies never;
    }
  }

  /** Connects, unless the network has told this owner or one before it not to. */
  private async connectUnlessStopped(): Promise<void> {
    const { record, sender, transport } = this.parts;
    if (hasStopped(this.account)) {
      if (this.account.linkedNumber !== undefined) await record.awaitConfirmation();
      return await this.rest();
    }
    if (this.account.status === 'logged_out') {
      // The owner before may have died over these: the next device takes over neither the keys nor what was in hand.
      await sender.abandonAll();
      await transport.forget();
    }
    const restrictedMs = (this.account.restrictedUntil ?? 0) - this.deps.clock.nowMs();
    if (restrictedMs <= 0) return await this.connect();
    // The tenant may have disconnected the account meanwhile.
    await record.save({ status: 'restricted', statusReason: 'temporary_ban' });
    this.wait(restrictedMs);
  }

  private async connect(): Promise<void> {
    if (this.mode === 'gone') return;
    const { events, history, inbound, links, record, transport, tasks } = this.parts;
    tasks.cancel();
    this.become('connecting');
    await record.save({ status: 'connecting', statusReason: undefined });
    await this.host.connectSlot(this.halting.signal);
    if (this.halting.signal.aborted || this.mode !== 'connecting') return;
    await Promise.all([transport.prepare(), events.load(), inbound.adopt()]);
    // Fenced meanwhile.
    if (!this.mayAct()) return await transport.close();
    const linkedNumber = transport.linkedNumber();
    // The owner before may have died before it could note the link.
    if (linkedNumber !== undefined && record.forbids(linkedNumber)) {
      return await this.halt({ kind: 'number_changed', linkedNumber });
    }
    const connection = openConnection(this.deps, this.host.checks, this.parts, this);
    if (connection === undefined) return;
    this.connection = connection;
    history.begun();
    links.begin(connection.session);
  }

  async opened(phoneNumber: string): Promise<void> {
    const { connection } = this;
    if (connection === undefined) return;
    const { events, hand, history, inbound, links, loop, record } = this.parts;
    this.become('open');
    history.opened();
    events.add('opened');
    links.end();
    if (this.account.desired === 'logged_out') return await this.logOut();
    if (record.forbids(phoneNumber)) return await this.halt({ kind: 'number_changed', linkedNumber: phoneNumber });
    await record.connected(phoneNumber);
    inbound.opened(connection.session);
    connection.startSending(loop, hand.receipts, (end) => this.sendingEnded(connection, end));
  }

  private sendingEnded(connection: Connection, end: SendEnd): void {
    // Only a new connection tells what became of a send that went unanswered.
    const again = () => this.retryLater();
    if (end === 'fenced') this.fence('a newer claim stands');
    else this.handle(() => connection, 'reconnect', again);
  }

  warn(warning: string, holds: boolean): void {
    if (this.mode !== 'open' || this.account.warnings.includes(warning) === holds) return;
    const { record, tasks } = this.parts;
    tasks.post('warning', () =>
      record.warn(warning, holds).catch((error: unknown) => this.deps.failed('warning', error)),
    );
  }

  async dropped(why: Useless): Promise<void> {
    // Nothing is answered any more: a message in hand need not wait for its ack.
    if (why !== 'errors') await this.connection?.session.close();
    const end = await this.connection?.close();
    if (end !== undefined) return await this.closed(end);
    if (why === 'errors') return await this.closed({ reason: 'unsaid', detail: 'too many errors' });
    // The codes are those that WhatsApp would have given, for counts.
    const code = this.account.linkedAt === undefined ? 428 : 408;
    await this.closed({ reason: 'lost', code, detail: 'nothing comes from the server any more' });
  }

  async closed(end: SessionEnd): Promise<void> {
    const { history } = this.parts;
    history.ended(end);
    await this.closeConnection(end);
    await this.follow(history.judge(end, this.account));
  }

  /** Does what follows the end of a connection. */
  private async follow(next: FollowUp): Promise<void> {
    switch (next.kind) {
      case 'connect':
        await this.parts.transport.save();
        return await this.connect();
      case 'retry':
        return await this.connectionLost();
      case 'take_back':
        return await this.takeBack();
      case 'renew_client':
        return await this.renewClient();
      case 'halt':
        return await this.halt(next.halt);
      case 'rest':
        return await this.rest();
      default:
        return next satisfies never;
    }
  }

  private async connectionLost(): Promise<void> {
    await this.parts.record.save({ status: 'disconnected', statusReason: 'connection_lost' });
    await this.retryLater();
  }

  /** While the present version cannot be read, the account tries again like after a lost connection. */
  private async renewClient(): Promise<void> {
    try {
      await this.host.renewClient();
    } catch (error) {
      this.deps.failed('version', error);
      return await this.connectionLost();
    }
    this.parts.history.renewed();
    await this.connect();
  }

  /** Another connection took over while our claim is valid: once, under a new epoch with a new barrier, after jitter. */
  private async takeBack(): Promise<void> {
    const { clock, random, table } = this.deps;
    await this.parts.transport.close();
    // First, so that the connection is taken back only once.
    await this.parts.record.save({ status: 'disconnected', statusReason: 'replaced', replacedAt: clock.nowMs() });
    if (!(await raiseEpoch(table, this.hold))) return this.fence('a newer claim stands');
    this.wait(1000 + random() * 2000);
  }

  /** Ends the connection, if there is one, and connects again after the backoff. */
  private async retryLater(): Promise<void> {
    const { hand, history } = this.parts;
    // A message in hand fails before the connection is known to have ended: the network's word on why comes first all the same.
    const end = await this.connection?.close();
    if (end !== undefined) {
      try {
        return await this.closed(end);
      } catch (error) {
        // This is the last resort. What could not be done now is done before the next connection.
        this.deps.failed('close', error);
      }
    }
    await this.closeConnection({});
    this.wait(history.nextWaitMs(hand.outcomeCount));
  }

  async recover(error: unknown): Promise<void> {
    try {
      if (error instanceof NoRoomForState) return await this.giveUp({ wanted: this.wantsHost() });
      if (error instanceof StateDamaged) {
        // A logout needs no keys: the network will not hear of it, and nothing of the account is left here.
        if (this.account.desired === 'logged_out') return await this.forgetDevice();
        return await this.halt({ kind: 'failed', reason: 'auth_state_damaged' });
      }
    } catch (again) {
      // Nothing else would come after this: the same error shows again.
      this.deps.failed('recover', again);
    }
    await this.retryLater();
  }

  private wait(ms: number): void {
    // A write on the way here may have shown that the account is not ours any more.
    if (this.mode === 'gone') return;
    this.become('waiting');
    this.parts.tasks.after(ms, async () => {
      if (this.mode !== 'waiting') return;
      this.become('held');
      await this.reconcile();
    });
  }

  private async logOut(): Promise<void> {
    if (this.account.status === 'logged_out') return await this.forgetDevice();
    if (this.mode === 'held' && hasStopped(this.account)) return await this.rest();
    if (!(await this.parts.transport.isLinked())) return await this.forgetDevice();
    const { connection } = this;
    if (this.mode === 'open' && connection !== undefined) {
      await connection.stopSending();
      await connection.session.logout();
      return await this.forgetDevice();
    }
    // The network hears of it on a connection only.
    if (this.mode === 'held') await this.connect();
  }

  private async forgetDevice(): Promise<void> {
    await this.halt({ kind: 'logged_out', reason: 'by_request' });
  }

  async halt(halt: Halt): Promise<void> {
    await this.closeConnection();
    const stood = await this.parts.record.halt(halt);
    if (halt.kind === 'restricted') {
      // What is in hand stays so, and is resolved on the next connection. What waits in the lanes goes back to its contracts.
      await askFeed(this.deps, this.parts, 'feed');
      this.wait(halt.untilMs - this.deps.clock.nowMs());
    } else if (stood) await this.rest();
  }

  /** The status says that the account has stopped: does what is left to do, and gives the account up. */
  private async rest(): Promise<void> {
    const { deletedAt } = this.account;
    await cleanUp(this.parts);
    await this.giveUp({ wanted: false });
    await askFeed(this.deps, this.parts, deletedAt === undefined ? 'feed' : 'remove');
  }

  private async giveUp({ wanted }: { wanted: boolean }): Promise<void> {
    await this.closeConnection();
    const mayAct = () => this.mayAct();
    const released = await release(this.deps, this.parts, { wanted, asked: this.asked, mayAct });
    this.finish({ released });
  }

  private finish({ released }: { released: boolean }): void {
    if (this.mode === 'gone') return;
    this.become('gone');
    const { hand, inbound, links, tasks } = this.parts;
    links.end();
    inbound.abandon();
    // Receipts that wait for an outcome which is never written are given back.
    hand.giveReceiptsBack();
    this.connection?.abort();
    tasks.cancel();
    this.halting.abort();
    this.host.gone(this, released);
  }

  /** `lost`: the connection has ended, or must, though the account is to stay connected. */
  private async closeConnection(lost?: { code?: number }): Promise<void> {
    const { events, inbound, links } = this.parts;
    links.end();
    if (lost !== undefined && isConnected(this.mode)) events.closed(lost.code);
    else if (this.mode === 'open') events.add('released');
    inbound.closed();
    const { connection } = this;
    this.connection = undefined;
    await connection?.close();
    // Fenced meanwhile, it is gone for good.
    if (isConnected(this.mode)) this.become('held');
  }
}
