import { type Hold, releaseAccount } from '../../lib/aws/hosts/ownership.ts';
import { type Account, type AccountHot, type AccountStatus, hasStopped } from '../../lib/domain/accounts/account.ts';
import { InHand } from '../../lib/sending/in-hand.ts';
import { Sender } from '../../lib/sending/sender.ts';
import { AuthCacheFull, AuthCorrupt } from '../auth/errors.ts';
import { ConnectionClose } from '../connection/close.ts';
import { Connection } from '../connection/connection.ts';
import { ConnectionEvents } from '../connection/events.ts';
import { listenTo } from '../connection/listener.ts';
import type { LiveSession } from '../connection/live-session.ts';
import type { AccountParts, HostDeps } from '../deps.ts';
import type { Movable } from '../host/handover.ts';
import type { FenceCause } from '../host/metrics.ts';
import { Inbound } from '../inbound/inbound.ts';
import { FirstContacts } from '../loop/first-contacts.ts';
import { SendLoop } from '../loop/send-loop.ts';
import { LinkSeries } from './link-series.ts';
import { OwnNumber } from './own-number.ts';
import { AccountRecord } from './record.ts';
import { AccountTurns } from './turns.ts';

/**
 *   held -> connecting -> open          a session exists in connecting and open
 *             ^    |        |
 *             |    v        v
 *             +- waiting <--+           until a timer fires
 *   any -> gone                         released, or taken from us
 */
type Mode = 'held' | 'connecting' | 'open' | 'waiting' | 'gone';

/**
 * One account this host owns: brings its status to what the tenant desires. Everything that happens to it (a note, a word from the
 * connection, a timer) is handled one after the other; what goes wrong in one account is caught here and never reaches another.
 */
export class AccountRunner {
  readonly hold: Hold;
  private readonly deps: HostDeps;
  private readonly parts: AccountParts;
  private readonly record: AccountRecord;
  private readonly inbound: Inbound;
  private readonly hand: InHand;
  private readonly sender: Sender;
  private readonly loop: SendLoop;
  private readonly links: LinkSeries;
  private readonly halting = new AbortController();
  private mode: Mode = 'held';
  /** The tenant's last wish we have acted on. */
  private asked: number | undefined;
  private readonly turns: AccountTurns;
  private readonly events: ConnectionEvents;
  private readonly connection: Connection;
  private readonly close: ConnectionClose;
  private readonly number: OwnNumber;
  private readonly listening: Parameters<typeof listenTo>[1];

  constructor(deps: HostDeps, parts: AccountParts, account: Account, hot: AccountHot) {
    this.deps = deps;
    this.parts = parts;
    this.hold = { tenantId: account.tenantId, accountId: account.id, hostId: deps.hostId, epoch: hot.epoch };
    this.turns = new AccountTurns({
      deps,
      gone: () => this.mode === 'gone',
      leaseLost: () => this.fence('lease lost'),
      recover: (error) => this.recover(error),
    });
    this.record = new AccountRecord(deps, this.hold, account, (why) => this.fence(why));
    const firstContacts = new FirstContacts(deps, this.record);
    this.inbound = new Inbound(
      deps,
      this.hold,
      () => this.record.account,
      () => this.mayAct(),
    );
    this.hand = new InHand({
      deps,
      hold: this.hold,
      inherited: hot.inHand,
      authHead: () => this.connection.authHead,
      mayAct: () => this.mayAct(),
      failed: (error) => this.deps.failed('receipt', error),
      holdMs: () => this.loop.receiptHoldMs,
      receiptJoined: () => this.loop.wake(),
    });
    this.sender = new Sender(deps, this.hand, () => this.record.account);
    this.loop = new SendLoop(deps, this.hold, () => this.record.account, hot, this.sender, firstContacts);
    this.events = new ConnectionEvents(deps, this.hold, lastActivity(account, hot));
    this.connection = new Connection({
      deps,
      parts,
      hold: this.hold,
      account: () => this.record.account,
      authHead: hot.authHead,
      fenced: (why) => this.fence(why, 's3'),
      events: this.events,
      warn: (warning, holds) => this.warn(warning, holds),
      useless: (live, why) => this.turns.post('check', () => this.close.dropped(live, why)),
    });
    this.close = new ConnectionClose({
      deps,
      record: this.record,
      sender: this.sender,
      connection: this.connection,
      refreshVersion: () => parts.refreshVersion(),
      closeSession: (lost) => this.closeSession(lost),
      connect: () => this.connect(),
      wait: (ms) => this.wait(ms),
      leave: () => this.leave({ wanted: false }),
      fence: (why) => this.fence(why),
    });
    this.number = new OwnNumber({ record: this.record, close: this.close, closeSession: () => this.closeSession() });
    this.links = new LinkSeries({
      clock: deps.clock,
      record: this.record,
      timedOut: () => this.turns.post('link', () => this.close.giveUpLinking()),
    });
    this.listening = {
      deps,
      record: this.record,
      links: this.links,
      hand: this.hand,
      inbound: this.inbound,
      firstContacts: {
        told: async (until) => {
          await firstContacts.told(until);
          this.loop.look();
        },
      },
      events: this.events,
      mayAct: () => this.mayAct(),
      handle: (live, where, task) => this.handle(live, where, task),
      linked: async (phoneNumber) => {
        this.links.end();
        await this.number.linked(phoneNumber);
      },
      passkeyDemanded: () => this.close.giveUpLinking('passkey_required'),
      opened: (live, phoneNumber) => this.opened(live, phoneNumber),
      closed: (end) => this.close.closed(end),
    };
  }

