import type { Clock } from '../../lib/runtime/clock.ts';

/** Lets connections open at a bounded rate per host, with jitter, so that an outage does not end in a stampede. */
export class ConnectSlots {
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly everyMs: number;
  private nextMs = 0;
  /** Slots still to come of connections that did not wait for them, earliest first. */
  private freeMs: number[] = [];

  constructor(clock: Clock, random: () => number, perSecond: number) {
    this.clock = clock;
    this.random = random;
    this.everyMs = 1000 / perSecond;
  }

  /** Resolves when this connection may open, the first of a quiet time at once; or when the signal fires, without having taken a slot. */
  async take(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const now = this.clock.monotonicMs();
    const at = this.slotAt(now);
    if (at > now) await this.clock.sleep(at - now + this.random() * this.everyMs, signal);
    if (signal.aborted && this.clock.monotonicMs() < at) this.freeMs = [...this.freeMs, at].sort((a, b) => a - b);
  }

  private slotAt(now: number): number {
    this.freeMs = this.freeMs.filter((at) => at >= now);
    const free = this.freeMs.shift();
    if (free !== undefined) return free;
    const at = Math.max(now, this.nextMs);
    this.nextMs = at + this.everyMs;
    return at;
  }
}
