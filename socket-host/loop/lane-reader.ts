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

/** SQS may deliver an entry again that was received longer ago than this (ms). Such an entry is dropped here. */
const freshMs = (laneVisibilitySec - 5) * 1000;
/** Done entries are deleted together, at the latest this long (ms) after they were received, before SQS delivers them again. */
const deleteByMs = (laneVisibilitySec - 10) * 1000;
/** The most entries that one SQS request can delete. */
const deletedAtOnce = 10;

/**
 * Takes entries from an account's two lanes, express first. Deletes done entries, up to ten per request. SQS is asked only when the caller's
 * count from the table is above zero.
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

  /** True if the next entry has already been received. */
  get hasNext(): boolean {
    return lanes.some((lane) => this.held[lane].some((taken) => this.isFresh(taken)));
  }

  /** Returns the entries that were received and not begun, in the order in which `take` gives them out. */
  upcoming(): LaneEntry[] {
    return lanes.flatMap((lane) => this.held[lane].map(({ entry }) => entry));
  }

  /**
   * Receives entries that are available now, without waiting. Returns true if there is a next entry. Done entries are not deleted first, so one
   * of them may hide its recipient's next entry.
   */
  async glance(counts: Record<Lane, number>, max: number): Promise<boolean> {
    const lane = counts.express > 0 ? 'express' : 'bulk';
    if (counts[lane] > 0) await this.receive(lane, { max, waitSec: 0 });
    return this.hasNext;
  }

  /** Returns the next entry, or undefined when none came within `waitSec`. `counts`: messages in each lane by the table. */
  async take(
    counts: Record<Lane, number>,
    options: { max: number; waitSec: number; signal: AbortSignal },
  ): Promise<Taken | undefined> {
    const lane: Lane = counts.express > 0 || this.held.express.length > 0 ? 'express' : 'bulk';
    const kept = this.keptOf(lane);
    if (kept !== undefined) return kept;
    if (counts[lane] <= 0) return lane === 'express' ? this.keptOf('bulk') : undefined;
    // A done entry that is not deleted would hide its recipient's next entry.
    await this.flushLane(lane);
    // Express is not waited for if bulk has work too, so that a wrong count does not delay bulk.
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

  /** Call this when silence is expected: the table counts nothing in the lanes, or they are being fed again. */
  forgiveSilence(): void {
    this.silentSinceMs.express = undefined;
    this.silentSinceMs.bulk = undefined;
  }

  /** Puts back an entry that could not be handled now. It is the next entry again. */
  putBack(taken: Taken): void {
    this.held[taken.lane].unshift(taken);
  }

  /** Call this when the entry needs no more work. It is deleted soon, together with others. */
  async finish(taken: Taken): Promise<void> {
    const done = this.done[taken.lane];
    done.push(taken);
    if (done.length >= deletedAtOnce) await this.flushLane(taken.lane);
    else await this.flushBefore(0);
  }

  /** Deletes all done entries of a lane if one of them must be deleted within the next `ms` (`deleteByMs`). */
  async flushBefore(ms: number): Promise<void> {
    const untilMs = this.clock.monotonicMs() + ms;
    for (const lane of lanes) {
      if (this.done[lane].some(({ takenAtMs }) => takenAtMs + deleteByMs <= untilMs)) await this.flushLane(lane);
    }
  }

  /** Deletes all done entries. A failure is harmless: the entry is delivered again and recognised. */
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
