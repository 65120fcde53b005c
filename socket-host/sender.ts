import { claim, moveMessage, readMessage, readText } from '../lib/aws/messages.ts';
import { flushTotals, type Hold, type Totals } from '../lib/aws/ownership.ts';
import { ConditionFailed } from '../lib/aws/table.ts';
import type { InHand } from '../lib/domain/account.ts';
import { isFinal, isSuccess, type Message, type MessageError, type MessageState } from '../lib/domain/message.ts';
import type { PaceState } from '../lib/domain/pacing.ts';
import { classifyAck } from '../lib/domain/send-outcome.ts';
import type { HostDeps } from './deps.ts';
import type { Receipts } from './receipts.ts';
import { type Ack, type TransportSession, Unanswered } from './transport.ts';

/** No ack within this time: reconnect, drain, send the same id again (design.md, Send). */
const ackTimeoutMs = 20_000;
/** An unsettled claim older than this is never sent again (design.md, promise 2). */
const outcomeUnknownAfterMs = 24 * 3_600_000;

const outcomeUnknown: MessageError = {
  code: 'OUTCOME_UNKNOWN',
  message: 'The message may or may not have reached WhatsApp, and it can no longer be learned. It is not sent again.',
};

/** `open`: its fate is not known yet; it stays in hand and the connection must be renewed. */
export type SendResult = { kind: 'settled'; retryAtMs?: number } | { kind: 'open' } | { kind: 'fenced' };

/**
 * The message in hand: claimed, sent, settled. At most one per account, named by the account's hot item, so that a new owner finds it.
 *
 *   none -> claimed (inHand in the table) -> settled (outcome in the table) -> next claim replaces it, or flush removes it
 *
 * Outcomes are added to the account's totals with the next claim or flush, which also replaces `inHand`: each is counted once, because
 * a new owner that finds a settled message in hand knows that it was not counted yet.
 */
export class Sender {
  private readonly deps: HostDeps;
  private readonly hold: Hold;
  private readonly receipts: Receipts;
  private inHand: InHand | undefined;
  private inHandSince: number;
  private settled = false;
  private totals: Totals = { messages: 0, errors: 0 };
  private readonly refreshDevices = new Set<string>();

  constructor(
    deps: HostDeps,
    hold: Hold,
    receipts: Receipts,
    found: { inHand: InHand | undefined; lastActivity: number | undefined },
  ) {
    this.deps = deps;
    this.hold = hold;
    this.receipts = receipts;
    this.inHand = found.inHand;
    this.inHandSince = found.lastActivity ?? deps.clock.nowMs();
  }

  /** A message whose fate is open. */
  get openMessageId(): string | undefined {
    return this.settled ? undefined : this.inHand?.messageId;
  }

  /** Whether the account's item lacks something. */
  get dirty(): boolean {
    return this.settled || this.totals.messages > 0 || this.totals.errors > 0;
  }

  /** Takes a message in hand and advances pacing. */
  async claim(message: Message, pace: PaceState): ReturnType<typeof claim> {
    const nonce = this.deps.nonce();
    const totals = { ...this.totals };
    const result = await claim(this.deps.table, {
      message,
      host: this.hold.hostId,
      claim: { epoch: this.hold.epoch, nonce },
      pace,
      totals,
      nowMs: this.deps.clock.nowMs(),
    });
    this.deps.metrics.claims.inc({ result: result.kind });
    if (result.kind === 'claimed') {
      this.totals = { messages: this.totals.messages - totals.messages, errors: this.totals.errors - totals.errors };
      this.inHand = { messageId: message.id, contractId: message.contractId, nonce };
      this.inHandSince = this.deps.clock.nowMs();
      this.settled = false;
    }
    return result;
  }

