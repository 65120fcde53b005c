import { goesOn } from '../aws/contracts/contracts.ts';
import { flushTotals, type Hold } from '../aws/hosts/ownership.ts';
import { type ClaimResult, claim, stepsBeside, voidClaims } from '../aws/messages/claims.ts';
import { afterStep, maxSteps, readMessage, type Step, takeSteps, tryMove } from '../aws/messages/messages.ts';
import { outcomeUnknown } from '../aws/messages/outcome-unknown.ts';
import { inHandOf, type InHand as StoredInHand, storedInHand } from '../domain/accounts/in-hand.ts';
import type { PaceState } from '../domain/accounts/pacing.ts';
import { endedMeanwhile, type Message, type MessageState } from '../domain/messages/message.ts';
import type { TimedReceipt } from '../domain/messages/receipts.ts';
import type { SendingDeps } from './deps.ts';
import { Held, type HeldState, newClaim, totalsOf, whileWriting } from './held.ts';
import { type ReceiptOptions, Receipts } from './receipts.ts';

/** `retryAtMs`: the message is PENDING until then. `fenced`: the account or the message belongs to another owner by now. */
export type Resolved = { kind: 'resolved'; retryAtMs?: number } | { kind: 'fenced' };

export type Claimed = Exclude<ClaimResult, { kind: 'apart' | 'changed' }>;

/** How often (times) a write of what is in hand is tried when the account's item names something else. */
const mostTries = 4;

export interface InHandOptions extends Pick<ReceiptOptions, 'mayAct' | 'failed' | 'holdMs'> {
  deps: SendingDeps;
  hold: Hold;
  /** How many messages may be in hand at once: 1 to 25. */
  capacity: number;
  /** The messages that the last owner left in the account's item. */
  inherited: StoredInHand | undefined;
  /** See AccountHot. */
  authHead(): number | undefined;
  /** A receipt has joined an outcome that was kept for it: the outcome is waited for no longer. */
  receiptJoined(): void;
}

/**
 * The messages in hand of one account: each is named by the account's hot item from its claim until its outcome is in the account's totals, so
 * that a new owner finds it. `capacity` says how many there may be: one for a linked device, more for a transport that sends in parallel.
 *
 *   state      what is true of a message                                next
 *   ---------  -------------------------------------------------------  ----------------------------------------------------------------
 *   claiming   its claim is on the way to the table                     claimed; unsure: no answer came; gone: the claim was refused
 *   unsure     the claim may stand; nothing has been sent under it      claimed; gone: the hot item does not name it
 *   claimed    SENDING in the table, under our claim                    on_wire; written: not on WhatsApp; left_over: the connection was lost
 *   on_wire    the transport has it                                     kept: acked; left_over: no answer, or a refusal to be written
 *   left_over  its fate is open: a dead owner or lost connection left it gone: claimed again to be sent again; written: a receipt had
 *                                                                       resolved it, or it is laid aside, refused, abandoned or given up
 *   kept       acked; the outcome waits for company (see Receipts)      written: with the next claim, or by `writeOutcomes`
 *   written    its outcome stands; the hot item still names it          gone: the next claim or a flush has taken it out
 *   gone       not in hand
 *
 * The hot item is the truth of what is in hand. Each write of it stands only while it names what we last heard of (`stored`), and a refusal
 * tells what it names instead: an earlier write has stood although its answer was lost. `learn` brings what is held in line with it.
 *
 * The claim or flush that takes a message out of the hot item adds its outcome to the account's totals: each is counted once, because
 * a new owner that finds a resolved message in hand knows that it was not counted yet.
 *
 * Call `claim`, `writeOutcomes`, `stillOpen` and `flush` one after the other; `resolve` and `layAside` may run at once for different messages.
 * States change in `Held.to` alone.
 */
export class InHand {
  /** The receipts of this account. Some are written with its outcomes. */
  readonly receipts: Receipts;
  private readonly options: InHandOptions;
  private readonly deps: SendingDeps;
  private readonly hold: Hold;
  private held: Held[];
  /** The messages that the hot item names in hand, as last heard of. */
  private stored: StoredInHand | undefined;
  /** How many outcomes there have been: a sign that the connection is good for something. */
  outcomeCount = 0;

