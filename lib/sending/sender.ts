import { flushTotals, type Hold, type Totals } from '../aws/hosts/ownership.ts';
import { readContent } from '../aws/messages/contents.ts';
import { afterStep, type ClaimResult, claim, readHot, readMessage, type Step } from '../aws/messages/messages.ts';
import { outcomeUnknown, outcomeUnknownAfterMs } from '../aws/messages/outcome-unknown.ts';
import type { Account, InHand } from '../domain/accounts/account.ts';
import type { PaceState } from '../domain/accounts/pacing.ts';
import type { Content } from '../domain/content.ts';
import { crashedHost, isFinal, type Message, type MessageError, maxCrashes } from '../domain/messages/message.ts';
import { asideMs, classifyAck, firstContactRefused, triesInARow } from '../domain/messages/send-outcome.ts';
import type { SendingDeps } from './deps.ts';
import { type Companions, Outcomes, type Settled } from './outcomes.ts';
import { type Ack, Unanswered, type Wire } from './wire.ts';

/** No ack within this time: reconnect, drain, send the same id again (design.md, Send). */
const ackTimeoutMs = 20_000;

/** What must be sent again. `suspect`: hosts have died over it, so it is tried while no other suspect is. */
export interface LeftOver {
  message: Message;
  content: Content;
  suspect: boolean;
}

/** What the caller does between the steps of one send. */
export interface SendSteps {
  /** Waiting and typing, between the lookup and the wire. */
  courtesy(): Promise<void>;
  /** The message has gone out. */
  onWire(): void;
  /** WhatsApp refuses first contacts (463). Awaited before the outcome is written. */
  firstContactsRefused(): Promise<void>;
}

/** `open`: its fate is not known yet; it stays in hand and the connection must be renewed. */
export type SendResult = Settled | { kind: 'open' };

/**
 * The message in hand: claimed, sent, settled. At most one per account, named by the account's hot item, so that a new owner finds it.
 *
 *   none -> claimed (inHand in the table) -> settled (outcome in the table) -> next claim replaces it, or flush removes it
 *                                        \-> acked -> settled by the very transaction that claims the next, or by Outcomes.write
 *
 * Outcomes are added to the account's totals with the next claim or flush, which also replaces `inHand`: each is counted once, because
 * a new owner that finds a settled message in hand knows that it was not counted yet.
 */
export class Sender {
  private readonly deps: SendingDeps;
  private readonly hold: Hold;
  private readonly receipts: () => Companions;
  /** See AccountHot. */
  private readonly authHead: () => number | undefined;
  private readonly account: () => Pick<Account, 'linkedAt'>;
  private inHand: InHand | undefined;
  /** The nonce of a claim of which it is known that no try of its sending may have arrived: none has left this process, or it was refused. */
  private unsent: string | undefined;
  /** What the last owner left in hand. */
  private readonly inherited: InHand | undefined;
  private crashes = 0;
  /** Of a claim that had no answer yet: the totals it carried, what was in hand before it, and whether the fate of that was open. */
  private unsure: { totals: Totals; before: InHand | undefined; open: boolean } | undefined;
  private settled = false;
  readonly outcomes: Outcomes;
  /** A flush that had no answer: the totals it carried, and the message in hand it took from the account's item. */
  private unsureFlush: { totals: Totals; settled: InHand } | undefined;
  private readonly refreshDevices = new Set<string>();

  constructor(
    deps: SendingDeps,
    hold: Hold,
    inHand: InHand | undefined,
    receipts: () => Companions,
    authHead: () => number | undefined,
    account: () => Pick<Account, 'linkedAt'>,
  ) {
    this.deps = deps;
    this.account = account;
    this.receipts = receipts;
    this.authHead = authHead;
    this.hold = hold;
    this.inHand = inHand;
    this.inherited = inHand;
    this.outcomes = new Outcomes(deps, receipts, (messageId) => {
      // A later claim may have been tried meanwhile: then the one in hand is another.
      if (this.inHand?.messageId === messageId) this.settled = true;
    });
  }

  /** A message whose fate is open. */
  get openMessageId(): string | undefined {
    const id = this.settled ? undefined : this.inHand?.messageId;
    return id === this.outcomes.kept.outcome?.message.id ? undefined : id;
  }

  /** Whether a claim had no answer yet: whether it stood is found out by `leftOver`, and until then nothing has been sent under it. */
  get claimIsUnsure(): boolean {
    return this.unsure !== undefined;
  }

  /** Whether the account's item lacks something. */
  get dirty(): boolean {
    return this.settled || this.outcomes.kept.outcome !== undefined || this.outcomes.totals.some;
  }