  /** Sends a claimed message and writes its outcome. `courtesy` is the waiting and typing between lookup and wire. */
  async send(
    session: TransportSession,
    message: Message,
    text: string,
    courtesy: () => Promise<void>,
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
        { id: message.id, to: message.to, text, ...(refresh ? { refreshDevices: true } : {}) },
        ackTimeoutMs,
      );
    } catch (error) {
      metrics.sends.inc({ outcome: error instanceof Unanswered ? 'unanswered' : 'not_sent' });
      this.deps.logger.info({ message: message.id, reason: String(error) }, 'a send has no answer yet');
      return lease.valid() ? { kind: 'open' } : { kind: 'fenced' };
    }
    metrics.ackSeconds.observe((clock.monotonicMs() - startedMs) / 1000);
    return await this.answered(message, ack);
  }

  private async answered(message: Message, ack: Ack): Promise<SendResult> {
    const nowMs = this.deps.clock.nowMs();
    const attempts = message.attempts + 1;
    const outcome = classifyAck(ack.code, message.attempts, nowMs, this.deps.random);
    this.deps.metrics.sends.inc({ outcome: outcome.kind });
    switch (outcome.kind) {
      case 'sent':
        return await this.settle(message, 'SENT', { attempts, sentAt: nowMs });
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

  private async settle(
    message: Message,
    to: MessageState,
    change: Parameters<typeof moveMessage>[3],
  ): Promise<SendResult> {
    if (!this.deps.lease.valid()) return { kind: 'fenced' };
    try {
      const moved = await moveMessage(this.deps.table, message, to, change);
      this.receipts.remember(moved);
      this.count(moved.state);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      const now = await readMessage(this.deps.table, message.tenantId, message.id);
      // A receipt was faster than the ack, or our own first try stood although its answer was lost.
      if (now?.claim?.nonce !== message.claim?.nonce && now?.state !== 'PENDING') return { kind: 'fenced' };
      if (now !== undefined) this.count(now.state);
    }
    this.settled = true;
    return { kind: 'settled' };
  }

  private count(state: MessageState): void {
    if (isSuccess(state)) this.totals.messages += 1;
    else if (state === 'FAILED') this.totals.errors += 1;
  }

  /**
   * The message in hand from before this connection. Receipts that waited at the server have been written: if it is final now, that was
   * it. Otherwise it must be sent again, same id, same text: the answer carries what to send, to be claimed anew under pacing.
   */
  async leftOver(): Promise<{ message: Message; text: string } | undefined> {
    const hand = this.inHand;
    if (hand === undefined || this.settled) return undefined;
    const { table, clock } = this.deps;
    const message = await readMessage(table, this.hold.tenantId, hand.messageId);
    const ours = message?.claim?.nonce === hand.nonce;
    if (message === undefined || !ours || message.state !== 'SENDING') {
      if (message !== undefined && ours && isFinal(message.state)) this.count(message.state);
      this.settled = true;
      return undefined;
    }
    const text = await readText(table, this.hold.tenantId, hand.messageId);
    if (text === undefined || clock.nowMs() - this.inHandSince > outcomeUnknownAfterMs) {
      await this.settle(message, 'FAILED', { error: outcomeUnknown });
      return undefined;
    }
    return { message, text };
  }

  /** The account can never send again: what is in hand ends with an outcome nobody can learn any more. */
  async abandon(): Promise<void> {
    const left = await this.leftOver();
    if (left !== undefined) await this.settle(left.message, 'FAILED', { error: outcomeUnknown });
  }

  /** Writes totals, and the end of the message in hand, without waiting for the next claim. False: the account is not ours any more. */
  async flush(): Promise<boolean> {
    if (!this.dirty) return true;
    const settled = this.settled ? this.inHand : undefined;
    const { totals } = this;
    if (!(await flushTotals(this.deps.table, this.hold, totals, settled))) return false;
    this.totals = { messages: this.totals.messages - totals.messages, errors: this.totals.errors - totals.errors };
    if (settled !== undefined) this.inHand = undefined;
    this.settled = false;
    return true;
  }
}