  get status(): AccountStatus {
    return this.record.account.status;
  }

  /** What somebody would notice if the account moved to another host now. */
  get load(): Movable['load'] {
    const { status, linkedAt } = this.record.account;
    if (status === 'awaiting_link' || (status === 'connecting' && linkedAt === undefined)) return 'linking';
    return !this.hand.hasOpen && !this.loop.hasWork ? 'idle' : 'busy';
  }

  /** Begins; and again whenever somebody says that the account changed. */
  look(): void {
    this.turns.post('look', () => this.reconcile());
  }

  /** Ends sends in hand, writes what is left, gives the account up for others to take. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.connection.live?.abort();
    this.halting.abort();
    this.turns.post('stop', async () => {
      try {
        await this.close.writeHalt();
        await this.leave({ wanted: this.wantsHost() });
      } catch (error) {
        this.deps.failed('stop', error);
        this.finish({ released: false });
      }
    });
    await this.turns.handled();
  }

  /** The host may not act any more: the connection is closed and nothing is written. */
  fence(why: string, by: FenceCause = 'epoch'): void {
    if (this.mode === 'gone') return;
    // Whoever has no lease is refused everywhere; that is not what the others did.
    const fence = by === 'retired' || this.deps.lease.valid() ? by : 'lease_lost';
    this.deps.metrics.fences.inc({ why: fence });
    this.deps.logger.warn(
      { account: this.hold.accountId, why, fence },
      'fenced: this host does not own the account any more',
    );
    // A claim or a release whose answer was lost looks the same as one of another host.
    this.finish({ released: false });
    this.closeSession()
      .then(() => this.connection.closeKeys())
      .catch((error: unknown) => this.deps.failed('fence', error));
  }

  /** Something is left for a host to do: to keep a connection, to tell WhatsApp of a logout, to remove the keys. */
  private wantsHost(): boolean {
    return this.record.account.desired !== 'disconnected';
  }

  private mayAct(): boolean {
    return this.mode !== 'gone' && this.deps.lease.valid();
  }

  private handle(live: () => LiveSession, where: string, task: () => Promise<void>): void {
    this.turns.post(where, async () => {
      if (this.connection.live === live()) await task();
    });
  }

  /** Damaged keys are reported, never used; anything else is tried again on a new connection. */
  private async recover(error: unknown): Promise<void> {
    try {
      // Another host has room for its keys.
      if (error instanceof AuthCacheFull) return await this.leave({ wanted: this.wantsHost() });
      if (error instanceof AuthCorrupt) {
        if (this.record.account.desired !== 'logged_out') return await this.close.fail('auth_state_damaged');
        // A logout needs no keys: WhatsApp will not hear of it, and nothing of the account is left here.
        return await this.close.forget('by_request');
      }
    } catch (again) {
      // Nothing else would come after this: the same error shows again.
      this.deps.failed('recover', again);
    }
    await this.close.retryLater();
  }

  /** Level-triggered: reads what is desired and does the next thing towards it. */
  private async reconcile(): Promise<void> {
    const account = await this.record.read();
    if (account === undefined) return await this.leave({ wanted: false });
    this.loop.look();
    await this.close.writeHalt();
    const askedAnew = account.asked !== this.asked;
    this.asked = account.asked;
    switch (account.desired) {
      case 'connected':
        if (this.mode === 'held' || (this.mode === 'waiting' && askedAnew)) return await this.connectUnlessHalted();
        await this.links.asked(account.pairingFor);
        return;
      case 'disconnected':
        await this.closeSession();
        // What the tenant has to confirm stays to be seen.
        if (account.linkedNumber !== undefined) await this.close.awaitConfirmation();
        else await this.record.save({ status: 'disconnected', statusReason: 'by_request' });
        return await this.leave({ wanted: false });
      case 'logged_out':
        return await this.logOut();
      default:
        return account.desired satisfies never;
    }
  }

  /** What WhatsApp has said outlives the host that heard it. */
  private async connectUnlessHalted(): Promise<void> {
    const { account } = this.record;
    if (hasStopped(account)) {
      if (account.linkedNumber !== undefined) await this.close.awaitConfirmation();
      return await this.close.rest();
    }
    if (account.status === 'logged_out') {
      // Its last owner may have died over them: neither the keys nor what was in hand go on with another device.
      await this.sender.abandon();
      await this.connection.wipeKeys();
    }
    const restrictedMs = (account.restrictedUntil ?? 0) - this.deps.clock.nowMs();
    if (restrictedMs <= 0) return await this.connect();
    // Whatever it has been since, a disconnection at the tenant's wish for one.
    await this.record.save({ status: 'restricted', statusReason: 'temporary_ban' });
    this.wait(restrictedMs);
  }

