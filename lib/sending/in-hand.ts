import { ConditionFailed } from '../aws/client/table.ts';
import { goesOn } from '../aws/contracts/contracts.ts';
import { flushTotals, type Hold } from '../aws/hosts/ownership.ts';
import {
  afterStep,
  type ClaimResult,
  claim,
  moveMessage,
  readHot,
  readMessage,
  type Step,
  takeSteps,
} from '../aws/messages/messages.ts';
import { outcomeUnknown } from '../aws/messages/outcome-unknown.ts';
import type { InHand as StoredInHand } from '../domain/accounts/account.ts';
import type { PaceState } from '../domain/accounts/pacing.ts';
import { endedMeanwhile, type Message, type MessageState } from '../domain/messages/message.ts';
import type { TimedReceipt } from '../domain/messages/receipts.ts';
import type { SendingDeps } from './deps.ts';
import { Held, type HeldState, totalsOf } from './held.ts';
import { type ReceiptOptions, Receipts } from './receipts.ts';

/** `retryAtMs`: the message is PENDING until then. `fenced`: the account or the message belongs to another owner by now. */
export type Settled = { kind: 'settled'; retryAtMs?: number } | { kind: 'fenced' };

export interface InHandOptions extends Pick<ReceiptOptions, 'mayAct' | 'failed' | 'holdMs'> {
  deps: SendingDeps;
  hold: Hold;
  /** What the last owner left in the account's item. */
  inherited: StoredInHand | undefined;
  /** See AccountHot. */
  authHead(): number | undefined;
  /** A receipt has joined an outcome that was kept for it: the outcome is waited for no longer. */
  receiptJoined(): void;
}

/**
 * The messages in hand of one account: each is named by the account's hot item from its claim until its outcome is in the account's totals, so
 * that a new owner finds it. An account has one at most.
 *
 *   state      what is true                                             next
 *   ---------  -------------------------------------------------------  ----------------------------------------------------------------
 *   claiming   its claim is on the way to the table                     claimed; unsure: no answer came; gone: the claim was refused
 *   unsure     the claim may stand; nothing has been sent under it      claimed; gone: the message in the table does not have the nonce
 *   claimed    SENDING in the table, under our claim                    on_wire; written: not on WhatsApp; left_over: the line was lost
 *   on_wire    the transport has it                                     kept: acked; left_over: no answer, or a refusal to be written
 *   left_over  its fate is open: a dead owner, or a lost line, left it  gone: claimed again to be sent again; written: a receipt had
 *                                                                       settled it, or it is laid aside, refused, abandoned or given up
 *   kept       acked; the outcome waits for company (see Receipts)      written: with the claim of the next message, or by `writeOutcomes`
 *   written    its outcome stands; the hot item still names it          gone: the next claim has put another in its place; leaving
 *   leaving    a flush is taking it out of the hot item                 gone; written: the flush had no answer and did not stand
 *   gone       not in hand
 *
 * The claim or flush that takes a message out of the hot item adds its outcome to the account's totals: each is counted once, because
 * a new owner that finds a settled message in hand knows that it was not counted yet.
 *
 * Call the methods that return promises one after the other. States change in `Held.to` alone.
 */
export class InHand {
  /** Of this account. Some go with its outcomes. */
  readonly receipts: Receipts;
  private readonly options: InHandOptions;
  private readonly deps: SendingDeps;
  private readonly hold: Hold;
  private held: Held[] = [];
  private outcomes = 0;

  constructor(options: InHandOptions) {
    const { deps, hold, inherited } = options;
    this.options = options;
    this.deps = deps;
    this.hold = hold;
    if (inherited !== undefined) {
      const orphaned = inherited.released !== true;
      this.held.push(new Held(inherited, { kind: 'left_over', mayHaveLeft: true, orphaned }));
    }
    const { table, clock, sent } = deps;
    const { tenantId, accountId } = hold;
    this.receipts = new Receipts({
      ...{ table, clock, sent, tenantId, accountId },
      mayAct: options.mayAct,
      failed: options.failed,
      holdMs: options.holdMs,
      join: (messageId, receipts) => this.join(messageId, receipts),
    });
  }

  /** Whether the fate of a message is open. */
  get hasOpen(): boolean {
    return this.held.some(({ isOpen }) => isOpen);
  }

