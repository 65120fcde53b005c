import { type FeedRequest, requestFeed } from '../../lib/aws/contracts/feed-queue.ts';
import { raiseEpoch } from '../../lib/aws/hosts/ownership.ts';
import { type Account, hasStopped, isOtherNumber } from '../../lib/domain/accounts/account.ts';
import type { Reaction } from '../../lib/domain/accounts/disconnect.ts';
import { passkeySentence, withLinkingWarning } from '../../lib/domain/accounts/linking.ts';
import type { Sender } from '../../lib/sending/sender.ts';
import type { AccountRecord, Patch } from '../account/record.ts';
import type { HostDeps } from '../deps.ts';
import { codeLabel } from '../host/metrics.ts';
import type { SessionEnd } from '../transport.ts';
import type { Useless } from './check.ts';
import type { Connection } from './connection.ts';
import { ConnectionHistory } from './history.ts';
import type { LiveSession } from './live-session.ts';

/** The account's parts, and the moves of its state machine, that the end of a connection can lead to. */
interface Needs {
  deps: HostDeps;
  record: AccountRecord;
  sender: Sender;
  connection: Connection;
  refreshVersion(): Promise<void>;
  /** `lost`: it has ended, or must, though the account is to stay connected. */
  closeSession(lost?: { code?: number }): Promise<void>;
  connect(): Promise<void>;
  /** Connects again after so long. */
  wait(ms: number): void;
  /** Gives the account up; nobody needs to take it. */
  leave(): Promise<void>;
  /** The account is not ours any more. */
  fence(why: string): void;
}

type HaltPatch = Patch & { status: Account['status'] };

/** What follows the end of a connection: another one, now or later, or a status in which the account stops. */
export class ConnectionClose {
  private readonly needs: Needs;
  private readonly history: ConnectionHistory;
  private sendsSeen = 0;
  /** Why the last connection ended, until the next one begins. */
  private last: string | undefined;
  /** A status that is not written yet. */
  private unwritten: HaltPatch | undefined;

  constructor(needs: Needs) {
    this.needs = needs;
    const { clock, random, config } = needs.deps;
    this.history = new ConnectionHistory(clock, { baseMs: config.RECONNECT_BASE_MS, random });
  }

  /** A connection begins. */
  begun(): void {
    if (this.last !== undefined) this.needs.deps.metrics.reconnects.inc({ code: this.last });
    this.last = undefined;
  }

  /** It is open. */
  opened(): void {
    this.history.opened();
  }

  /** It has ended. */
  async closed(end: SessionEnd): Promise<void> {
    const { deps, record } = this.needs;
    this.last = codeLabel(end.code, 'none');
    deps.metrics.closes.inc({ code: this.last });
    deps.logger.info({ account: record.hold.accountId, code: end.code, detail: end.detail }, 'connection closed');
    await this.needs.closeSession(end);
    // It had to stay open until here, see `AccountRunner.linked`.
    if (record.account.linkedNumber !== undefined && hasStopped(record.account)) return await this.rest();
    await this.react(this.history.judge(end, record.account), end.code);
  }

  /** A check has shown that it is of no use any more. */
  async dropped(live: LiveSession, why: Useless): Promise<void> {
    if (this.needs.connection.live !== live) return;
    // Nothing is answered any more: a message in hand need not wait for its ack.
    if (why !== 'errors') await live.session.close();
    const end = await this.needs.connection.end();
    if (end !== undefined) return await this.closed(end);
    if (why === 'errors') return await this.closed({ detail: 'too many errors' });
    // While linking, 408 says that nobody used the codes.
    const code = this.needs.record.account.linkedAt === undefined ? 428 : 408;
    await this.closed({ code, detail: 'nothing comes from the server any more' });
  }

  /** Ends the connection, if there is one, and connects again after the backoff. */
  async retryLater(): Promise<void> {
    // A message in hand fails before the connection is known to have ended: WhatsApp's word on why comes first all the same.
    const end = await this.needs.connection.end();
    if (end !== undefined) {
      try {
        return await this.closed(end);
      } catch (error) {
        // Nothing else would come after this: what could not be done now is done before the next connection.
        this.needs.deps.failed('close', error);
      }
    }
    this.last ??= 'ours';
    await this.needs.closeSession({});
    const sends = this.needs.sender.hand.outcomeCount;
    this.needs.wait(this.history.nextWaitMs(sends > this.sendsSeen));
    this.sendsSeen = sends;
  }

  /** Nobody used the codes, or they cannot be used: the account waits for its user, without a host. */
  async giveUpLinking(statusReason: 'link_timeout' | 'passkey_required' = 'link_timeout'): Promise<void> {
    await this.needs.closeSession();
    const patch: HaltPatch = { status: 'disconnected', statusReason, link: undefined, pairingFor: undefined };
    if (statusReason === 'passkey_required') {
      patch.warnings = withLinkingWarning(this.needs.record.account.warnings, passkeySentence);
    }
    if (await this.halt(patch)) await this.rest();
  }

  /**
   * The phone that was linked has another number than the account. The status stands with that number, in one write, whatever becomes of
   * this host. `rest` must follow once the connection is closed. False: the account is not ours any more.
   */
  async haltAs(linkedNumber: string): Promise<boolean> {
    return await this.halt({
      status: 'disconnected',
      statusReason: 'number_changed',
      linkedNumber,
      linkedAt: this.needs.deps.clock.nowMs(),
      link: undefined,
      pairingFor: undefined,
    });
  }

