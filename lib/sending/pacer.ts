import { type Account, warmUpStart } from '../domain/accounts/account.ts';
import {
  afterReconnect,
  leadMs,
  nextWireAt,
  type PacePlan,
  type PaceState,
  type PacingPolicy,
  plan,
  policyOf,
  sendsAhead,
  wentOut,
} from '../domain/accounts/pacing.ts';
import { type Content, textOf } from '../domain/content.ts';
import type { SendingDeps } from './deps.ts';

/** Lane entries are taken ahead only for sends within this time (ms). SQS delivers entries that are held longer again. */
const aheadMs = 16_000;

/** The pacing of one account, kept by its owner: lib/domain/accounts/pacing.ts with a clock and randomness. */
export class Pacer {
  private readonly deps: Pick<SendingDeps, 'clock' | 'random'>;
  /** The account as its owner last read or wrote it. */
  private readonly account: () => Account;
  private state: PaceState;

  constructor(deps: Pacer['deps'], account: () => Account, state: PaceState) {
    this.deps = deps;
    this.account = account;
    this.state = state;
  }

  get policy(): PacingPolicy | undefined {
    return policyOf(this.account());
  }

  /** Milliseconds until a message should be taken from a lane, so that it can be sent in time. 0 or less: now. */
  get waitMs(): number {
    return this.nextWireAt() - leadMs(this.policy) - this.deps.clock.nowMs();
  }

  /** The number of lane entries to take at once. */
  get ahead(): number {
    return sendsAhead(this.policy, this.state, aheadMs);
  }

  /** Returns the earliest time of the next send (epoch ms). */
  nextWireAt(): number {
    return nextWireAt(this.policy, this.state, this.at());
  }

  /** Returns when a message with this content may be sent, and the pace after it. Call `claimed` once the message has been claimed. */
  plan(content: Content): PacePlan {
    return plan(this.policy, this.state, {
      ...this.at(),
      textLength: textOf(content).length,
      random: this.deps.random,
    });
  }

  /** Call this when the message of this plan has been claimed. */
  claimed(planned: PacePlan): void {
    this.state = planned.next;
  }

  /** Call this when a message has left the process. */
  wentOut(): void {
    this.state = wentOut(this.state, this.deps.clock.nowMs());
  }

  /** Call this when a connection was opened. */
  reconnected(): void {
    const { clock, random } = this.deps;
    this.state = afterReconnect(this.policy, this.state, { nowMs: clock.nowMs(), random });
  }

  private at(): { nowMs: number; linkedAtMs: number } {
    return { nowMs: this.deps.clock.nowMs(), linkedAtMs: warmUpStart(this.account()) };
  }
}