  constructor(options: InHandOptions) {
    const { deps, hold, inherited } = options;
    this.options = options;
    this.deps = deps;
    this.hold = hold;
    this.stored = inherited;
    const orphaned = inherited?.released !== true;
    this.held = inHandOf({ inHand: inherited }).map(
      (named) => new Held(named, { kind: 'left_over', mayHaveLeft: true, orphaned }),
    );
    const { table, clock, sent } = deps;
    const { tenantId, accountId } = hold;
    this.receipts = new Receipts({
      ...{ table, clock, sent, tenantId, accountId },
      mayAct: options.mayAct,
      failed: options.failed,
      holdMs: options.holdMs,
      join: (messageId, receipts) => this.join(messageId, receipts),
      outcomeIsKept: (messageId) => this.keptOf(messageId) !== undefined,
    });
  }

  /** How many messages may be claimed now, beside those that are left over. An owner may inherit more of these than it may have in hand. */
  get room(): number {
    return Math.max(0, this.options.capacity - this.held.filter(({ isOpen }) => isOpen).length);
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
    return this.in('kept', 'written').length > 0;
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

  /** When WhatsApp acked the message of this receipt (epoch ms), if its outcome is kept and this is its recipient's first receipt. */
  ackedAt({ messageId, from }: { messageId: string; from: readonly string[] }): number | undefined {
    return this.keptOf(messageId)?.ackedAt(from);
  }

  /**
   * Takes messages in hand and advances pacing; outcomes that are kept are written by the same transaction. `stops`: see ClaimRequest. When
   * this throws, the claim may stand or not: call `stillOpen` before anything else.
   */
  async claim(messages: readonly Message[], pace: PaceState, stops: number): Promise<Claimed> {
    if (!this.deps.lease.valid()) return { kind: 'fenced' };
    const by = { nonce: this.deps.nonce(), pace, stops };
    let apart = false;
    for (let left = mostTries; left > 0; left -= 1) {
      const room = stepsBeside(messages.length);
      if ((apart || this.in('kept').length > room) && !(await this.writeOutcomes())) return { kind: 'fenced' };
      // A lane may hold a message twice; one transaction cannot.
      const others = this.in('kept').filter(({ messageId }) => !messages.some(({ id }) => id === messageId));
      const result = await this.tryToClaim(messages, by, apart ? [] : others.slice(0, room));
      if (result.kind === 'apart') apart = true;
      else if (result.kind !== 'changed') return result;
      else if (!this.learn(result.inHand)) return { kind: 'fenced' };
    }
    return { kind: 'fenced' };
  }

  private async tryToClaim(
    messages: readonly Message[],
    by: { nonce: string; pace: PaceState; stops: number },
    kept: readonly Held[],
  ): Promise<ClaimResult> {
    const again = this.in('left_over').filter(({ messageId }) => messages.some(({ id }) => id === messageId));
    const takesOut = [...kept, ...this.in('written'), ...again];
    if (messages.length - again.length > this.room) throw new Error('more messages in hand than there may be');
    const claims = messages.map((message) => newClaim(message, by.nonce, again));
    const claiming = claims.map(({ held }) => held);
    const inHand = this.without(takesOut, claiming);
    if (inHand === undefined) throw new RangeError('a claim needs a message');
    this.held.push(...claiming);
    const request = {
      ...by,
      inHand,
      replaces: this.stored,
      messages: claims,
      host: this.hold.hostId,
      epoch: this.hold.epoch,
      totals: totalsOf(takesOut),
      authHead: this.options.authHead(),
      nowMs: this.deps.clock.nowMs(),
    };
    const outcomes = kept.flatMap(({ keptOutcome }) => keptOutcome ?? []);
    const take = (steps: Step[]) =>
      claim(this.deps.table, request, steps).catch((error: unknown) => {
        for (const held of claiming) held.to({ kind: 'unsure', mayHaveLeft: held.mayHaveLeft });
        throw error;
      });
    const result =
      kept.length === 0
        ? await take([])
        : await this.receipts.along(
            Math.min(maxSteps, stepsBeside(messages.length)) - kept.length,
            (riders) => whileWriting(kept, () => take([...outcomes, ...riders])),
            ({ kind }) => kind === 'claimed',
          );
    this.count(result, messages);
    if (result.kind !== 'claimed') this.drop(claiming);
    else for (const outcome of outcomes) this.wrote(afterStep(outcome), outcome);
    return result.kind !== 'claimed' || this.learn(inHand) ? result : { kind: 'fenced' };
  }

  /** Returns what the hot item names in hand when these are taken out of it, and those are put in. */
  private without(out: readonly Held[], added: readonly Held[] = []): StoredInHand | undefined {
    const stays = this.held.filter((held) => !out.includes(held));
    return storedInHand([...stays, ...added], () => this.deps.nonce());
  }

  private count(result: ClaimResult, messages: readonly Message[]): void {
    if (result.kind === 'apart' || result.kind === 'changed') return;
    if (result.kind === 'refused') for (const why of result.messages.values()) this.deps.counts.claim(why);
    else for (let left = messages.length; left > 0; left -= 1) this.deps.counts.claim(result.kind);
  }

  /**
   * The hot item names `inHand`: what it names is held, and nothing else is. Returns false when it names a message that we do not hold, or does
   * not name one that is on its way to the wire. That is no work of ours: the account must be given up, and its next owner resolves what is named.
   */
  private learn(inHand: StoredInHand | undefined): boolean {
    const named = inHandOf({ inHand });
    const isNamed = (held: Held) => named.some((one) => one.messageId === held.messageId && one.nonce === held.nonce);
    if (this.held.filter(isNamed).length < named.length) return false;
    if (!this.in('claimed', 'on_wire').every(isNamed)) return false;
    for (const held of this.in('claiming', 'unsure').filter(isNamed))
      held.to({ kind: 'claimed', mayHaveLeft: held.mayHaveLeft });
    this.drop(this.held.filter((held) => !isNamed(held)));
    this.stored = inHand;
    return true;
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
  keep(message: Message, change: Step['change']): Resolved {
    const { clock } = this.deps;
    const outcome: Step = { message, to: 'SENT', change, nowMs: clock.nowMs() };
    this.heldBy(message).to({ kind: 'kept', outcome, sinceMs: clock.monotonicMs(), writing: false, joined: [] });
    this.receipts.outcomeKept(message.id);
    this.outcomeCount += 1;
    return { kind: 'resolved' };
  }

  private join(messageId: string, receipts: TimedReceipt[]): Promise<boolean> | undefined {
    const joined = this.keptOf(messageId)?.join(receipts);
    if (joined !== undefined) this.options.receiptJoined();
    return joined;
  }

  /** Writes outcomes that are kept, together with receipts of other messages that wait. Returns false when a message is another owner's by now. */
  async writeOutcomes(): Promise<boolean> {
    const kept = this.in('kept');
    if (kept.length === 0) return true;
    if (!this.deps.lease.valid()) return false;
    const outcomes = kept.flatMap(({ keptOutcome }) => keptOutcome ?? []);
    const moved = await whileWriting(kept, () => this.write(outcomes));
    for (const [at, outcome] of outcomes.entries()) {
      const now = moved[at];
      if (now !== undefined) this.wrote(now, outcome);
      else if (!(await this.wroteOtherwise(outcome))) return false;
    }
    return await this.writeOutcomes();
  }

  /** Together with receipts that ride along, or else each alone. Returns the messages; undefined where one was not as was thought. */
  private async write(outcomes: Step[]): Promise<(Message | undefined)[]> {
    const { table } = this.deps;
    const together = async (riders: Step[]) => {
      const steps = [...outcomes, ...riders];
      return steps.length > 1 && (await takeSteps(table, steps));
    };
    if (await this.receipts.along(maxSteps - outcomes.length, together, Boolean)) return outcomes.map(afterStep);
    const alone: (Message | undefined)[] = [];
    for (const { message, to, nowMs, change } of outcomes) {
      alone.push((await tryMove(table, message, to, nowMs, change)).moved);
    }
    return alone;
  }

  /** A receipt was faster, or our own first try stood although its answer was lost. False: the message is another owner's. */
  private async wroteOtherwise(outcome: Step): Promise<boolean> {
    const { message } = outcome;
    const now = await readMessage(this.deps.table, message.tenantId, message.id);
    if (now?.claim?.nonce !== message.claim?.nonce) return false;
    if (now !== undefined) this.wrote(now, now.state === outcome.to ? outcome : undefined);
    return true;
  }

  /** An outcome that was kept stands, as `moved`; `written` undefined: the table has another one. */
  private wrote(moved: Message, written: Step | undefined): void {
    this.deps.sent.put(moved);
    this.keptOf(moved.id)?.wrote(moved.state, written);
  }

  /** Writes an outcome at once. */
  async resolve(message: Message, to: MessageState, change: Step['change']): Promise<Resolved> {
    const { table, clock, lease, sent } = this.deps;
    if (!lease.valid()) return { kind: 'fenced' };
    const checks = to === 'PENDING' ? goesOn(message) : [];
    const { moved, refused } = await tryMove(table, message, to, clock.nowMs(), change, checks);
    // Its contract has ended: nothing waits to be tried again.
    if (refused !== undefined && !refused.by('message')) {
      const why = change.openSince === undefined ? endedMeanwhile : outcomeUnknown;
      return await this.resolve(message, 'FAILED', { ...change, error: why });
    }
    if (moved !== undefined) sent.put(moved);
    const now = moved ?? (await readMessage(table, message.tenantId, message.id));
    // A receipt was faster than the ack, or our own first try stood although its answer was lost.
    const isOurs = moved !== undefined || now?.claim?.nonce === message.claim?.nonce || now?.state === 'PENDING';
    if (!isOurs) return { kind: 'fenced' };
    this.heldBy(message).to({ kind: 'written', as: now?.state });
    this.outcomeCount += 1;
    return { kind: 'resolved' };
  }

  /** The message waits as PENDING until `notBefore` (epoch ms), and is known to be open if a try may have left. */
  async layAside(message: Message, notBefore: number, change: Step['change'] = {}): Promise<Resolved> {
    const openSince = this.heldBy(message).mayHaveLeft ? message.claim?.since : undefined;
    const full = { ...change, notBefore, ...(openSince === undefined ? {} : { openSince }) };
    const resolved = await this.resolve(message, 'PENDING', full);
    return resolved.kind === 'resolved' ? { ...resolved, retryAtMs: notBefore } : resolved;
  }

  /**
   * Returns the messages in hand that have no outcome yet, as they are in the table; undefined when one is another owner's by now. Nothing may
   * be on the wire, or on its way there. Call this once receipts that waited at the server have been written: they resolve messages too.
   */
  async stillOpen(): Promise<Message[] | undefined> {
    if (!(await this.writeOutcomes()) || !(await this.learnOfClaim())) return undefined;
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

  /** A claim without an answer stood if the hot item names its messages. Returns false when the account is another owner's by now. */
  private async learnOfClaim(): Promise<boolean> {
    if (!this.claimIsUnsure) return true;
    const hot = await voidClaims(this.deps.table, this.hold);
    return hot !== undefined && this.learn(hot.inHand);
  }

  /** Brings the account's item up to date without waiting for the next claim. Returns false when the account is another owner's by now. */
  async flush(): Promise<boolean> {
    for (let left = mostTries; left > 0; left -= 1) {
      if (!this.dirty && !this.claimIsUnsure) return true;
      if (!(await this.writeOutcomes()) || !(await this.learnOfClaim())) return false;
      const leaving = this.in('written');
      if (leaving.length === 0) return true;
      const change = { from: this.stored, left: this.without(leaving) };
      const result = await flushTotals(this.deps.table, this.hold, totalsOf(leaving), change, this.options.authHead());
      if (result.kind === 'flushed') return this.learn(change.left);
      if (result.kind === 'fenced' || !this.learn(result.inHand)) return false;
    }
    return false;
  }

  /** Gives receipts back that wait for an outcome. Call this when the account is not ours any more, because the outcome is not written then. */
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