  /** Whether a claim had no answer: `stillOpen` finds out whether it stood, and until then nothing may be sent under it. */
  get claimIsUnsure(): boolean {
    return this.in('unsure').length > 0;
  }

  /** Whether the account's item lacks something: call `flush` when no claim follows. */
  get dirty(): boolean {
    return this.in('kept', 'written', 'leaving').length > 0;
  }

  /** Whether an outcome is kept back. */
  get keepsOutcome(): boolean {
    return this.in('kept').length > 0;
  }

  /** How much longer (ms) an outcome that is kept is worth keeping for its receipt. */
  get holdMs(): number {
    const nowMs = this.deps.clock.monotonicMs();
    return Math.max(0, ...this.held.map((held) => held.holdMs(nowMs)));
  }

  /** How many outcomes there have been: a sign that the connection is good for something. */
  get outcomeCount(): number {
    return this.outcomes;
  }

  /** When WhatsApp acked the message of this receipt (epoch ms), if its outcome is kept and this is its recipient's first receipt. */
  ackedAt({ messageId, from }: { messageId: string; from: readonly string[] }): number | undefined {
    return this.keptOf(messageId)?.ackedAt(from);
  }

  /**
   * Takes a message in hand and advances pacing; an outcome that is kept is written by the same transaction. `stops`: see ClaimRequest. When
   * this throws, nobody knows whether the claim stands: call `stillOpen` before anything else.
   */
  async claim(message: Message, pace: PaceState, stops: number): Promise<Exclude<ClaimResult, { kind: 'apart' }>> {
    if (!this.deps.lease.valid()) return { kind: 'fenced' };
    // A lane may hold a message twice; one transaction cannot.
    if (this.keptOf(message.id) !== undefined && !(await this.writeOutcomes())) return { kind: 'fenced' };
    await this.learnOfFlush();
    const nonce = this.deps.nonce();
    const together = await this.tryToClaim(message, { nonce, pace, stops }, this.in('kept'));
    if (together.kind !== 'apart') return together;
    if (!(await this.writeOutcomes())) return { kind: 'fenced' };
    const alone = await this.tryToClaim(message, { nonce, pace, stops }, []);
    if (alone.kind === 'apart') throw new Error('a claim alone cannot be apart from anything');
    return alone;
  }

  private async tryToClaim(
    message: Message,
    by: { nonce: string; pace: PaceState; stops: number },
    kept: readonly Held[],
  ): Promise<ClaimResult> {
    const before = this.in('left_over').find(({ messageId }) => messageId === message.id);
    if (this.held.some((held) => held.isOpen && held !== before)) throw new Error('another message is in hand');
    const takesOut = [...this.in('kept', 'written'), ...(before === undefined ? [] : [before])];
    const mayHaveLeft = message.state === 'QUEUED' ? message.openSince !== undefined : (before?.mayHaveLeft ?? true);
    const held = new Held({ messageId: message.id, nonce: by.nonce }, { kind: 'claiming', mayHaveLeft });
    this.held.push(held);
    const request = {
      ...by,
      message,
      host: this.hold.hostId,
      epoch: this.hold.epoch,
      totals: totalsOf(takesOut),
      authHead: this.options.authHead(),
      crashes: before === undefined ? 0 : before.crashesOver(message),
      nowMs: this.deps.clock.nowMs(),
    };
    const outcomes = kept.flatMap(({ keptOutcome }) => keptOutcome ?? []);
    const take = (steps: Step[]) =>
      claim(this.deps.table, request, steps).catch((error: unknown) => {
        held.to({ kind: 'unsure', mayHaveLeft, takesOut });
        throw error;
      });
    const result =
      kept.length === 0
        ? await take([])
        : await this.receipts.along(
            (riders) => whileWriting(kept, () => take([...outcomes, ...riders])),
            ({ kind }) => kind === 'claimed',
          );
    if (result.kind === 'claimed') {
      for (const outcome of outcomes) this.wrote(afterStep(outcome), outcome);
      this.stood(held, takesOut);
    } else this.drop([held]);
    if (result.kind !== 'apart') this.deps.counts.claim(result.kind);
    return result;
  }