  /** The status of such an account stands again, where a logout was begun and taken back. */
  async awaitConfirmation(): Promise<void> {
    const { record } = this.needs;
    // Not where it stands already: the tenant may be confirming at this moment.
    if (record.account.statusReason === 'number_changed') return;
    await record.save({ status: 'disconnected', statusReason: 'number_changed' });
  }

  /** The device is unlinked: what is in hand ends, and its keys go. */
  async forget(reason: 'by_request' | 'by_whatsapp'): Promise<void> {
    await this.needs.closeSession();
    const unlinked = { linkedAt: undefined, linkedNumber: undefined, link: undefined, restrictedUntil: undefined };
    if (await this.halt({ status: 'logged_out', statusReason: reason, ...unlinked })) await this.rest();
  }

  /** Connecting again cannot help. */
  async fail(statusReason: string): Promise<void> {
    if (await this.halt({ status: 'failed', statusReason, replacedAt: undefined })) await this.rest();
  }

  /** Writes the status that could not be written when the account stopped: without it the next thing would be a connection. */
  async writeHalt(): Promise<void> {
    const { unwritten } = this;
    if (unwritten === undefined) return;
    // Its write stood although the answer was lost, and the tenant has confirmed the number since.
    const { linkedNumber } = unwritten;
    if (linkedNumber !== undefined && !isOtherNumber(this.needs.record.account, linkedNumber)) {
      this.unwritten = undefined;
      return;
    }
    await this.halt(unwritten);
  }

  /**
   * Does what is left to do for an account that has stopped, and gives it up. The status stands already and says what that is, so that
   * whoever finds it undone, this owner after an error or another after our death, does it instead of connecting.
   */
  async rest(): Promise<void> {
    const { record, sender, connection } = this.needs;
    const { status, deletedAt, linkedNumber } = record.account;
    // What one number had in hand is not sent by another.
    if (status === 'logged_out' || status === 'banned' || linkedNumber !== undefined) await sender.abandon();
    if (status === 'logged_out') await connection.wipeKeys();
    await this.needs.leave();
    await this.askFeed(deletedAt === undefined ? 'feed' : 'remove');
  }

  /** Does what the reaction asks for. `code` is WhatsApp's, undefined where it gave none. The session is closed already. */
  private async react(reaction: Reaction, code: number | undefined): Promise<void> {
    const { deps, record, connection } = this.needs;
    switch (reaction.kind) {
      case 'reconnect_now':
        await connection.commitKeys();
        return await this.needs.connect();
      case 'backoff':
        return await this.lineLost();
      case 'await_user':
        return await this.giveUpLinking();
      case 'logged_out':
        return await this.forget(reaction.byUs ? 'by_request' : 'by_whatsapp');
      case 'replaced':
        return await this.takeBack();
      case 'restricted':
        // What is in hand stays so, and is settled on the next connection.
        await this.halt({ status: 'restricted', statusReason: 'temporary_ban', restrictedUntil: reaction.untilMs });
        // What waits in its lanes goes back to its contracts.
        await this.askFeed('feed');
        return this.needs.wait(reaction.untilMs - deps.clock.nowMs());
      case 'banned':
        if (record.account.deletedAt !== undefined) return await this.forget('by_whatsapp');
        if (await this.halt({ status: 'banned', statusReason: `refused_${code}` })) await this.rest();
        return;
      case 'refresh_version':
        return await this.renewVersion();
      case 'failed':
        if (record.account.deletedAt !== undefined) return await this.forget('by_request');
        return await this.fail(reaction.reason);
      default:
        return reaction satisfies never;
    }
  }

  private async lineLost(): Promise<void> {
    await this.needs.record.save({ status: 'disconnected', statusReason: 'connection_lost' });
    await this.retryLater();
  }

  /** 405: connects with the current client version; while that cannot be read, tries again like after a lost line. */
  private async renewVersion(): Promise<void> {
    try {
      await this.needs.refreshVersion();
    } catch (error) {
      this.needs.deps.failed('version', error);
      return await this.lineLost();
    }
    this.history.refreshed();
    await this.needs.connect();
  }

  /** 440 while our claim is valid: once, under a new epoch with a new barrier, after jitter. */
  private async takeBack(): Promise<void> {
    const { deps, record, connection } = this.needs;
    await connection.closeKeys();
    // First: whatever happens now, nobody takes it back once more.
    await record.save({ status: 'disconnected', statusReason: 'replaced', replacedAt: deps.clock.nowMs() });
    if (!(await raiseEpoch(deps.table, record.hold))) return this.needs.fence('a newer claim stands');
    this.needs.wait(1000 + deps.random() * 2000);
  }

  /**
   * A status in which the account cannot send. It is WhatsApp's word: should this fail, `writeHalt` comes before the next connection. False: the
   * account is not ours any more.
   */
  private async halt(patch: HaltPatch): Promise<boolean> {
    const { record } = this.needs;
    // Written late, it must not swallow what the tenant asks meanwhile.
    this.unwritten = { statusAsked: record.account.asked, ...patch };
    const stood = await record.save(this.unwritten);
    this.unwritten = undefined;
    return stood;
  }

  /** The status stands whether the feed hears of it at once or not: the sweep asks it about queued messages again. */
  private async askFeed(kind: FeedRequest['kind']): Promise<void> {
    const { deps, record } = this.needs;
    const { tenantId, accountId } = record.hold;
    try {
      await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind, tenantId, accountId });
    } catch (error) {
      deps.failed('feed', error);
    }
  }
}
