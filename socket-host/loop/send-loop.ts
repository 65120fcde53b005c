import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';
import type { PacePlan } from '../../lib/domain/accounts/pacing.ts';
import { stepRetryWaitMs } from '../../lib/domain/backoff.ts';
import type { Content } from '../../lib/domain/content.ts';
import type { Message } from '../../lib/domain/messages/message.ts';
import { Bell } from '../../lib/runtime/clock.ts';
import { Admission, type Recipients } from '../../lib/sending/admission.ts';
import type { InHand } from '../../lib/sending/in-hand.ts';
import { Pacer } from '../../lib/sending/pacer.ts';
import type { Sender } from '../../lib/sending/sender.ts';
import type { HostDeps } from '../deps.ts';
import type { TransportSession } from '../transport.ts';
import { EndingContracts } from './ending-contracts.ts';
import { FeedTimes } from './feed-times.ts';
import type { FirstContacts } from './first-contacts.ts';
import { LaneReader, type Taken } from './lane-reader.ts';
import { LaneStock } from './lane-stock.ts';
import { LeftOvers } from './left-over.ts';
import { ReadAhead } from './read-ahead.ts';
import type { SendEnd } from './send-end.ts';
import { Withdrawal } from './withdrawal.ts';

/** If the lanes give nothing for this time (ms) although the table counts messages, they are fed again. An entry cannot stay hidden so long. */
const refeedAfterMs = 45_000;
/** Time (ms) between the claim and typing, for the claim itself and for the lookup of the number. */
const lookupMs = 500;
/** The usual longest time (ms) to write an outcome alone. An outcome is written this long before the next message. */
const writeMs = 100;
/** Time (ms) that a receipt waits for the next outcome, to share the write of its counter. Default pacing sends every 3 to 8 s. */
const receiptHoldMs = 5_000;
/** After this time (ms) without work the totals are written, without the next claim. */
const flushAfterMs = 1_000;

/**
 * Sends one account's messages, one at a time, while its connection is open. Call `run` for each connection.
 *
 *   ask pacing -> take from a lane -> read text and contract -> wait, delay -> claim -> lookup -> typing -> wire -> ack -> outcome -> delete
 *
 * A message without an outcome at the end of a connection is resolved first on the next one. SQS is asked only while the table counts messages
 * in the lanes. The feed is asked for more when half a window is left, and once when the lanes are empty.
 */
export class SendLoop {
  private readonly deps: HostDeps;
  private readonly account: () => Account;
  private readonly sender: Sender;
  private readonly hand: InHand;
  private readonly firstContacts: FirstContacts;
  private readonly lanes: LaneReader;
  private readonly bell = new Bell();
  private readonly pacer: Pacer;
  private readonly stock: LaneStock;
  private readonly feed = new FeedTimes();
  private failures = 0;
  /** The lane entry of a message without an outcome. It is deleted once the message is resolved; until then it blocks its recipient's messages. */
  private openEntry: Taken | undefined;
  private readonly ahead: ReadAhead;
  private readonly admission: Admission;
  private readonly withdrawal: Withdrawal;
  private readonly leftOvers: LeftOvers;
  private readonly ending: EndingContracts;

  constructor(
    deps: HostDeps,
    hold: Hold,
    account: () => Account,
    hot: AccountHot,
    sender: Sender,
    firstContacts: FirstContacts,
  ) {
    this.deps = deps;
    this.account = account;
    this.firstContacts = firstContacts;
    this.sender = sender;
    this.hand = sender.hand;
    this.pacer = new Pacer(deps, account, hot.pace);
    this.stock = new LaneStock(deps, hold, hot);
    this.ahead = new ReadAhead(deps.table);
    this.admission = new Admission(deps, sender.hand, hot);
    this.ending = new EndingContracts(deps.table, deps.clock);
    this.lanes = new LaneReader(deps.sqs, account().laneUrls, deps.clock);
    this.withdrawal = new Withdrawal({
      deps,
      account,
      hand: sender.hand,
      firstContacts,
      stock: this.stock,
      lanes: this.lanes,
      feed: this.feed,
    });
    this.leftOvers = new LeftOvers({
      deps,
      sender,
      admission: this.admission,
      pacer: this.pacer,
      firstContacts,
      feed: this.feed,
      bell: this.bell,
      recipients: (message, session) => this.recipients(message, session),
      sendOne: (session, message, content, planned) => this.sendOne(session, message, content, planned),
    });
  }

  /** Call this when the account changed, or its lanes hold something new. */
  look(): void {
    this.stock.look();
    this.bell.ring();
  }

  /** Wakes the loop from a wait, for example when a receipt has joined an outcome. */
  wake(): void {
    this.bell.ring();
  }

  /** True if the lanes have messages, by the last count of the table, and the tenant does not hold the account's sending. */
  get hasWork(): boolean {
    return this.stock.some && this.account().pausedAt === undefined;
  }

