import type { Clock } from '../lib/runtime/clock.ts';

/** Lets connections open at a bounded rate per host, with jitter, so that an outage does not end in a stampede. */
export class ConnectSlots {
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly everyMs: number;
  private nextMs = 0;

  constructor(clock: Clock, random: () => number, perSecond: number) {
    this.clock = clock;
    this.random = random;
    this.everyMs = 1000 / perSecond;
  }

  /** Resolves when this connection may open; the first of a quiet time at once. */
  async take(signal: AbortSignal): Promise<void> {
    const now = this.clock.monotonicMs();
    const at = Math.max(now, this.nextMs);
    this.nextMs = at + this.everyMs;
    if (at > now) await this.clock.sleep(at - now + this.random() * this.everyMs, signal);
  }
}
