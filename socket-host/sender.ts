import { goesOn } from '../lib/aws/contracts.ts';
import {
  afterStep,
  type ClaimResult,
  claim,
  moveMessage,
  readHot,
  readMessage,
  readText,
  type Step,
  takeSteps,
} from '../lib/aws/messages.ts';
import { outcomeUnknown, outcomeUnknownAfterMs } from '../lib/aws/outcome-unknown.ts';
import { flushTotals, type Hold, type Totals } from '../lib/aws/ownership.ts';
import { ConditionFailed } from '../lib/aws/table.ts';
import type { InHand } from '../lib/domain/account.ts';
import {
  crashedHost,
  endedMeanwhile,
  isFinal,
  type Message,
  type MessageError,
  type MessageState,
  maxCrashes,
} from '../lib/domain/message.ts';
import type { PaceState } from '../lib/domain/pacing.ts';
import { asideMs, classifyAck, triesInARow } from '../lib/domain/send-outcome.ts';
import type { HostDeps } from './deps.ts';
import { KeptOutcome } from './kept-outcome.ts';
import { codeLabel } from './metrics.ts';
import type { Receipts } from './receipts.ts';
import { type Ack, type TransportSession, Unanswered } from './transport.ts';
import { UntoldTotals } from './untold-totals.ts';

/** No ack within this time: reconnect, drain, send the same id again (design.md, Send). */
const ackTimeoutMs = 20_000;

/** The account's receipts, which go with outcomes where they can. */
type Companions = Pick<Receipts, 'along' | 'outcomeKept'>;

/** What must be sent again. `suspect`: hosts have died over it, so it is tried while no other suspect is. */
export interface LeftOver {
  message: Message;
  text: string;
  suspect: boolean;
}

/** `open`: its fate is not known yet; it stays in hand and the connection must be renewed. */
export type SendResult = { kind: 'settled'; retryAtMs?: number } | { kind: 'open' } | { kind: 'fenced' };

/**
 * The message in hand: claimed, sent, settled. At most one per account, named by the account's hot item, so that a new owner finds it.
 *
 *   none -> claimed (inHand in the table) -> settled (outcome in the table) -> next claim replaces it, or flush removes it
 *                                        \-> acked -> settled by the very transaction that claims the next, or by writeOutcome
 *
 * Outcomes are added to the account's totals with the next claim or flush, which also replaces `inHand`: each is counted once, because
 * a new owner that finds a settled message in hand knows that it was not counted yet.
 */
export class Sender {
  private readonly deps: HostDeps;
  private readonly hold: Hold;
  private readonly receipts: () => Companions;
  /** See AccountHot. */
  private readonly authHead: () => number | undefined;
  private inHand: InHand | undefined;
  /** What the last owner left in hand. */
  private readonly inherited: InHand | undefined;
  private crashes = 0;
  /** Of a claim that had no answer yet: the totals it carried, what was in hand before it, and whether the fate of that was open. */
  private unsure: { totals: Totals; before: InHand | undefined; open: boolean } | undefined;
  private sends = 0;
  private settled = false;
  /** The outcome of the message in hand, acked but not in the table yet. */
  readonly kept: KeptOutcome;
  private readonly totals = new UntoldTotals();
  /** A flush that had no answer: the totals it carried, and the message in hand it took from the account's item. */
  private unsureFlush: { totals: Totals; settled: InHand } | undefined;
  private readonly refreshDevices = new Set<string>();

  constructor(
    deps: HostDeps,
    hold: Hold,
    inHand: InHand | undefined,
    receipts: () => Companions,
    authHead: () => number | undefined,
  ) {
    this.deps = deps;
    this.receipts = receipts;
    this.authHead = authHead;
    this.hold = hold;
    this.inHand = inHand;
    this.inherited = inHand;
    this.kept = new KeptOutcome(deps.clock);
  }

  /** A message whose fate is open. */
  get openMessageId(): string | undefined {
    const id = this.settled ? undefined : this.inHand?.messageId;
    return id === this.kept.outcome?.message.id ? undefined : id;
  }

  /** Sends that came to an outcome: a sign that the connection is good for something. */
  get settledSends(): number {
    return this.sends;
  }

