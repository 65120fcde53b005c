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

/** `idle`: the account has nothing to send. `linking`: the tenant may be scanning the code. */
export type Load = 'idle' | 'busy' | 'linking';

/**
 * The state machine of one account that this host owns. It moves the account to the status that the tenant desires, by the modes and moves of
 * mode.ts. Notes, calls from the connection and timers are handled one after the other. Errors of one account are caught here and never
 * reach another account.
 */
export class AccountRunner implements Machine {
  readonly hold: Hold;
  private readonly deps: HostDeps;
  private readonly host: AccountHost;
  private readonly parts: AccountParts;
  private readonly halting = new AbortController();
  private mode: Mode = 'held';
  private connection: Connection | undefined;
  /** The tenant's last request (`Account.asked`) that this host has acted on. */
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

  /** Says how much a move of the account to another host would disturb now. */
  get load(): Load {
    const { status, linkedAt } = this.account;
    if (status === 'awaiting_link' || (status === 'connecting' && linkedAt === undefined)) return 'linking';
    return !this.parts.hand.hasOpen && !this.parts.loop.hasWork ? 'idle' : 'busy';
  }

  /** Reads the account and acts on it. Call this first, and again whenever the account may have changed. */
  look(): void {
    this.parts.tasks.post('look', () => this.reconcile());
  }

  /** Finishes the send in hand, writes what is unwritten, and gives the account up for other hosts. Resolves when the account is given up. */
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

  /** Stops acting for the account, because this host may not any more. Closes the connection and writes nothing. */
  fence(why: string, by: FenceCause = 'epoch'): void {
    if (this.mode === 'gone') return;
    // Without a lease every write is refused, so a refusal does not show that another host owns the account.
    const fence = by === 'retired' || this.deps.lease.valid() ? by : 'lease_lost';
    this.deps.metrics.fences.inc({ why: fence });
    this.deps.logger.warn(
      { account: this.hold.accountId, why, fence },
      'fenced: this host does not own the account any more',
    );
    // Not `released`: the account may still be in this host's name. Our own claim or release looks like another host's when its answer is lost.
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

  /** Changes the mode. No other code does. */
  private become(next: Mode): void {
    this.mode = move(this.mode, next);
  }

  /** Returns true if a host still has work for the account: to keep a connection, to log out at the network, or to remove the keys. */
  private wantsHost(): boolean {
    return this.account.desired !== 'disconnected';
  }

  /** Reads what the tenant desires, and does the next step towards it. */
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
        // Keeps showing the number that the tenant has to confirm.
        if (account.linkedNumber !== undefined) await record.awaitConfirmation();
        else await record.save({ status: 'disconnected', statusReason: 'by_request' });
        return await this.giveUp({ wanted: false });
      case 'logged_out':
        return await this.logOut();
      default:
        return account.desired satisfies never;
    }
  }

  /** Connects, unless the account has stopped or is restricted. */
  private async connectUnlessStopped(): Promise<void> {
    const { record, sender, transport } = this.parts;
    if (hasStopped(this.account)) {
      if (this.account.linkedNumber !== undefined) await record.awaitConfirmation();
      return await this.rest();
    }
    if (this.account.status === 'logged_out') {
      // An earlier owner may have died before it did this. The next device must use neither the old keys nor the messages in hand.
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
    // The account may have been fenced meanwhile.
    if (!this.mayAct()) return await transport.close();
    const linkedNumber = transport.linkedNumber();
    // An earlier owner may have died before it could write the link.
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
    // Only a new connection can show the outcome of a send without an answer.
    const again = () => this.retryLater();
    if (end === 'fenced') this.fence('the account has a newer claim');
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
    // The server answers no more, so the message in hand must not wait for its ack.
    if (why !== 'errors') await this.connection?.session.close();
    const end = await this.connection?.close();
    if (end !== undefined) return await this.closed(end);
    if (why === 'errors') return await this.closed({ reason: 'unsaid', detail: 'too many errors' });
    // The codes that WhatsApp would have given, for metrics.
    const code = this.account.linkedAt === undefined ? 428 : 408;
    await this.closed({ reason: 'lost', code, detail: 'nothing comes from the server any more' });
  }

  async closed(end: SessionEnd): Promise<void> {
    const { history } = this.parts;
    history.ended(end);
    await this.closeConnection(end);
    await this.follow(history.judge(end, this.account));
  }

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

  /** Learns the current client version and connects. If the version cannot be read, retries as after a lost connection. */
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

  /** Takes the connection back from another connection of the device, while our claim is valid: once, under a new epoch, after 1 to 3 s. */
  private async takeBack(): Promise<void> {
    const { clock, random, table } = this.deps;
    await this.parts.transport.close();
    // Written first, so that the connection is taken back only once.
    await this.parts.record.save({ status: 'disconnected', statusReason: 'replaced', replacedAt: clock.nowMs() });
    if (!(await raiseEpoch(table, this.hold))) return this.fence('the account has a newer claim');
    this.wait(1000 + random() * 2000);
  }

  /** Ends the connection, if there is one, and connects again after the backoff. */
  private async retryLater(): Promise<void> {
    const { hand, history } = this.parts;
    // A send may fail before the end of the connection is handled. The network's reason for that end decides first.
    const end = await this.connection?.close();
    if (end !== undefined) {
      try {
        return await this.closed(end);
      } catch (error) {
        // The next connection is attempted after this error too. Work that failed here is done before it.
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
        // A logout is possible without keys. The network does not hear of it, and the account's state is removed.
        if (this.account.desired === 'logged_out') return await this.forgetDevice();
        return await this.halt({ kind: 'failed', reason: 'auth_state_damaged' });
      }
    } catch (again) {
      // Without a retry the account would have no next task. The retry shows the same error again.
      this.deps.failed('recover', again);
    }
    await this.retryLater();
  }

  private wait(ms: number): void {
    // An earlier write may have shown that this host does not own the account any more.
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
    // The network hears of a logout only on a connection.
    if (this.mode === 'held') await this.connect();
  }

  private async forgetDevice(): Promise<void> {
    await this.halt({ kind: 'logged_out', reason: 'by_request' });
  }

  async halt(halt: Halt): Promise<void> {
    await this.closeConnection();
    const stood = await this.parts.record.halt(halt);
    if (halt.kind === 'restricted') {
      // The message in hand stays in hand and is resolved on the next connection. The feed recalls the messages in the lanes.
      await askFeed(this.deps, this.parts, 'feed');
      this.wait(halt.untilMs - this.deps.clock.nowMs());
    } else if (stood) await this.rest();
  }

  /** Finishes an account whose status says that it has stopped: cleans up and gives the account up. */
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
    // Rejects receipts that wait for an outcome, because it will not be written.
    hand.giveReceiptsBack();
    this.connection?.abort();
    tasks.cancel();
    this.halting.abort();
    this.host.gone(this, released);
  }

  /** Pass `lost` if the connection has ended or must end, although the account should stay connected. */
  private async closeConnection(lost?: { code?: number }): Promise<void> {
    const { events, inbound, links } = this.parts;
    links.end();
    if (lost !== undefined && isConnected(this.mode)) events.closed(lost.code);
    else if (this.mode === 'open') events.add('released');
    inbound.closed();
    const { connection } = this;
    this.connection = undefined;
    await connection?.close();
    // An account that was fenced meanwhile stays `gone`.
    if (isConnected(this.mode)) this.become('held');
  }
}
