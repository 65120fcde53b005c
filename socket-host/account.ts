import { requestFeed } from '../lib/aws/feed-queue.ts';
import { readText } from '../lib/aws/messages.ts';
import { type Hold, raiseEpoch, releaseAccount } from '../lib/aws/ownership.ts';
import type { Account, AccountHot, AccountStatus } from '../lib/domain/account.ts';
import { AccountRecord } from './account-record.ts';
import { AuthCorrupt } from './auth/errors.ts';
import type { AuthStore } from './auth/store.ts';
import { ConnectionHistory } from './connection-history.ts';
import type { AccountParts, HostDeps } from './deps.ts';
import { LinkSeries } from './link-series.ts';
import { LiveSession } from './live-session.ts';
import { Receipts } from './receipts.ts';
import { SendLoop } from './send-loop.ts';
import { Sender } from './sender.ts';
import type { SessionEnd, Transport, TransportListener } from './transport.ts';

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
  private readonly receipts: Receipts;
  private readonly sender: Sender;
  private readonly loop: SendLoop;
  private readonly links: LinkSeries;
  private readonly ended = new AbortController();
  private readonly halting = new AbortController();
  private mode: Mode = 'held';
  private tail: Promise<void> = Promise.resolve();
  private store: AuthStore | undefined;
  private transport: Transport | undefined;
  private live: LiveSession | undefined;
  /** The tenant's last wish we have acted on. */
  private asked: number | undefined;
  private sendsSeen = 0;
  private timer = new AbortController();
  private readonly history: ConnectionHistory;

  constructor(deps: HostDeps, parts: AccountParts, account: Account, hot: AccountHot) {
    this.deps = deps;
    this.parts = parts;
    this.hold = { tenantId: account.tenantId, accountId: account.id, hostId: deps.hostId, epoch: hot.epoch };
    this.record = new AccountRecord(deps, this.hold, account, (why) => this.fence(why));
    this.receipts = new Receipts({
      table: deps.table,
      sent: deps.sent,
      tenantId: account.tenantId,
      mayAct: () => this.mayAct(),
      failed: (error) => this.deps.failed('receipt', error),
    });
    this.sender = new Sender(deps, this.hold, hot.inHand);
    this.loop = new SendLoop(deps, this.hold, account, hot, this.sender);
    this.history = new ConnectionHistory(deps.clock, deps.random);
    this.links = new LinkSeries({
      clock: deps.clock,
      account: () => this.record.account,
      publish: (link) =>
        this.record.save({ status: 'awaiting_link', statusReason: undefined, link, pairingFor: undefined }),
      timedOut: () => this.post('link', () => this.giveUpLinking()),
      failed: (error) => this.deps.failed('link', error),
    });
  }

  get status(): AccountStatus {
    return this.record.account.status;
  }

  /** Begins; and again whenever somebody says that the account changed. */
  look(): void {
    this.post('look', () => this.reconcile());
  }

  /** Ends sends in hand, writes what is left, gives the account up for others to take. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.live?.abort();
    this.halting.abort();
    this.post('stop', () => this.leave({ wanted: this.wantsHost() }));
    await this.tail;
  }

  /** The host may not act any more: the connection is closed and nothing is written. */
  fence(why: string): void {
    if (this.mode === 'gone') return;
    this.deps.logger.warn({ account: this.hold.accountId, why }, 'fenced: this host does not own the account any more');
    this.finish();
    this.closeSession()
      .then(() => this.closeStore())
      .catch((error: unknown) => this.deps.failed('fence', error));
  }

  /** Something is left for a host to do: to keep a connection, or to tell WhatsApp of a logout. */
  private wantsHost(): boolean {
    const { desired, status } = this.record.account;
    return desired === 'connected' || (desired === 'logged_out' && status !== 'logged_out');
  }

  private mayAct(): boolean {
    return this.mode !== 'gone' && this.deps.lease.valid();
  }

  /** Handlers run one at a time; an error in one is counted, and the connection begins anew. */
  private post(where: string, task: () => Promise<void>): void {
    this.tail = this.tail.then(async () => {
      if (this.mode === 'gone') return;
      if (!this.deps.lease.valid()) {
        this.fence('lease lost');
        return;
      }
      try {
        await task();
      } catch (error) {
        this.deps.failed(where, error);
        await this.recover(error).catch((again: unknown) => this.deps.failed(where, again));
      }
    });
  }

  /** Damaged keys are reported, never used; anything else is tried again on a new connection. */
  private async recover(error: unknown): Promise<void> {
    if (!(error instanceof AuthCorrupt)) return await this.retryLater();
    await this.record.save({ status: 'failed', statusReason: 'auth_state_damaged' });
    await this.leave({ wanted: false });
  }

  /** Level-triggered: reads what is desired and does the next thing towards it. */
  private async reconcile(): Promise<void> {
    const account = await this.record.read();
    if (account === undefined) return await this.leave({ wanted: false });
    this.loop.look(account);
    const askedAnew = account.asked !== this.asked;
    this.asked = account.asked;
    switch (account.desired) {
      case 'connected':
        if (this.mode === 'held' || (this.mode === 'waiting' && askedAnew)) return await this.connectUnlessRestricted();
        if (this.live !== undefined) await this.links.asked(this.live.session, account.pairingFor);
        return;
      case 'disconnected':
        await this.closeSession();
        await this.record.save({ status: 'disconnected', statusReason: 'by_request' });
        return await this.leave({ wanted: false });
      case 'logged_out':
        return await this.logOut();
      default:
        return account.desired satisfies never;
    }
  }

  /** A restriction outlives the host that met it. */
  private async connectUnlessRestricted(): Promise<void> {
    const { status, restrictedUntil } = this.record.account;
    const restrictedMs = (restrictedUntil ?? 0) - this.deps.clock.nowMs();
    if (status === 'restricted' && restrictedMs > 0) this.wait(restrictedMs);
    else await this.connect();
  }

  private async connect(): Promise<void> {
    this.timer.abort();
    this.mode = 'connecting';
    await this.record.save({ status: 'connecting', statusReason: undefined });
    await this.parts.connectSlot(this.halting.signal);
    if (this.halting.signal.aborted || this.mode !== 'connecting') return;
    if (this.store === undefined) await this.openStore();
    if (this.transport === undefined || this.ended.signal.aborted) return;
    const live: LiveSession = new LiveSession(this.deps, this.transport.open(this.listener(() => live)));
    this.live = live;
    this.links.begin(live.session);
  }

  private async openStore(): Promise<AuthStore> {
    const store = await this.parts.openStore(this.hold, (why) => this.fence(why));
    this.store = store;
    this.transport = this.parts.transport(store, this.record.account);
    return store;
  }

  private listener(live: () => LiveSession): TransportListener {
    const mine = (where: string, task: () => Promise<void>) =>
      this.post(where, async () => {
        if (this.live === live()) await task();
      });
    return {
      onLink: (link) => mine('link', () => this.links.offered(live().session, link)),
      onLinked: ({ phoneNumber }) =>
        mine('linked', async () => {
          this.links.end();
          await this.record.save({
            phoneNumber,
            linkedAt: this.deps.clock.nowMs(),
            ...this.record.pacedSince(phoneNumber),
            link: undefined,
            pairingFor: undefined,
          });
        }),
      onOpen: ({ phoneNumber }) => mine('open', () => this.opened(live(), phoneNumber)),
      onDrained: () => live().drained(),
      onReceipt: (receipt) => {
        this.deps.metrics.receipts.inc({ kind: receipt.kind });
        this.receipts.add(receipt);
      },
      onInbound: async (message) => {
        if (!this.mayAct()) throw new Error('this host does not own the account any more');
        await this.record.keepInbound(message);
      },
      textOf: (messageId) => readText(this.deps.table, this.hold.tenantId, messageId),
      onClosed: (end) => mine('closed', () => this.closed(end)),
      onWarning: (warning) => mine('warning', () => this.record.warn(warning)),
    };
  }

  private async opened(live: LiveSession, phoneNumber: string): Promise<void> {
    this.mode = 'open';
    this.history.opened();
    this.links.end();
    if (this.record.account.desired === 'logged_out') return await this.logOut();
    await this.record.save({
      status: 'connected',
      statusReason: undefined,
      restrictedUntil: undefined,
      link: undefined,
      pairingFor: undefined,
      phoneNumber,
      ...(this.record.account.linkedAt === undefined ? { linkedAt: this.deps.clock.nowMs() } : {}),
    });
    live.startSending(this.loop, this.receipts, (end) => {
      if (end === 'fenced') this.fence('a newer claim stands');
      // Only a new connection tells what became of a send that went unanswered.
      else this.post('reconnect', () => (this.live === live ? this.retryLater() : Promise.resolve()));
    });
  }

  private async closed(end: SessionEnd): Promise<void> {
    const { clock, metrics, logger } = this.deps;
    metrics.closes.inc({ code: String(end.code ?? 'none') });
    logger.info({ account: this.hold.accountId, code: end.code, detail: end.detail }, 'connection closed');
    await this.closeSession();
    const reaction = this.history.judge(end, this.record.account);
    switch (reaction.kind) {
      case 'reconnect_now':
        await this.store?.commit();
        return await this.connect();
      case 'backoff':
        await this.record.save({ status: 'disconnected', statusReason: 'connection_lost' });
        return await this.retryLater();
      case 'await_user':
        return await this.giveUpLinking();
      case 'logged_out':
        return await this.forget(reaction.byUs ? 'by_request' : 'by_whatsapp');
      case 'replaced':
        return await this.takeBack();
      case 'restricted':
        await this.record.save({
          status: 'restricted',
          statusReason: 'temporary_ban',
          restrictedUntil: reaction.untilMs,
        });
        return this.wait(reaction.untilMs - clock.nowMs());
      case 'banned':
        if (this.record.account.deletedAt !== undefined) return await this.forget('by_whatsapp');
        await this.sender.abandon();
        await this.record.save({ status: 'banned', statusReason: `refused_${end.code}` });
        return await this.leave({ wanted: false });
      case 'refresh_version':
        await this.parts.refreshVersion();
        return await this.connect();
      case 'failed':
        if (this.record.account.deletedAt !== undefined) return await this.forget('by_request');
        await this.record.save({ status: 'failed', statusReason: reaction.reason });
        return await this.leave({ wanted: false });
      default:
        return reaction satisfies never;
    }
  }

  /** 440 while our claim is valid: once, under a new epoch with a new barrier, after jitter. */
  private async takeBack(): Promise<void> {
    await this.closeStore();
    if (!(await raiseEpoch(this.deps.table, this.hold))) return this.fence('a newer claim stands');
    await this.record.save({ status: 'disconnected', statusReason: 'replaced' });
    this.wait(1000 + this.deps.random() * 2000);
  }

  private async retryLater(): Promise<void> {
    await this.closeSession();
    const sends = this.sender.settledSends;
    this.wait(this.history.nextWaitMs(sends > this.sendsSeen));
    this.sendsSeen = sends;
  }

  private wait(ms: number): void {
    this.mode = 'waiting';
    this.timer.abort();
    this.timer = new AbortController();
    const signal = AbortSignal.any([this.timer.signal, this.ended.signal]);
    void this.deps.clock.sleep(ms, signal).then(() => {
      if (signal.aborted) return;
      this.post('timer', async () => {
        if (this.mode !== 'waiting') return;
        this.mode = 'held';
        await this.reconcile();
      });
    });
  }

  private async giveUpLinking(): Promise<void> {
    await this.closeSession();
    await this.record.save({
      status: 'disconnected',
      statusReason: 'link_timeout',
      link: undefined,
      pairingFor: undefined,
    });
    await this.leave({ wanted: false });
  }

  private async logOut(): Promise<void> {
    if (this.record.account.status === 'logged_out') return await this.forget('by_request');
    const store = this.store ?? (await this.openStore());
    if (!store.registered()) return await this.forget('by_request');
    if (this.mode === 'open' && this.live !== undefined) {
      await this.live.stopSending();
      await this.live.session.logout();
      return await this.forget('by_request');
    }
    // WhatsApp hears of it on a connection only.
    if (this.mode === 'held') await this.connect();
  }

  /** The device is unlinked: its keys are worth nothing any more. */
  private async forget(reason: 'by_request' | 'by_whatsapp'): Promise<void> {
    await this.closeSession();
    await this.sender.abandon();
    const store = this.store ?? (await this.openStore());
    await store.wipe();
    this.store = undefined;
    await this.record.save({ status: 'logged_out', statusReason: reason, linkedAt: undefined, link: undefined });
    const { deletedAt } = this.record.account;
    await this.leave({ wanted: false });
    if (deletedAt !== undefined) {
      const { tenantId, accountId } = this.hold;
      await requestFeed(this.deps.sqs, this.deps.config.FEED_QUEUE_URL, { kind: 'remove', tenantId, accountId });
    }
  }

  private async leave(options: { wanted: boolean }): Promise<void> {
    await this.closeSession();
    await this.receipts.settled();
    await this.closeStore();
    if (this.mayAct()) {
      await this.sender.flush();
      await releaseAccount(this.deps.table, this.hold, { wanted: options.wanted, asked: this.asked });
    }
    this.finish();
  }

  private finish(): void {
    if (this.mode === 'gone') return;
    this.mode = 'gone';
    this.links.end();
    this.live?.abort();
    this.ended.abort();
    this.halting.abort();
    this.parts.gone(this);
  }

  private async closeSession(): Promise<void> {
    this.links.end();
    const { live } = this;
    this.live = undefined;
    await live?.close();
    if (this.mode === 'open' || this.mode === 'connecting') this.mode = 'held';
  }

  private async closeStore(): Promise<void> {
    const { store } = this;
    this.store = undefined;
    this.transport = undefined;
    await store?.close();
  }
}
