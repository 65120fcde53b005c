import { ConditionFailed } from '../aws/client/table.ts';
import { goesOn } from '../aws/contracts/contracts.ts';
import { afterStep, moveMessage, readMessage, type Step, takeSteps } from '../aws/messages/messages.ts';
import { outcomeUnknown } from '../aws/messages/outcome-unknown.ts';
import { endedMeanwhile, type Message, type MessageState } from '../domain/messages/message.ts';
import type { SendingDeps } from './deps.ts';
import { KeptOutcome } from './kept-outcome.ts';
import type { Receipts } from './receipts.ts';
import { UntoldTotals } from './untold-totals.ts';

/** The account's receipts, which go with outcomes where they can. */
export type Companions = Pick<Receipts, 'along' | 'outcomeKept'>;

/** `retryAtMs`: the message is PENDING until then. */
export type Settled = { kind: 'settled'; retryAtMs?: number } | { kind: 'fenced' };

/** What becomes of the messages of one account, on its way to the table: kept back for company, or written at once. */
export class Outcomes {
  private readonly deps: SendingDeps;
  private readonly receipts: () => Companions;
  private readonly settled: (messageId: string) => void;
  /** The outcome of the message in hand, acked but not in the table yet. */
  readonly kept: KeptOutcome;
  readonly totals = new UntoldTotals();
  private sends = 0;

  /** `settled` is told when the outcome of a message stands. */
  constructor(deps: SendingDeps, receipts: () => Companions, settled: (messageId: string) => void) {
    this.deps = deps;
    this.receipts = receipts;
    this.settled = settled;
    this.kept = new KeptOutcome(deps.clock);
  }

  /** How many there have been: a sign that the connection is good for something. */
  get count(): number {
    return this.sends;
  }

  /** Acked: the outcome goes with the claim of the next message, or is written by `write` where none follows at once. */
  keepBack(message: Message, change: Step['change']): Settled {
    this.kept.keep({ message, to: 'SENT', change, nowMs: this.deps.clock.nowMs() });
    this.receipts().outcomeKept(message.id);
    this.totals.count('SENT');
    this.sends += 1;
    return { kind: 'settled' };
  }

  /** Writes an outcome that was kept back for the next claim. False: the message is another's by now. */
  async write(): Promise<boolean> {
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
    return await moveMessage(table, outcome.message, outcome.to, outcome.nowMs, outcome.change);
  }

  /** What was kept stands, as `moved`; `written` undefined: the table has another outcome. */
  wrote(moved: Message, written: Step | undefined): void {
    this.deps.sent.put(moved);
    this.settled(moved.id);
    this.kept.settle(written);
  }

  /** Writes an outcome at once. */
  async settle(message: Message, to: MessageState, change: Step['change']): Promise<Settled> {
    if (!this.deps.lease.valid()) return { kind: 'fenced' };
    try {
      const { table, clock } = this.deps;
      const moved = await moveMessage(
        table,
        message,
        to,
        clock.nowMs(),
        change,
        to === 'PENDING' ? [goesOn(message)] : [],
      );
      this.deps.sent.put(moved);
      this.totals.count(moved.state);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      // Its contract has ended: nothing waits to be tried again.
      if (error.failed[0] !== true) {
        const why = change.openSince === undefined ? endedMeanwhile : outcomeUnknown;
        return await this.settle(message, 'FAILED', { ...change, error: why });
      }
      const now = await readMessage(this.deps.table, message.tenantId, message.id);
      // A receipt was faster than the ack, or our own first try stood although its answer was lost.
      if (now?.claim?.nonce !== message.claim?.nonce && now?.state !== 'PENDING') return { kind: 'fenced' };
      if (now !== undefined) this.totals.count(now.state);
    }
    this.settled(message.id);
    this.sends += 1;
    return { kind: 'settled' };
  }
}