  /** A claim stands: its message is in hand, and those whose place it has taken are not any more. */
  private stood(held: Held, takesOut: readonly Held[]): void {
    held.to({ kind: 'claimed', mayHaveLeft: held.mayHaveLeft });
    this.drop(takesOut);
  }

  private drop(out: readonly Held[]): void {
    for (const held of out) held.leave();
    this.held = this.held.filter((held) => !out.includes(held));
  }

  /** A transport gets the message: from now on a try may have arrived. */
  onWire(message: Message): void {
    const held = this.heldBy(message);
    held.to({ kind: 'on_wire', hadLeft: held.mayHaveLeft });
  }

  /** The transport is done with the message, which was not taken. `left`: this try may have arrived all the same. */
  offWire(message: Message, left: boolean): void {
    this.heldBy(message).offWire(left);
  }

  /** Whether a try of this sending may have arrived. */
  mayHaveLeft(message: Message): boolean {
    return this.heldBy(message).mayHaveLeft;
  }

  /** The message was acked. Its outcome goes with the claim of the next message, or is written by `writeOutcomes` where none follows at once. */
  keep(message: Message, change: Step['change']): Settled {
    const { clock } = this.deps;
    const outcome: Step = { message, to: 'SENT', change, nowMs: clock.nowMs() };
    this.heldBy(message).to({ kind: 'kept', outcome, sinceMs: clock.monotonicMs(), writing: false, joined: [] });
    this.receipts.outcomeKept(message.id);
    this.outcomes += 1;
    return { kind: 'settled' };
  }

  private join(messageId: string, receipts: TimedReceipt[]): Promise<boolean> | undefined {
    const joined = this.keptOf(messageId)?.join(receipts);
    if (joined !== undefined) this.options.receiptJoined();
    return joined;
  }

  /** Writes outcomes that are kept. Returns false when a message is another owner's by now. */
  async writeOutcomes(): Promise<boolean> {
    for (const held of this.in('kept')) {
      const { keptOutcome: outcome } = held;
      if (outcome === undefined) continue;
      if (!this.deps.lease.valid()) return false;
      const { message } = outcome;
      try {
        this.wrote(await whileWriting([held], () => this.write(outcome)), outcome);
      } catch (error) {
        if (!(error instanceof ConditionFailed)) throw error;
        const now = await readMessage(this.deps.table, message.tenantId, message.id);
        // A receipt was faster, or our own first try stood although its answer was lost.
        if (now?.claim?.nonce !== held.nonce) return false;
        this.wrote(now, now.state === outcome.to ? outcome : undefined);
      }
    }
    return true;
  }

