import { leaseLost } from '../lib/domain/hosts/ownership.ts';
import type { Clock } from '../lib/runtime/clock.ts';

/**
 * Whether this host may still act. The lease counts from the moment the last successful heartbeat was *sent*:
 *
 *   beat sent ---- beat stored ---- leaseMs: no more effects ---- deadAfterMs: others may claim
 *
 * The age is the larger of monotonic and wall time, because a suspended machine stops the one and a set clock moves the other.
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

  /** The two clocks now: taken before a heartbeat is sent, handed to `renew` when it has been stored. */
  moment(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: this.clock.monotonicMs(), wallMs: this.clock.nowMs() };
  }

  /** A beat sent at `moment` stands. A lease that was lost once stays lost: the host starts afresh. Answers may come in any order. */
  renew(moment: { monotonicMs: number; wallMs: number }): void {
    if (!this.valid() || moment.monotonicMs < this.monotonicMs) return;
    this.monotonicMs = moment.monotonicMs;
    this.wallMs = moment.wallMs;
  }

  ageMs(): number {
    return Math.max(this.clock.monotonicMs() - this.monotonicMs, this.clock.nowMs() - this.wallMs);
  }

  /** Whether this host may act. Ask before every effect. */
  valid(): boolean {
    if (!this.ended && leaseLost(this.ageMs())) this.ended = true;
    return !this.ended;
  }

  end(): void {
    this.ended = true;
  }
}
