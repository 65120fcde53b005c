import type { Totals } from '../aws/hosts/ownership.ts';
import type { Claimable } from '../aws/messages/claims.ts';
import { afterStep, type Step } from '../aws/messages/messages.ts';
import type { Named } from '../domain/accounts/in-hand.ts';
import { isSuccess, type Message, type MessageState } from '../domain/messages/message.ts';
import { afterReceipts, isRecipient, type TimedReceipt } from '../domain/messages/receipts.ts';

/**
 * How long an outcome waits for the first receipt of its message where no next message takes the outcome along. Most phones that are online
 * answer within this time, and then SENT and DELIVERED are one transaction of 4 write units instead of two.
 */
const outcomeHoldMs = 1_000;

/** `mayHaveLeft`: a try of this sending may have arrived; false only as long as this process knows that none has left it. */
export type HeldState =
  | { kind: 'claiming' | 'unsure' | 'claimed'; mayHaveLeft: boolean }
  /** `hadLeft`: an earlier try may have arrived. */
  | { kind: 'on_wire'; hadLeft: boolean }
  /** `orphaned`: the last owner ended without a word, which the claim in the table does not count yet. */
  | { kind: 'left_over'; mayHaveLeft: boolean; orphaned: boolean }
  /** `joined`: receipts that are part of the outcome. */
  | { kind: 'kept'; outcome: Step; sinceMs: number; writing: boolean; joined: PromiseWithResolvers<boolean>[] }
  /** `as`: the outcome, for the account's totals; undefined: nothing to count. */
  | { kind: 'written'; as: MessageState | undefined }
  | { kind: 'gone' };
type Kind = HeldState['kind'];

/** The moves that there are; see InHand. */
const moves: Record<Kind, readonly Kind[]> = {
  claiming: ['claimed', 'unsure', 'gone'],
  unsure: ['claimed', 'gone'],
  claimed: ['on_wire', 'left_over', 'written'],
  on_wire: ['kept', 'left_over'],
  left_over: ['written', 'gone'],
  kept: ['kept', 'written', 'gone'],
  written: ['gone'],
  gone: [],
};

/** One message in hand: which claim holds it, and how far it is. States and moves: InHand. */
export class Held implements Named {
  readonly messageId: string;
  readonly contractId: string | undefined;
  /** The nonce of the claim by which the message is held. */
  readonly nonce: string;
  private now: HeldState;

  constructor({ messageId, contractId, nonce }: Named, state: HeldState) {
    this.messageId = messageId;
    this.contractId = contractId;
    this.nonce = nonce;
    this.now = state;
  }

  get state(): HeldState {
    return this.now;
  }

  /** The one place that changes a state. */
  to(next: HeldState): void {
    if (!moves[this.now.kind].includes(next.kind)) {
      throw new Error(`a message in hand cannot go from ${this.now.kind} to ${next.kind}`);
    }
    this.now = next;
  }

  /** Whether the fate of the message is open: a next owner would have to resolve it. */
  get isOpen(): boolean {
    const { kind } = this.now;
    switch (kind) {
      case 'claiming':
      case 'unsure':
      case 'claimed':
      case 'on_wire':
      case 'left_over':
        return true;
      case 'kept':
      case 'written':
      case 'gone':
        return false;
      default:
        return kind satisfies never;
    }
  }

  get mayHaveLeft(): boolean {
    return 'mayHaveLeft' in this.now ? this.now.mayHaveLeft : true;
  }

  /** Returns how many owners ended without a word over the message, which is held as `message` shows it; the last owner counts. */
  crashesOver(message: Message): number {
    const uncounted = this.now.kind === 'left_over' && this.now.orphaned;
    return (message.claim?.crashes ?? 0) + Number(uncounted);
  }

  /** The outcome that is not in the table yet. */
  get keptOutcome(): Step | undefined {
    return this.now.kind === 'kept' ? this.now.outcome : undefined;
  }