  /** Receipts of other messages that wait for this go along; if any is not as was thought, the outcome goes alone. */
  private async write(outcome: Step): Promise<Message> {
    const { table } = this.deps;
    const together = await this.receipts.along(async (riders) => {
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
    return await moveMessage(table, outcome.message, outcome.to, outcome.nowMs, outcome.change);
  }

  /** An outcome that was kept stands, as `moved`; `written` undefined: the table has another one. */
  private wrote(moved: Message, written: Step | undefined): void {
    this.deps.sent.put(moved);
    this.keptOf(moved.id)?.wrote(moved.state, written);
  }

  /** Writes an outcome at once. */
  async settle(message: Message, to: MessageState, change: Step['change']): Promise<Settled> {
    const { table, clock, lease, sent } = this.deps;
    if (!lease.valid()) return { kind: 'fenced' };
    let as: MessageState | undefined;
    try {
      const checks = to === 'PENDING' ? goesOn(message) : [];
      const moved = await moveMessage(table, message, to, clock.nowMs(), change, checks);
      sent.put(moved);
      as = moved.state;
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      // Its contract has ended: nothing waits to be tried again.
      if (error.failed[0] !== true) {
        const why = change.openSince === undefined ? endedMeanwhile : outcomeUnknown;
        return await this.settle(message, 'FAILED', { ...change, error: why });
      }
      const now = await readMessage(table, message.tenantId, message.id);
      // A receipt was faster than the ack, or our own first try stood although its answer was lost.
      if (now?.claim?.nonce !== message.claim?.nonce && now?.state !== 'PENDING') return { kind: 'fenced' };
      as = now?.state;
    }
    this.heldBy(message).to({ kind: 'written', as });
    this.outcomes += 1;
    return { kind: 'settled' };
  }

  /** The message waits as PENDING until `notBefore` (epoch ms), and is known to be open if a try may have left. */
  async layAside(message: Message, notBefore: number, change: Step['change'] = {}): Promise<Settled> {
    const openSince = this.heldBy(message).mayHaveLeft ? message.claim?.since : undefined;
    const full = { ...change, notBefore, ...(openSince === undefined ? {} : { openSince }) };
    const settled = await this.settle(message, 'PENDING', full);
    return settled.kind === 'settled' ? { ...settled, retryAtMs: notBefore } : settled;
  }

  /**
   * Returns the messages in hand that have no outcome yet, as they are in the table; undefined when one is another owner's by now. Nothing may
   * be on the wire. Call this once receipts that waited at the server have been written: they settle messages too.
   */
  async stillOpen(): Promise<Message[] | undefined> {
    if (!(await this.writeOutcomes())) return undefined;
    await this.learnOfClaim();
    for (const held of this.in('claimed'))
      held.to({ kind: 'left_over', mayHaveLeft: held.mayHaveLeft, orphaned: false });
    const open: Message[] = [];
    for (const held of this.in('left_over')) {
      const message = await readMessage(this.deps.table, this.hold.tenantId, held.messageId);
      const ours = message?.claim?.nonce === held.nonce ? message : undefined;
      if (ours?.state === 'SENDING') open.push(ours);
      else held.to({ kind: 'written', as: ours?.state });
    }
    return open;
  }

  /** A claim without an answer stood if its message has its nonce. */
  private async learnOfClaim(): Promise<void> {
    for (const held of this.in('unsure')) {
      const message = await readMessage(this.deps.table, this.hold.tenantId, held.messageId);
      if (held.state.kind !== 'unsure') continue;
      if (message?.claim?.nonce === held.nonce) this.stood(held, held.state.takesOut);
      else this.drop([held]);
    }
  }

  /** Brings the account's item up to date without waiting for the next claim. Returns false when the account is another owner's by now. */
  async flush(): Promise<boolean> {
    if (!this.dirty) return true;
    if (!(await this.writeOutcomes())) return false;
    await this.learnOfClaim();
    await this.learnOfFlush();
    const leaving = this.in('written');
    const [first] = leaving;
    if (first === undefined) return true;
    const totals = totalsOf(leaving);
    for (const held of leaving) held.leaving(true);
    if (!(await flushTotals(this.deps.table, this.hold, totals, first, this.options.authHead()))) return false;
    this.drop(leaving);
    return true;
  }

  /** A flush without an answer stood if the message that it took out of the account's item is not there any more. */
  private async learnOfFlush(): Promise<void> {
    for (const held of this.in('leaving')) {
      const hot = await readHot(this.deps.table, this.hold.tenantId, this.hold.accountId);
      if (hot?.inHand?.nonce === held.nonce) held.leaving(false);
      else this.drop([held]);
    }
  }

  /** The account is not ours any more: receipts that wait for an outcome nobody writes are given back. */
  giveReceiptsBack(): void {
    this.drop(this.in('kept'));
  }

  /** Returns how many owners ended without a word over this message, the last one included. */
  crashesOver(message: Message): number {
    return this.heldBy(message).crashesOver(message);
  }

  private in(...kinds: HeldState['kind'][]): Held[] {
    return this.held.filter(({ state }) => kinds.includes(state.kind));
  }

  private keptOf(messageId: string): Held | undefined {
    return this.in('kept').find((held) => held.messageId === messageId);
  }

  /** The message in hand under the claim that `message` shows. */
  private heldBy(message: Message): Held {
    const held = this.held.find(({ messageId, nonce }) => messageId === message.id && nonce === message.claim?.nonce);
    if (held === undefined) throw new Error('this message is not in hand');
    return held;
  }
}

/** Nothing joins these outcomes while `write` writes them. */
async function whileWriting<T>(kept: readonly Held[], write: () => Promise<T>): Promise<T> {
  for (const held of kept) held.writing(true);
  try {
    return await write();
  } finally {
    for (const held of kept) held.writing(false);
  }
}
