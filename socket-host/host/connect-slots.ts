import type { Clock } from '../../lib/runtime/clock.ts';

/** Limits how fast a host opens connections, with jitter, so that they do not all open at once after an outage. */
export class ConnectSlots {
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly everyMs: number;
  private nextMs = 0;
  /** Future slots (monotonic ms) of connections that stopped waiting, earliest first. Other connections may use them. */
  private freeMs: number[] = [];

  constructor(clock: Clock, random: () => number, perSecond: number) {
    this.clock = clock;
    this.random = random;
    this.everyMs = 1000 / perSecond;
  }

  /** Resolves when this connection may open, at once if no other opened lately. Also resolves when the signal fires; its future slot is freed. */
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
