import { leaseLost } from '../lib/domain/hosts/ownership.ts';
import type { Clock } from '../lib/runtime/clock.ts';

/**
 * Says whether this host may still act. The lease starts when the last successful heartbeat was *sent*:
 *
 *   beat sent ---- beat stored ---- leaseMs: no more effects ---- deadAfterMs: others may claim
 *
 * The age is the larger of monotonic and wall time: a suspended machine stops monotonic time, and setting the clock changes wall time.
 */
export class Lease {
  private readonly clock: Clock;
  private monotonicMs: number;
  private wallMs: number;
  private ended = false;

  constructor(clock: Clock) {
    this.clock = clock;
    this.monotonicMs = clock.monotonicMs();
    this.wallMs = clock.nowMs();
  }

  /** Returns both clocks as they are now. Call it before a heartbeat is sent, and pass the result to `renew` once the heartbeat is stored. */
  moment(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: this.clock.monotonicMs(), wallMs: this.clock.nowMs() };
  }

  /** Renews the lease after a beat sent at `moment` was stored. Calls may come in any order. A lost lease stays lost; the host must restart. */
  renew(moment: { monotonicMs: number; wallMs: number }): void {
    if (!this.valid() || moment.monotonicMs < this.monotonicMs) return;
    this.monotonicMs = moment.monotonicMs;
    this.wallMs = moment.wallMs;
  }

  ageMs(): number {
    return Math.max(this.clock.monotonicMs() - this.monotonicMs, this.clock.nowMs() - this.wallMs);
  }

  /** Returns true while this host may act. Call it before every effect. */
  valid(): boolean {
    if (!this.ended && leaseLost(this.ageMs())) this.ended = true;
    return !this.ended;
  }

  end(): void {
    this.ended = true;
  }
}