  /** Whether the account's item lacks something. */
  get dirty(): boolean {
    return this.settled || this.kept.outcome !== undefined || this.totals.some;
  }

  /** Takes a message in hand and advances pacing; an outcome that was kept back is written with it. `stops`: see ClaimRequest. */
  async claim(message: Message, pace: PaceState, stops?: number): Promise<Exclude<ClaimResult, { kind: 'apart' }>> {
    if (!this.deps.lease.valid()) return { kind: 'fenced' };
    // A lane may hold a message twice; one transaction cannot.
    if (this.kept.outcome?.message.id === message.id && !(await this.writeOutcome())) return { kind: 'fenced' };
    const nonce = this.deps.nonce();
    await this.learnOfFlush();
    const totals = this.totals.now();
    const before = { inHand: this.inHand, settled: this.settled };
    const unsure = { totals, before: this.inHand, open: this.openMessageId !== undefined };
    const { outcome } = this.kept;
    const request = {
      message,
      host: this.hold.hostId,
      epoch: this.hold.epoch,
      nonce,
      pace,
      totals,
      stops,
      authHead: this.authHead(),
      crashes: message.id === before.inHand?.messageId ? this.crashes : 0,
      nowMs: this.deps.clock.nowMs(),
    };
    const take = (together: Step[] = []): Promise<ClaimResult> => {
      // If the call fails we do not know whether it stood: then this is what is in hand, and `leftOver` finds out by the nonce.
      this.inHand = { messageId: message.id, contractId: message.contractId, nonce };
      this.settled = false;
      this.unsure = unsure;
      return claim(this.deps.table, request, together);
    };
    let result =
      outcome === undefined
        ? await take()
        : await this.receipts().along(
            (riders) => this.kept.during(() => take([outcome, ...riders])),
            ({ kind }) => kind === 'claimed',
          );
    if (outcome !== undefined && result.kind === 'claimed') this.wrote(afterStep(outcome), outcome);
    if (result.kind === 'apart') {
      Object.assign(this, before);
      this.unsure = undefined;
      if (!(await this.writeOutcome())) return { kind: 'fenced' };
      before.settled = true;
      result = await take();
      if (result.kind === 'apart') throw new Error('a claim alone cannot be apart from anything');
    }
    this.unsure = undefined;
    this.deps.metrics.claims.inc({ result: result.kind });
    if (result.kind === 'claimed') this.totals.told(totals);
    else Object.assign(this, before);
    return result;
  }

  /** Writes an outcome that was kept back for the next claim. False: the message is another's by now. */
  async writeOutcome(): Promise<boolean> {
    const { outcome } = this.kept;
    if (outcome === undefined) return true;
    if (!this.deps.lease.valid()) return false;
    const { message, to } = outcome;
    try {
      this.wrote(await this.kept.during(() => this.move(outcome)), outcome);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      const now = await readMessage(this.deps.table, message.tenantId, message.id);
      // A receipt was faster, or our own first try stood although its answer was lost.
      if (now?.claim?.nonce !== message.claim?.nonce) return false;
      this.wrote(now ?? message, now?.state === to ? outcome : undefined);
    }
    return true;
  }

  /** Receipts of other messages that wait for this go along; if any is not as was thought, the outcome goes alone. */
  private async move(outcome: Step): Promise<Message> {
    const { table } = this.deps;
    const together = await this.receipts().along(async (riders) => {
      if (riders.length === 0) return false;
      try {
        await takeSteps(table, [outcome, ...riders]);
        return true;
      } catch (error) {
        if (!(error instanceof ConditionFailed)) throw error;
        return false;
      }
    }, Boolean);
    if (together) return afterStep(outcome);
    return await moveMessage(table, outcome.message, outcome.to, outcome.change);
  }

  private wrote(moved: Message, written: Step | undefined): void {
    this.deps.sent.put(moved);
    // A later claim may have been tried meanwhile: then the one in hand is another.
    if (this.inHand?.messageId === moved.id) this.settled = true;
    this.kept.settle(written);
  }

