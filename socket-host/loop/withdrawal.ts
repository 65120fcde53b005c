import { goesOn } from '../../lib/aws/contracts/contracts.ts';
import { tryMove } from '../../lib/aws/messages/messages.ts';
import {
  endUnknown,
  outcomeUnknownAfterMs,
  unknownWhen,
  type WhyUnknown,
} from '../../lib/aws/messages/outcome-unknown.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import type { PacingPolicy } from '../../lib/domain/accounts/pacing.ts';
import type { Content } from '../../lib/domain/content.ts';
import { type Message, optedOut } from '../../lib/domain/messages/message.ts';
import type { InHand } from '../../lib/sending/in-hand.ts';
import type { HostDeps } from '../deps.ts';
import type { FeedTimes } from './feed-times.ts';
import type { FirstContacts } from './first-contacts.ts';
import type { LaneReader, Taken } from './lane-reader.ts';
import type { LaneStock } from './lane-stock.ts';
import type { Read } from './read-ahead.ts';

interface Needs {
  deps: Pick<HostDeps, 'table' | 'clock'>;
  account(): Pick<Account, 'linkedAt'>;
  hand: Pick<InHand, 'dirty' | 'flush'>;
  firstContacts: Pick<FirstContacts, 'heldFor'>;
  stock: Pick<LaneStock, 'left' | 'stale'>;
  lanes: Pick<LaneReader, 'finish'>;
  feed: FeedTimes;
}

/** Takes messages out of their lane without sending them: back to PENDING, for a while or until their contract runs, or to a final state. */
export class Withdrawal {
  private readonly needs: Needs;

  constructor(needs: Needs) {
    this.needs = needs;
  }

  /** Returns a queued message with its content if it may be claimed now. Otherwise takes it out of the lane and returns undefined. */
  async unlessSendable(
    taken: Taken,
    { message, content }: Pick<Read, 'message' | 'content'>,
    session: Parameters<FirstContacts['heldFor']>[1],
    policy: PacingPolicy | undefined,
  ): Promise<{ message: Message; content: Content } | undefined> {
    const { deps, account, firstContacts, lanes, feed } = this.needs;
    if (message?.state !== 'QUEUED' || message.feedSeq !== taken.entry.seq) {
      // The message is done, canceled or fed again since, or SQS delivered again an entry that we hold.
      await lanes.finish(taken);
      return undefined;
    }
    const nowMs = deps.clock.nowMs();
    const { openSince = nowMs } = message;
    const heldUntil = firstContacts.heldFor(message.to, session);
    // The content has expired while the message waited. The feed creates it again from the contract's page.
    if (content === undefined) await this.to(taken, message, 'PENDING', policy);
    // For a device linked since, the message would count as a new one of another device.
    else if (nowMs - openSince > outcomeUnknownAfterMs || openSince < (account().linkedAt ?? 0)) {
      await this.giveUp(taken, message);
    } else if (heldUntil !== undefined) {
      await this.to(taken, message, 'PENDING', policy, heldUntil);
      feed.at(heldUntil);
    } else return { message, content };
    return undefined;
  }

  /** Moves a message out of its lane. A message that is PENDING again waits until `notBefore` (epoch ms). */
  async to(
    taken: Taken,
    message: Message,
    to: 'PENDING' | 'CANCELED' | 'SUPPRESSED',
    policy: PacingPolicy | undefined,
    notBefore = 0,
  ): Promise<void> {
    const { deps, hand, stock, lanes, feed } = this.needs;
    feed.worked = true;
    // Many withdrawals in a row would delay the last outcome's entry in the account's totals.
    if (hand.dirty) await hand.flush();
    // An earlier try may have arrived, so the message must not be reported as never sent.
    if (to !== 'PENDING' && message.openSince !== undefined) return await this.giveUp(taken, message, unknownWhen[to]);
    const change = to === 'SUPPRESSED' ? { error: optedOut } : to === 'PENDING' ? { notBefore } : {};
    const checks = to === 'PENDING' ? goesOn(message) : [];
    const { refused } = await tryMove(deps.table, message, to, deps.clock.nowMs(), change, checks);
    if (refused === undefined) await stock.left(taken.lane, policy);
    // The contract of the message has ended.
    else if (!refused.by('message')) return await this.to(taken, message, 'CANCELED', policy);
    // Another writer moved the message first.
    else stock.stale = true;
    await lanes.finish(taken);
  }

  /** Ends a message that was laid aside without an answer, when the answer can no longer be learned. */
  async giveUp(taken: Taken, message: Message, why: WhyUnknown = 'no_answer'): Promise<void> {
    const { deps, hand, stock, lanes, feed } = this.needs;
    feed.worked = true;
    if (hand.dirty) await hand.flush();
    await endUnknown(deps.table, message, why, deps.clock.nowMs());
    stock.stale = true;
    await lanes.finish(taken);
  }
}
