import { goesOn } from '../lib/aws/contracts.ts';
import { moveMessage } from '../lib/aws/messages.ts';
import { endUnknown, unknownWhen, type WhyUnknown } from '../lib/aws/outcome-unknown.ts';
import { ConditionFailed } from '../lib/aws/table.ts';
import { type Message, optedOut } from '../lib/domain/message.ts';
import type { PacingPolicy } from '../lib/domain/pacing.ts';
import type { HostDeps } from './deps.ts';
import type { LaneReader, Taken } from './lane-reader.ts';
import type { LaneStock } from './lane-stock.ts';
import type { Sender } from './sender.ts';

/** Messages that leave their lane unsent: back to PENDING while their contract does not run, or final. */
export class Withdrawal {
  private readonly deps: Pick<HostDeps, 'table'>;
  private readonly sender: Pick<Sender, 'dirty' | 'flush'>;
  private readonly stock: Pick<LaneStock, 'left' | 'stale'>;
  private readonly lanes: Pick<LaneReader, 'finish'>;

  constructor(
    deps: Withdrawal['deps'],
    sender: Withdrawal['sender'],
    stock: Withdrawal['stock'],
    lanes: Withdrawal['lanes'],
  ) {
    this.deps = deps;
    this.sender = sender;
    this.stock = stock;
    this.lanes = lanes;
  }

  async to(
    taken: Taken,
    message: Message,
    to: 'PENDING' | 'CANCELED' | 'SUPPRESSED' | 'EXPIRED',
    policy: PacingPolicy | undefined,
  ): Promise<void> {
    // A long row of these would keep the last outcome from the account's totals.
    if (this.sender.dirty) await this.sender.flush();
    // It may have arrived before: that it was never sent would be a guess.
    if (to !== 'PENDING' && message.openSince !== undefined) return await this.giveUp(taken, message, unknownWhen[to]);
    try {
      const change = to === 'SUPPRESSED' ? { error: optedOut } : {};
      await moveMessage(this.deps.table, message, to, change, to === 'PENDING' ? [goesOn(message)] : []);
      await this.stock.left(taken.lane, policy);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      if (error.failed[0] !== true) return await this.to(taken, message, 'CANCELED', policy);
      // Somebody else moved it first.
      this.stock.stale = true;
    }
    await this.lanes.finish(taken);
  }

  /** It was laid aside without an answer, and now none can be learned any more. */
  async giveUp(taken: Taken, message: Message, why: WhyUnknown = 'no_answer'): Promise<void> {
    if (this.sender.dirty) await this.sender.flush();
    await endUnknown(this.deps.table, message, why);
    this.stock.stale = true;
    await this.lanes.finish(taken);
  }
}