  /** Sends a claimed message and writes its outcome. `courtesy` is the waiting and typing between lookup and wire, `onWire` told of the wire. */
  async send(
    session: TransportSession,
    message: Message,
    text: string,
    courtesy: () => Promise<void>,
    onWire: () => void,
  ): Promise<SendResult> {
    const { clock, lease, metrics } = this.deps;
    if ((await session.lookup(message.to)) === false) {
      const error: MessageError = { code: 'NOT_ON_WHATSAPP', message: 'This number is not on WhatsApp.' };
      return await this.settle(message, 'FAILED', { error });
    }
    await courtesy();
    if (!lease.valid()) return { kind: 'fenced' };
    const startedMs = clock.monotonicMs();
    let ack: Ack;
    try {
      const refresh = this.refreshDevices.delete(message.id);
      ack = await session.send(
        { id: message.id, to: message.to, text, onWire, ...(refresh ? { refreshDevices: true } : {}) },
        ackTimeoutMs,
      );
    } catch (error) {
      metrics.sends.inc({ outcome: error instanceof Unanswered ? 'unanswered' : 'not_sent' });
      this.deps.logger.info({ message: message.id, reason: String(error) }, 'a send has no answer yet');
      return lease.valid() ? { kind: 'open' } : { kind: 'fenced' };
    }
    if (ack.withheld === true) return await this.withheld(message);
    metrics.ackSeconds.observe((clock.monotonicMs() - startedMs) / 1000);
    metrics.acks.inc({ code: codeLabel(ack.code, 'ok') });
    return await this.answered(message, ack);
  }

  /** The person had opted out by another address. The number is suppressed by now, so the next claim ends the message. */
  private async withheld(message: Message): Promise<SendResult> {
    const notBefore = this.deps.clock.nowMs();
    const settled = await this.settle(message, 'PENDING', { notBefore });
    return settled.kind === 'settled' ? { ...settled, retryAtMs: notBefore } : settled;
  }

  private async answered(message: Message, ack: Ack): Promise<SendResult> {
    const nowMs = this.deps.clock.nowMs();
    const attempts = message.attempts + 1;
    const outcome = classifyAck(ack.code, message.attempts, nowMs, this.deps.random);
    this.deps.metrics.sends.inc({ outcome: outcome.kind });
    switch (outcome.kind) {
      case 'sent':
        this.deps.metrics.acceptToAckSeconds.observe((nowMs - message.createdAt) / 1000);
        return this.keepBack(message, { attempts, sentAt: nowMs });
      case 'retry': {
        if (outcome.refreshDevices === true) this.refreshDevices.add(message.id);
        const settled = await this.settle(message, 'PENDING', { attempts, notBefore: outcome.notBefore });
        return settled.kind === 'settled' ? { ...settled, retryAtMs: outcome.notBefore } : settled;
      }
      case 'failed':
        return await this.settle(message, 'FAILED', { attempts, error: outcome.error });
      default:
        return outcome satisfies never;
    }
  }

  /** Acked: the outcome goes with the claim of the next message, or is written by `writeOutcome` where none follows at once. */
  private keepBack(message: Message, change: Step['change']): SendResult {
    this.kept.keep({ message, to: 'SENT', change });
    this.receipts().outcomeKept(message.id);
    this.totals.count('SENT');
    this.sends += 1;
    return { kind: 'settled' };
  }

  private async settle(
    message: Message,
    to: MessageState,
    change: Parameters<typeof moveMessage>[3],
  ): Promise<SendResult> {
    if (!this.deps.lease.valid()) return { kind: 'fenced' };
    try {
      const moved = await moveMessage(this.deps.table, message, to, change, to === 'PENDING' ? [goesOn(message)] : []);
      this.deps.sent.put(moved);
      this.totals.count(moved.state);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      // Its contract has ended: nothing waits to be tried again.
      if (error.failed[0] !== true) {
        const why = change?.openSince === undefined ? endedMeanwhile : outcomeUnknown;
        return await this.settle(message, 'FAILED', { ...change, error: why });
      }
      const now = await readMessage(this.deps.table, message.tenantId, message.id);
      // A receipt was faster than the ack, or our own first try stood although its answer was lost.
      if (now?.claim?.nonce !== message.claim?.nonce && now?.state !== 'PENDING') return { kind: 'fenced' };
      if (now !== undefined) this.totals.count(now.state);
    }
    this.settled = true;
    this.sends += 1;
    return { kind: 'settled' };
  }