  /** Time (ms) that a receipt waits for the next outcome. It is 0 unless a paced account has more to send. */
  get receiptHoldMs(): number {
    return this.hasWork && this.pacer.policy !== undefined ? receiptHoldMs : 0;
  }

  /** Sends until the signal fires, the connection must be renewed, or this host does not own the account any more. Returns the reason. */
  async run(session: TransportSession, signal: AbortSignal): Promise<SendEnd> {
    try {
      return await this.send(session, signal);
    } finally {
      // The next connection may come much later.
      await this.hand.writeOutcomes().catch((error: unknown) => this.deps.failed('outcome', error));
    }
  }

  private async send(session: TransportSession, signal: AbortSignal): Promise<SendEnd> {
    this.ahead.clear();
    this.pacer.reconnected();
    this.stock.stale = true;
    // A previous owner may have died with a retry due, so the feed is asked once the lanes are empty.
    this.feed.at(this.firstContacts.untilMs ?? Number.POSITIVE_INFINITY);
    const end = await this.resolveOpen(session, signal);
    if (end !== undefined) return end;
    while (!signal.aborted) {
      if (!this.deps.lease.valid()) return 'fenced';
      const end = await this.stepSafely(session, signal);
      if (end !== undefined) return end;
    }
    await this.giveBack();
    return 'stopped';
  }

  /** Deletes done entries and gives the others back to the lanes, so that the next owner need not wait for them. */
  async giveBack(): Promise<void> {
    if (!this.deps.lease.valid()) return;
    if (this.openEntry !== undefined) this.lanes.putBack(this.openEntry);
    this.openEntry = undefined;
    await this.lanes.flush();
    await this.lanes.giveBack();
  }

  /** Runs one step. An error of AWS ends the connection only if a message in hand may have left on it. */
  private async stepSafely(session: TransportSession, signal: AbortSignal): Promise<SendEnd | undefined> {
    try {
      const end = await (this.hand.claimIsUnsure ? this.resolveOpen(session, signal) : this.step(session, signal));
      this.failures = 0;
      return end;
    } catch (error) {
      if (this.hand.hasOpen && !this.hand.claimIsUnsure) throw error;
      this.deps.failed('send', error);
      this.failures += 1;
      this.stock.stale = true;
      await this.deps.clock.sleep(stepRetryWaitMs(this.failures, this.deps.random), signal);
      return undefined;
    }
  }

  private async step(session: TransportSession, signal: AbortSignal): Promise<SendEnd | undefined> {
    const { clock } = this.deps;
    await this.firstContacts.refresh();
    this.feed.follow(this.firstContacts.untilMs);
    if (this.stock.stale) await this.stock.refresh();
    const waitMs = this.hasWork ? this.pacer.waitMs : Number.POSITIVE_INFINITY;
    const holdMs = Math.min(this.hand.holdMs, waitMs - writeMs);
    if (holdMs > 0) {
      await this.bell.wait(clock, holdMs, signal);
      return undefined;
    }
    const goesOn = waitMs <= 0 && (this.lanes.hasNext || (await this.glance()));
    if (!goesOn && !(await this.hand.writeOutcomes())) return 'fenced';
    if (this.ending.due) {
      if (!(await this.hand.writeOutcomes())) return 'fenced';
      if (await this.ending.anyComplete()) await this.stock.askFeed('feed');
    }
    if (!this.hasWork) return await this.rest(signal);
    if (waitMs > 0) {
      await this.lanes.flushBefore(waitMs);
      await this.bell.wait(clock, waitMs, signal);
      return undefined;
    }
    const taken = await this.take(signal);
    if (taken === undefined) return undefined;
    try {
      return await this.handle(taken, session, signal);
    } catch (error) {
      this.lanes.putBack(taken);
      throw error;
    }
  }

  /** Call this while the lanes are empty. Asks the feed for more once, waits for news or a retry, and writes unwritten totals. */
  private async rest(signal: AbortSignal): Promise<SendEnd | undefined> {
    const { clock } = this.deps;
    this.lanes.forgiveSilence();
    await this.lanes.flush();
    if (this.feed.worked) {
      await this.stock.askFeed('feed');
      this.feed.worked = false;
      this.ending.forget();
    }
    const untilRetryMs = this.feed.waitMs(clock.nowMs());
    await this.bell.wait(clock, Math.min(untilRetryMs, this.hand.dirty ? flushAfterMs : untilRetryMs), signal);
    if (this.feed.takeDue(clock.nowMs())) await this.stock.askFeed('feed');
    if (this.stock.stale || signal.aborted) return undefined;
    return (await this.hand.flush()) ? undefined : 'fenced';
  }

  /** Returns true if a next message is available at once, so that the kept outcome can be written with its claim. */
  private async glance(): Promise<boolean> {
    if (!this.hand.keepsOutcome) return false;
    return await this.lanes.glance(this.stock.counts, this.pacer.ahead).catch((error: unknown) => {
      this.deps.failed('receive', error);
      return false;
    });
  }