  private async connect(): Promise<void> {
    if (this.mode === 'gone') return;
    this.turns.cancel();
    this.mode = 'connecting';
    await this.record.save({ status: 'connecting', statusReason: undefined });
    await this.parts.connectSlot(this.halting.signal);
    if (this.halting.signal.aborted || this.mode !== 'connecting') return;
    await Promise.all([this.connection.ready(), this.events.load(), this.inbound.adopt()]);
    // Fenced meanwhile.
    if (!this.mayAct()) return await this.connection.closeKeys();
    if (await this.number.stopsOver(this.connection.linkedNumber)) return;
    const live = this.connection.open((live) => listenTo(live, this.listening));
    if (live === undefined) return;
    this.close.begun();
    this.links.begin(live.session);
  }

  private async opened(live: LiveSession, phoneNumber: string): Promise<void> {
    this.mode = 'open';
    this.close.opened();
    this.events.add('opened');
    this.links.end();
    if (this.record.account.desired === 'logged_out') return await this.logOut();
    if (await this.number.stopsOver(phoneNumber)) return;
    await this.record.save({
      status: 'connected',
      statusReason: undefined,
      restrictedUntil: undefined,
      link: undefined,
      pairingFor: undefined,
      phoneNumber,
      // The link stood already when its host ended before it could say so.
      ...(this.record.account.linkedAt === undefined && this.record.linked(phoneNumber)),
    });
    this.inbound.opened(live.session);
    const current = () => live;
    live.startSending(this.loop, this.hand.receipts, (end) => {
      if (end === 'fenced') this.fence('a newer claim stands');
      // Only a new connection tells what became of a send that went unanswered.
      else this.handle(current, 'reconnect', () => this.close.retryLater());
    });
  }

  private warn(warning: string, holds: boolean): void {
    if (this.mode !== 'open' || this.record.account.warnings.includes(warning) === holds) return;
    this.turns.post('warning', () =>
      this.record.warn(warning, holds).catch((error: unknown) => this.deps.failed('warning', error)),
    );
  }

  private wait(ms: number): void {
    // A write on the way here may have shown that the account is not ours any more.
    if (this.mode === 'gone') return;
    this.mode = 'waiting';
    this.turns.after(ms, async () => {
      if (this.mode !== 'waiting') return;
      this.mode = 'held';
      await this.reconcile();
    });
  }

  private async logOut(): Promise<void> {
    if (this.record.account.status === 'logged_out') return await this.close.forget('by_request');
    if (this.mode === 'held' && hasStopped(this.record.account)) return await this.close.rest();
    const keys = await this.connection.keys();
    if (!keys.registered()) return await this.close.forget('by_request');
    const { live } = this.connection;
    if (this.mode === 'open' && live !== undefined) {
      await live.stopSending();
      await live.session.logout();
      return await this.close.forget('by_request');
    }
    // WhatsApp hears of it on a connection only.
    if (this.mode === 'held') await this.connect();
  }

  private async leave(options: { wanted: boolean }): Promise<void> {
    await this.closeSession();
    await this.hand.receipts.settled();
    await Promise.all([this.connection.closeKeys(), this.events.save(), this.inbound.stop()]);
    let released = false;
    if (this.mayAct()) {
      await this.loop.giveBack().catch((error: unknown) => this.deps.failed('lane', error));
      await this.hand.flush();
      released = await releaseAccount(this.deps.table, this.hold, {
        wanted: options.wanted,
        asked: this.asked,
        authHead: this.connection.authHead,
        open: this.hand.hasOpen,
      });
    }
    this.finish({ released });
  }

  private finish({ released }: { released: boolean }): void {
    if (this.mode === 'gone') return;
    this.mode = 'gone';
    this.links.end();
    this.inbound.abandon();
    // Receipts that wait for an outcome nobody writes any more are given back.
    this.hand.giveReceiptsBack();
    this.connection.live?.abort();
    this.turns.cancel();
    this.halting.abort();
    this.parts.gone(this, released);
  }

  /** `lost`: it has ended, or must, though the account is to stay connected. */
  private async closeSession(lost?: { code?: number }): Promise<void> {
    this.links.end();
    const connected = this.mode === 'open' || this.mode === 'connecting';
    if (lost !== undefined && connected) this.events.closed(lost.code);
    else if (this.mode === 'open') this.events.add('released');
    this.inbound.closed();
    await this.connection.close();
    if (connected) this.mode = 'held';
  }
}

/** When something was last sent or received, as far as the account's items tell (epoch ms). */
function lastActivity({ createdAt, linkedAt }: Account, { lastActivity }: AccountHot): number {
  return Math.max(createdAt, linkedAt ?? 0, lastActivity ?? 0);
}