  /**
   * The message in hand from before this connection. Receipts that waited at the server have been written: if it is final now, that was
   * it. Otherwise it must be sent again, same id, same text: the answer carries what to send, to be claimed anew under pacing. One that
   * stays without an answer is laid aside for a while, so that the others go on; after 24 h it is given up.
   */
  async leftOver(): Promise<LeftOver | { retryAtMs: number } | undefined> {
    await this.writeOutcome();
    if (this.inHand === undefined || this.settled) return undefined;
    const { table, clock } = this.deps;
    const message = await this.readOwn(this.inHand);
    if (message?.state !== 'SENDING') {
      if (message !== undefined && isFinal(message.state)) this.totals.count(message.state);
      this.settled = true;
      return undefined;
    }
    const nowMs = clock.nowMs();
    const { since, tries } = message.claim ?? { since: nowMs, tries: 0 };
    const text = await readText(table, this.hold.tenantId, message.id);
    if (text === undefined || nowMs - since > outcomeUnknownAfterMs) {
      await this.settle(message, 'FAILED', { error: outcomeUnknown });
      return undefined;
    }
    // Counted with each claim that found its owner gone, and written with the next.
    const died = message.claim?.nonce === this.inherited?.nonce && this.inherited?.released !== true;
    this.crashes = (message.claim?.crashes ?? 0) + (died ? 1 : 0);
    if (this.crashes >= maxCrashes) {
      this.deps.metrics.poisoned.inc();
      await this.settle(message, 'FAILED', { error: crashedHost });
      return undefined;
    }
    if (tries < triesInARow) return { message, text, suspect: this.crashes === maxCrashes - 1 };
    const asides = (message.asides ?? 0) + 1;
    const notBefore = nowMs + asideMs(asides);
    const settled = await this.settle(message, 'PENDING', { notBefore, openSince: since, asides });
    return settled.kind === 'settled' ? { retryAtMs: notBefore } : undefined;
  }

  /** The message in hand, or what was open before it where its claim did not stand; undefined when another's claim stands by now. */
  private async readOwn(hand: InHand): Promise<Message | undefined> {
    const message = await readMessage(this.deps.table, this.hold.tenantId, hand.messageId);
    const { unsure } = this;
    this.unsure = undefined;
    if (message?.claim?.nonce === hand.nonce) {
      if (unsure !== undefined) this.totals.told(unsure.totals);
      return message;
    }
    if (unsure !== undefined) this.inHand = unsure.before;
    if (unsure?.open === true && unsure.before !== undefined) return await this.readOwn(unsure.before);
    this.settled = this.inHand !== undefined;
    return undefined;
  }

  /** The account can never send again: what is in hand ends with an outcome nobody can learn any more. */
  async abandon(): Promise<void> {
    const left = await this.leftOver();
    if (left !== undefined && 'message' in left) await this.settle(left.message, 'FAILED', { error: outcomeUnknown });
  }

  /** Writes totals, and the end of the message in hand, without waiting for the next claim. False: the account is not ours any more. */
  async flush(): Promise<boolean> {
    if (!this.dirty) return true;
    if (!(await this.writeOutcome())) return false;
    if (this.unsure !== undefined && this.inHand !== undefined) await this.readOwn(this.inHand);
    await this.learnOfFlush();
    if (!this.dirty) return true;
    const settled = this.settled ? this.inHand : undefined;
    const totals = this.totals.now();
    this.unsureFlush = settled === undefined ? undefined : { totals, settled };
    if (!(await flushTotals(this.deps.table, this.hold, totals, settled, this.authHead()))) return false;
    this.flushed(totals);
    return true;
  }

  /** A flush without an answer stood if the message in hand it took away is gone: its totals must not be added again. */
  private async learnOfFlush(): Promise<void> {
    if (this.unsureFlush === undefined) return;
    const { totals, settled } = this.unsureFlush;
    const hot = await readHot(this.deps.table, this.hold.tenantId, this.hold.accountId);
    if (hot?.inHand?.nonce === settled.nonce) this.unsureFlush = undefined;
    else this.flushed(totals);
  }

  private flushed(totals: Totals): void {
    this.unsureFlush = undefined;
    this.totals.told(totals);
    if (this.settled) this.inHand = undefined;
    this.settled = false;
  }
}