  /** How much longer (ms) the outcome is worth keeping for a receipt; 0 when none is kept or a receipt has come. */
  holdMs(nowMs: number): number {
    if (this.now.kind !== 'kept' || this.now.outcome.to !== 'SENT') return 0;
    return Math.max(0, this.now.sinceMs + outcomeHoldMs - nowMs);
  }

  /** When WhatsApp acked the message (epoch ms), if its outcome is kept, no receipt has joined it, and `from` are its recipient's addresses. */
  ackedAt(from: readonly string[]): number | undefined {
    const outcome = this.keptOutcome;
    if (outcome?.to !== 'SENT' || !isRecipient(afterStep(outcome), from)) return undefined;
    return outcome.change.sentAt;
  }

  /**
   * Receipts become part of the outcome that is kept. Returns undefined when none is kept, or while it is being written: that call may stand
   * already. Resolves with true when the receipts are in the table, with false when they must go their own way.
   */
  join(receipts: readonly TimedReceipt[]): Promise<boolean> | undefined {
    if (this.now.kind !== 'kept' || this.now.writing) return undefined;
    const { outcome } = this.now;
    const after = afterReceipts(afterStep(outcome), receipts);
    const joined = Promise.withResolvers<boolean>();
    this.to({
      ...this.now,
      joined: [...this.now.joined, joined],
      outcome:
        after === undefined ? outcome : { ...outcome, to: after.to, change: { ...outcome.change, ...after.change } },
    });
    return joined.promise;
  }

  /** Marks the outcome that is kept as being written, or as not being written any more. */
  writing(writing: boolean): void {
    if (this.now.kind === 'kept') this.to({ ...this.now, writing });
  }

  /**
   * The outcome that was kept stands in the table, where the message is in state `as`. `written`: the outcome, if that is the one in the table;
   * receipts that are not in it are given back.
   */
  wrote(as: MessageState, written: Step | undefined): void {
    this.endKeeping({ kind: 'written', as }, written);
  }

  /** The transport has not got the message taken. `left`: this try may have arrived all the same. */
  offWire(left: boolean): void {
    if (this.now.kind === 'on_wire')
      this.to({ kind: 'left_over', mayHaveLeft: left || this.now.hadLeft, orphaned: false });
  }

  /** The message leaves the hand. Receipts that joined its outcome are given back, because no one writes that outcome any more. */
  leave(): void {
    if (this.now.kind === 'kept') this.endKeeping({ kind: 'gone' }, undefined);
    else if (this.now.kind !== 'gone') this.to({ kind: 'gone' });
  }

  private endKeeping(next: HeldState, written: Step | undefined): void {
    if (this.now.kind !== 'kept') return;
    const { joined, outcome } = this.now;
    this.to(next);
    for (const { resolve } of joined) resolve(written === outcome);
  }
}

/** Returns what these messages add to the totals of their account, once they are taken out of its item. */
export function totalsOf(taken: readonly Held[]): Totals {
  const totals = { messages: 0, errors: 0 };
  for (const { state } of taken) {
    const as = state.kind === 'kept' ? state.outcome.to : 'as' in state ? state.as : undefined;
    if (as === undefined) continue;
    if (isSuccess(as)) totals.messages += 1;
    else if (as === 'FAILED') totals.errors += 1;
  }
  return totals;
}

/** A message as it is in hand, and as its claim asks for it. `again`: what is left over, perhaps of this very message. */
export function newClaim(message: Message, nonce: string, again: readonly Held[]): Claimable & { held: Held } {
  const before = again.find(({ messageId }) => messageId === message.id);
  const mayHaveLeft = message.state === 'QUEUED' ? message.openSince !== undefined : (before?.mayHaveLeft ?? true);
  const named = { messageId: message.id, contractId: message.contractId, nonce };
  const held = new Held(named, { kind: 'claiming', mayHaveLeft });
  return { message, held, crashes: before?.crashesOver(message) ?? 0 };
}

/** Nothing joins these outcomes while `write` writes them. */
export async function whileWriting<T>(kept: readonly Held[], write: () => Promise<T>): Promise<T> {
  for (const held of kept) held.writing(true);
  try {
    return await write();
  } finally {
    for (const held of kept) held.writing(false);
  }
}
