import {
  deleteFromLane,
  type LaneEntry,
  laneVisibilitySec,
  receiveFromLane,
  returnToLane,
} from '../../lib/aws/accounts/lanes.ts';
import { type Lane, lanes } from '../../lib/domain/messages/message.ts';
import type { Clock } from '../../lib/runtime/clock.ts';

type Sqs = Parameters<typeof receiveFromLane>[0];

export interface Taken {
  lane: Lane;
  entry: LaneEntry;
  receipt: string;
  takenAtMs: number;
}

/** An entry that we have had for longer than this (ms) may be on its way to us again. It is dropped, and comes back. */
const freshMs = (laneVisibilitySec - 5) * 1000;
/** Done entries are deleted together, so long (ms) after they were taken at the latest: before they show again. */
const deleteByMs = (laneVisibilitySec - 10) * 1000;
/** So many entries one request deletes. */
const deletedAtOnce = 10;

/**
 * Takes entries from an account's two lanes, express first, and deletes them when they are done, ten in a request where there are so many. SQS is
 * asked only when the caller's count from the table is above zero.
 */
export class LaneReader {
  private readonly sqs: Sqs;
  private readonly urls: Record<Lane, string>;
  private readonly clock: Clock;
  private readonly held: Record<Lane, Taken[]> = { express: [], bulk: [] };
  private readonly silentSinceMs: Record<Lane, number | undefined> = { express: undefined, bulk: undefined };
  private readonly done: Record<Lane, Taken[]> = { express: [], bulk: [] };

  constructor(sqs: Sqs, urls: Record<Lane, string>, clock: Clock) {
    this.sqs = sqs;
    this.urls = urls;
    this.clock = clock;
  }

  /** Whether the next entry has been received already. */
  get hasNext(): boolean {
    return lanes.some((lane) => this.held[lane].some((taken) => this.isFresh(taken)));
  }

  /** Returns the entries that were received and not begun, in the order in which `take` gives them out. */
  upcoming(): LaneEntry[] {
    return lanes.flatMap((lane) => this.held[lane].map(({ entry }) => entry));
  }

  /**
   * Receives entries that are there now, without waiting, and leaves done entries to be deleted later. Returns whether there is a next entry. An
   * entry that is done and not deleted may hide its recipient's next one.
   */
  async glance(counts: Record<Lane, number>, max: number): Promise<boolean> {
    const lane = counts.express > 0 ? 'express' : 'bulk';
    if (counts[lane] > 0) await this.receive(lane, { max, waitSec: 0 });
    return this.hasNext;
  }

  /** Returns the next entry, or undefined when none came within `waitSec`. `counts` is what the table says the lanes hold. */
  async take(
    counts: Record<Lane, number>,
    options: { max: number; waitSec: number; signal: AbortSignal },
  ): Promise<Taken | undefined> {
    const lane: Lane = counts.express > 0 || this.held.express.length > 0 ? 'express' : 'bulk';
    const kept = this.keptOf(lane);
    if (kept !== undefined) return kept;
    if (counts[lane] <= 0) return lane === 'express' ? this.keptOf('bulk') : undefined;
    // What is done and not deleted yet would hide its recipient's next entry from us.
    await this.flushLane(lane);
    // A short look where the other lane has work too, so that a count that is wrong does not hold it up.
    const other = lane === 'express' && (counts.bulk > 0 || this.held.bulk.length > 0);
    const received = await this.receive(lane, { ...options, waitSec: other ? 0 : options.waitSec });
    if (received === 0) this.silentSinceMs[lane] ??= this.clock.monotonicMs();
    const first = this.keptOf(lane);
    if (first !== undefined || !other) return first;
    return await this.take({ express: 0, bulk: counts.bulk }, options);
  }

  private async receive(lane: Lane, options: { max: number; waitSec: number; signal?: AbortSignal }): Promise<number> {
    const received = await receiveFromLane(this.sqs, this.urls[lane], options);
    const takenAtMs = this.clock.monotonicMs();
    if (received.length > 0) this.silentSinceMs[lane] = undefined;
    this.held[lane].push(...received.map(({ entry, receipt }) => ({ lane, entry, receipt, takenAtMs })));
    return received.length;
  }

  /** Returns for how long (ms) a lane has given nothing although it was asked; 0 when both gave something or were not asked. */
  silenceMs(): number {
    const since = Object.values(this.silentSinceMs).filter((at) => at !== undefined);
    return since.length === 0 ? 0 : this.clock.monotonicMs() - Math.min(...since);
  }

  /** Call this when silence is right: the table counts nothing in the lanes any more, or they are being fed again. */
  forgiveSilence(): void {
    this.silentSinceMs.express = undefined;
    this.silentSinceMs.bulk = undefined;
  }

  /** The entry could not be worked on now: it is the next again. */
  putBack(taken: Taken): void {
    this.held[taken.lane].unshift(taken);
  }

  /** The entry needs no more work. */
  async finish(taken: Taken): Promise<void> {
    const done = this.done[taken.lane];
    done.push(taken);
    if (done.length >= deletedAtOnce) await this.flushLane(taken.lane);
    else await this.flushBefore(0);
  }

  /** Deletes all done entries of a lane if one of them would show again within the next `ms`. */
  async flushBefore(ms: number): Promise<void> {
    const untilMs = this.clock.monotonicMs() + ms;
    for (const lane of lanes) {
      if (this.done[lane].some(({ takenAtMs }) => takenAtMs + deleteByMs <= untilMs)) await this.flushLane(lane);
    }
  }

  /** Deletes done entries. A failure is harmless: the entry comes again and is recognised. */
  async flush(): Promise<void> {
    for (const lane of lanes) await this.flushLane(lane);
  }

  /** Gives back entries that were received and not begun, so that a next owner need not wait for them. */
  async giveBack(): Promise<void> {
    for (const lane of lanes) {
      const receipts = this.held[lane].splice(0).map(({ receipt }) => receipt);
      if (receipts.length > 0) await returnToLane(this.sqs, this.urls[lane], receipts);
    }
  }

  private async flushLane(lane: Lane): Promise<void> {
    const receipts = this.done[lane].splice(0).map(({ receipt }) => receipt);
    if (receipts.length > 0) await deleteFromLane(this.sqs, this.urls[lane], receipts);
  }

  private keptOf(lane: Lane): Taken | undefined {
    for (;;) {
      const taken = this.held[lane].shift();
      if (taken === undefined || this.isFresh(taken)) return taken;
    }
  }

  private isFresh({ takenAtMs }: Taken): boolean {
    return this.clock.monotonicMs() - takenAtMs < freshMs;
  }
}
