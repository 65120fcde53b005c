import { afterStep, type Step } from '../aws/messages/messages.ts';
import { afterReceipts, isRecipient, type TimedReceipt } from '../domain/messages/receipts.ts';
import type { Clock } from '../runtime/clock.ts';

/**
 * How long an outcome waits for the first receipt of its message where no next message takes it along. Most phones that are online answer
 * within this time, and then SENT and DELIVERED are one transaction of 4 write units instead of two.
 */
const outcomeHoldMs = 1_000;

/**
 * The outcome of the message in hand, between WhatsApp's ack and the table:
 *
 *   kept -> written by the claim of the next message, or alone once nothing more is waited for
 *     ^  \\-> a receipt of the message joins: SENT becomes DELIVERED or READ, and is waited for no longer
 *     +--- a write that failed leaves it as it is
 *
 * While it is being written nothing joins: what has been handed to a call may stand already.
 */
export class KeptOutcome {
  private readonly clock: Clock;
  private kept: Step | undefined;
  private sinceMs = 0;
  private writing = 0;
  private joined: PromiseWithResolvers<boolean>[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get outcome(): Step | undefined {
    return this.kept;
  }

  keep(outcome: Step): void {
    this.kept = outcome;
    this.sinceMs = this.clock.monotonicMs();
  }

  /** How much longer (ms) it is worth waiting for a receipt; 0 when nothing is kept or one has come. */
  get holdMs(): number {
    if (this.kept === undefined || this.kept.to !== 'SENT') return 0;
    return Math.max(0, this.sinceMs + outcomeHoldMs - this.clock.monotonicMs());
  }

  /** When WhatsApp acked the message of this receipt (epoch ms), if its outcome is kept and no receipt of its recipient has joined it. */
  ackedAt({ messageId, from }: { messageId: string; from: readonly string[] }): number | undefined {
    const { kept } = this;
    if (kept?.message.id !== messageId || kept.to !== 'SENT' || !isRecipient(afterStep(kept), from)) return undefined;
    return kept.change.sentAt;
  }

  /**
   * Receipts of the message whose outcome is kept become part of it. Undefined when it is another message's, or is being written. Resolves with
   * true when they are in the table, with false when the outcome could not be written as it was and the receipts must go their own way.
   */
  join(messageId: string, receipts: readonly TimedReceipt[]): Promise<boolean> | undefined {
    const { kept } = this;
    if (kept === undefined || kept.message.id !== messageId || this.writing > 0) return undefined;
    const after = afterReceipts(afterStep(kept), receipts);
    if (after !== undefined) this.kept = { ...kept, to: after.to, change: { ...kept.change, ...after.change } };
    const joined = Promise.withResolvers<boolean>();
    this.joined.push(joined);
    return joined.promise;
  }

  /** Nothing joins while `write` writes what was kept. */
  async during<T>(write: () => Promise<T>): Promise<T> {
    this.writing += 1;
    try {
      return await write();
    } finally {
      this.writing -= 1;
    }
  }

  /** Nothing is kept any more. `written` is the outcome as the table has it, undefined where it has another: what joined later is not in it. */
  settle(written: Step | undefined): void {
    const whole = written !== undefined && written === this.kept;
    this.kept = undefined;
    for (const { resolve } of this.joined.splice(0)) resolve(whole);
  }
}
