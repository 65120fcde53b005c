import { requestFeed } from '../../lib/aws/accounts/feed-queue.ts';
import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import { readHot } from '../../lib/aws/messages/messages.ts';
import type { AccountHot } from '../../lib/domain/accounts/account.ts';
import type { PacingPolicy } from '../../lib/domain/accounts/pacing.ts';
import { windowOf } from '../../lib/domain/contracts/feed.ts';
import type { Lane } from '../../lib/domain/messages/message.ts';
import type { HostDeps } from '../deps.ts';

/** Counts the messages in one account's lanes, by the table. Asks the feed for more when half a window is left. */
export class LaneStock {
  private readonly deps: Pick<HostDeps, 'table' | 'sqs' | 'config' | 'failed'>;
  private readonly hold: Hold;
  counts: Record<Lane, number>;
  /** True if the counts must be read again. */
  stale = true;
  private feedAsked = false;

  constructor(deps: LaneStock['deps'], hold: Hold, hot: AccountHot) {
    this.deps = deps;
    this.hold = hold;
    this.counts = { express: hot.queuedExpress, bulk: hot.queuedBulk };
  }

  get some(): boolean {
    return this.counts.express > 0 || this.counts.bulk > 0;
  }

  /** Call this when the lanes may hold something new. */
  look(): void {
    this.stale = true;
    this.feedAsked = false;
  }

  async refresh(): Promise<void> {
    this.stale = false;
    const hot = await readHot(this.deps.table, this.hold.tenantId, this.hold.accountId);
    if (hot !== undefined) this.counts = { express: hot.queuedExpress, bulk: hot.queuedBulk };
  }

  /** Call this when a message has left its lane. */
  async left(lane: Lane, policy: PacingPolicy | undefined): Promise<void> {
    this.counts[lane] -= 1;
    if (this.feedAsked || this.counts[lane] > windowOf(lane, policy) / 2) return;
    this.feedAsked = true;
    await this.askFeed('feed').catch((error: unknown) => {
      // The message in hand must still be sent. The next message that leaves the lane asks again.
      this.feedAsked = false;
      this.deps.failed('feed', error);
    });
  }

  async askFeed(kind: 'feed' | 'refeed'): Promise<void> {
    const { tenantId, accountId } = this.hold;
    await requestFeed(this.deps.sqs, this.deps.config.FEED_QUEUE_URL, { kind, tenantId, accountId });
  }
}