  /** Takes a message in hand and advances pacing; an outcome that was kept back is written with it. `stops`: see ClaimRequest. */
  async claim(message: Message, pace: PaceState, stops: number): Promise<Exclude<ClaimResult, { kind: 'apart' }>> {
    if (!this.deps.lease.valid()) return { kind: 'fenced' };
    // A lane may hold a message twice; one transaction cannot.
    if (this.outcomes.kept.outcome?.message.id === message.id && !(await this.outcomes.write()))
      return { kind: 'fenced' };
    const nonce = this.deps.nonce();
    await this.learnOfFlush();
    const totals = this.outcomes.totals.now();
    const before = { inHand: this.inHand, settled: this.settled, unsent: this.unsent };
    const fresh = message.state === 'QUEUED' ? message.openSince === undefined : !this.mayHaveLeft(message);
    const unsure = { totals, before: this.inHand, open: this.openMessageId !== undefined };
    const { outcome } = this.outcomes.kept;
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
      this.unsent = fresh ? nonce : undefined;
      this.unsure = unsure;
      return claim(this.deps.table, request, together);
    };
    let result =
      outcome === undefined
        ? await take()
        : await this.receipts().along(
            (riders) => this.outcomes.kept.during(() => take([outcome, ...riders])),
            ({ kind }) => kind === 'claimed',
          );
    if (outcome !== undefined && result.kind === 'claimed') this.outcomes.wrote(afterStep(outcome), outcome);
    if (result.kind === 'apart') {
      Object.assign(this, before);
      this.unsure = undefined;
      if (!(await this.outcomes.write())) return { kind: 'fenced' };
      before.settled = true;
      result = await take();
      if (result.kind === 'apart') throw new Error('a claim alone cannot be apart from anything');
    }
    this.unsure = undefined;
    this.deps.counts.claim(result.kind);
    if (result.kind === 'claimed') this.outcomes.totals.told(totals);
    else Object.assign(this, before);
    return result;
  }

  /** Sends a claimed message and writes its outcome. */
  async send(
    session: Wire,
    message: Message,
    content: Content,
    { courtesy, onWire, firstContactsRefused }: SendSteps,
  ): Promise<SendResult> {
    const { clock, lease, counts } = this.deps;
    if ((await session.lookup(message.to)) === false) {
      const error: MessageError = { code: 'NOT_ON_WHATSAPP', message: 'This number is not on WhatsApp.' };
      return await this.outcomes.settle(message, 'FAILED', { error });
    }
    await courtesy();
    if (!lease.valid()) return { kind: 'fenced' };
    const startedMs = clock.monotonicMs();
    const { unsent } = this;
    this.unsent = undefined;
    let ack: Ack;
    try {
      const refresh = this.refreshDevices.delete(message.id);
      ack = await session.send(
        { id: message.id, to: message.to, content, onWire, ...(refresh ? { refreshDevices: true } : {}) },
        ackTimeoutMs,
      );
    } catch (error) {
      const left = error instanceof Unanswered;
      if (!left) this.unsent = unsent;
      counts.send(left ? 'unanswered' : 'not_sent');
      this.deps.logger.info({ message: message.id, reason: String(error) }, 'a send has no answer yet');
      return lease.valid() ? { kind: 'open' } : { kind: 'fenced' };
    }
    // A refusal is all there is to know of this try.
    if (ack.withheld === true || ack.code !== undefined) this.unsent = unsent;
    // The person had opted out by another address. The number is suppressed by now, so the next claim ends the message.
    if (ack.withheld === true) return await this.layAside(message, clock.nowMs());
    counts.ack(ack.code, clock.monotonicMs() - startedMs);
    // Before the outcome: nothing is claimed until it stands, and who dies now leaves a message in hand that waits too.
    if (ack.code === firstContactRefused) await firstContactsRefused();
    return await this.answered(message, ack);
  }

  /** An earlier try without an answer may have arrived whatever is said of this one, unless that is yes. */
  private async answered(message: Message, ack: Ack): Promise<SendResult> {
    const nowMs = this.deps.clock.nowMs();
    const attempts = message.attempts + 1;
    const outcome = classifyAck(ack.code, message.attempts, nowMs, this.deps.random);
    this.deps.counts.send(outcome.kind);
    switch (outcome.kind) {
      case 'sent':
        this.deps.counts.acceptToAck(nowMs - message.createdAt);
        return this.outcomes.keepBack(message, {
          attempts,
          sentAt: nowMs,
          ...(ack.sentTo === undefined ? {} : { sentTo: ack.sentTo }),
        });
      case 'retry':
        if (outcome.refreshDevices === true) this.refreshDevices.add(message.id);
        return await this.layAside(message, outcome.notBefore, { attempts });
      case 'failed': {
        const error = this.mayHaveLeft(message) ? outcomeUnknown : outcome.error;
        return await this.outcomes.settle(message, 'FAILED', { attempts, error });
      }
      default:
        return outcome satisfies never;
    }
  }

  /**
   * The message in hand from before this connection. Receipts that waited at the server have been written: if it is final now, that was
   * it. Otherwise it must be sent again, same id, same content: the answer carries what to send, to be claimed anew under pacing. One that
   * stays without an answer is laid aside for a while, so that the others go on; after 24 h, or with another device, it is given up.
   */
  async leftOver(): Promise<LeftOver | { retryAtMs: number } | undefined> {
    const message = await this.stillOpen();
    if (message === undefined) return undefined;
    const nowMs = this.deps.clock.nowMs();
    const { since = nowMs } = message.claim ?? {};
    const content = await readContent(this.deps.table, this.hold.tenantId, message.id);
    // A device linked since would send it as somebody else's: the owner that had it in hand died before it could end it.
    const isOthers = since < (this.account().linkedAt ?? 0);
    if (content === undefined || isOthers || nowMs - since > outcomeUnknownAfterMs) {
      await this.outcomes.settle(message, 'FAILED', { error: outcomeUnknown });
      return undefined;
    }
    // Counted with each claim that found its owner gone, and written with the next.
    const died = message.claim?.nonce === this.inherited?.nonce && this.inherited?.released !== true;
    this.crashes = (message.claim?.crashes ?? 0) + (died ? 1 : 0);
    if (this.crashes >= maxCrashes) {
      this.deps.counts.poisoned();
      await this.outcomes.settle(message, 'FAILED', { error: crashedHost });
      return undefined;
    }
    if ((message.claim?.tries ?? 0) < triesInARow) {
      return { message, content, suspect: this.crashes === maxCrashes - 1 };
    }
    const asides = (message.asides ?? 0) + 1;
    const retryAtMs = nowMs + asideMs(asides);
    const settled = await this.layAside(message, retryAtMs, { asides });
    return settled.kind === 'settled' ? { retryAtMs } : undefined;
  }

  /** What is in hand and has no outcome yet; one that a receipt has settled is counted. */
  private async stillOpen(): Promise<Message | undefined> {
    await this.outcomes.write();
    if (this.inHand === undefined || this.settled) return undefined;
    const message = await this.readOwn(this.inHand);
    if (message?.state === 'SENDING') return message;
    if (message !== undefined && isFinal(message.state)) this.outcomes.totals.count(message.state);
    this.settled = true;
    return undefined;
  }

  /** Whether a try of this sending may have arrived. */
  private mayHaveLeft({ claim }: Message): boolean {
    return claim === undefined || claim.nonce !== this.unsent;
  }

  /** Not in hand any more: it waits as PENDING until `notBefore` (epoch ms), and is known to be open if any try may have left. */
  async layAside(message: Message, notBefore: number, change: Step['change'] = {}): Promise<Settled> {
    const openSince = this.mayHaveLeft(message) ? message.claim?.since : undefined;
    const full = { ...change, notBefore, ...(openSince === undefined ? {} : { openSince }) };
    const settled = await this.outcomes.settle(message, 'PENDING', full);
    return settled.kind === 'settled' ? { ...settled, retryAtMs: notBefore } : settled;
  }

  /** The message in hand, or what was open before it where its claim did not stand; undefined when another's claim stands by now. */
  private async readOwn(hand: InHand): Promise<Message | undefined> {
    const message = await readMessage(this.deps.table, this.hold.tenantId, hand.messageId);
    const { unsure } = this;
    this.unsure = undefined;
    if (message?.claim?.nonce === hand.nonce) {
      if (unsure !== undefined) this.outcomes.totals.told(unsure.totals);
      return message;
    }
    if (unsure !== undefined) this.inHand = unsure.before;
    if (unsure?.open === true && unsure.before !== undefined) return await this.readOwn(unsure.before);
    this.settled = this.inHand !== undefined;
    return undefined;
  }

  /** It is not to be sent again: what may have left ends with an outcome nobody can learn any more, what has not waits as PENDING. */
  async abandon(): Promise<void> {
    const message = await this.stillOpen();
    if (message === undefined) return;
    if (this.mayHaveLeft(message)) await this.outcomes.settle(message, 'FAILED', { error: outcomeUnknown });
    else await this.layAside(message, this.deps.clock.nowMs());
  }

  /** Writes totals, and the end of the message in hand, without waiting for the next claim. False: the account is not ours any more. */
  async flush(): Promise<boolean> {
    if (!this.dirty) return true;
    if (!(await this.outcomes.write())) return false;
    if (this.unsure !== undefined && this.inHand !== undefined) await this.readOwn(this.inHand);
    await this.learnOfFlush();
    if (!this.dirty) return true;
    const settled = this.settled ? this.inHand : undefined;
    const totals = this.outcomes.totals.now();
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
    this.outcomes.totals.told(totals);
    if (this.settled) this.inHand = undefined;
    this.settled = false;
  }
}