  private async take(signal: AbortSignal): Promise<Taken | undefined> {
    let taken: Taken | undefined;
    try {
      taken = await this.lanes.take(this.stock.counts, { max: this.pacer.ahead, waitSec: 5, signal });
    } catch (error) {
      if (signal.aborted) return undefined;
      this.deps.failed('receive', error);
      await this.deps.clock.sleep(1000, signal);
      return undefined;
    }
    if (taken === undefined) this.stock.stale = true;
    if (this.lanes.silenceMs() > refeedAfterMs) {
      this.lanes.forgiveSilence();
      await this.stock.askFeed('refeed');
    }
    return taken;
  }

  /** Handles one entry, from reading it to its outcome. */
  private async handle(taken: Taken, session: TransportSession, signal: AbortSignal): Promise<SendEnd | undefined> {
    const { clock } = this.deps;
    const read = await this.ahead.read(taken.entry, this.lanes.upcoming(), this.admission.stops);
    const sendable = await this.withdrawal.unlessSendable(taken, read, session, this.pacer.policy);
    if (sendable === undefined) return undefined;
    const { message, content } = sendable;
    const planned = this.pacer.plan(content);
    // The claim comes after the delay before typing: a late claim leaves the least time in which its outcome is uncertain.
    const claimAt = Math.max(planned.startAt, planned.wireAt - planned.typingMs - lookupMs);
    if (!(await this.waitToClaim(claimAt, signal))) return 'fenced';
    if (signal.aborted && claimAt > clock.nowMs()) {
      this.lanes.putBack(taken);
      return undefined;
    }
    const claimed = await this.admission.claim(message, planned.next, read, this.recipients(message, session));
    switch (claimed.kind) {
      case 'claimed':
        break;
      case 'fenced':
        return 'fenced';
      case 'stale':
        this.stock.stale = true;
        await this.lanes.finish(taken);
        return undefined;
      case 'instead':
        await this.withdrawal.to(taken, message, claimed.to, this.pacer.policy);
        return undefined;
      default:
        return claimed satisfies never;
    }
    this.pacer.claimed(planned);
    await this.stock.left(taken.lane, this.pacer.policy);
    const end = await this.sendOne(session, claimed.message, content, planned);
    if (end === undefined) {
      if (read.contract !== undefined) this.ending.sentOf(read.contract);
      await this.lanes.finish(taken);
    } else this.openEntry = taken;
    return end;
  }

  /** Returns the recipient of a message. Without pacing, also the recipients of the next messages, which follow at once. */
  private recipients({ to }: Message, session: TransportSession): Recipients {
    return this.ahead.recipients(to, session, this.pacer.policy === undefined);
  }

  /** Waits until `atMs`, or until the signal fires. Writes a kept outcome meanwhile if the claim is too far off. Returns false when fenced. */
  private async waitToClaim(atMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.deps;
    for (;;) {
      const leftMs = atMs - clock.nowMs();
      if (leftMs <= 0 || signal.aborted) return true;
      const { keepsOutcome, holdMs } = this.hand;
      if (keepsOutcome && holdMs <= 0 && leftMs > writeMs) {
        if (!(await this.hand.writeOutcomes())) return false;
      } else await this.bell.wait(clock, holdMs > 0 ? Math.min(leftMs, holdMs) : leftMs, signal);
    }
  }

  private async sendOne(
    session: TransportSession,
    message: Message,
    content: Content,
    planned: PacePlan,
  ): Promise<SendEnd | undefined> {
    const { clock } = this.deps;
    const result = await this.sender.send(session, message, content, {
      // The signal does not shorten this: a message in hand is sent at its planned time.
      courtesy: async () => {
        if (planned.wireAt <= clock.nowMs()) return;
        await clock.sleep(planned.wireAt - planned.typingMs - clock.nowMs());
        await session.typing(message.to, true);
        await clock.sleep(planned.wireAt - clock.nowMs());
        await session.typing(message.to, false);
      },
      // The pacing gap starts when the stanza is sent, because storing the session takes time too.
      onWire: () => this.pacer.wentOut(),
      firstContactsRefused: () => this.firstContacts.refused(session),
    });
    this.feed.worked = true;
    switch (result.kind) {
      case 'resolved':
        if (result.retryAtMs !== undefined) this.feed.at(result.retryAtMs);
        return undefined;
      case 'open':
        return 'reconnect';
      case 'fenced':
        return 'fenced';
      default:
        return result satisfies never;
    }
  }

  /** Resolves messages without an outcome. Call it first on a connection, and after a claim without an answer. */
  private async resolveOpen(session: TransportSession, signal: AbortSignal): Promise<SendEnd | undefined> {
    const end = await this.leftOvers.resolve(session, signal);
    if (end !== undefined) return end;
    if (this.openEntry !== undefined) await this.lanes.finish(this.openEntry);
    this.openEntry = undefined;
    return undefined;
  }
}
