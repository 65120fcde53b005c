import type { Endpoint } from '../../lib/domain/webhooks/endpoint.ts';
import type { Clock } from '../../lib/runtime/clock.ts';

/** `now`: send. `later`: the invocation has no time left; put the delivery back for so many ms. */
export type Permit = { kind: 'now' } | { kind: 'later'; afterMs: number };

/**
 * Gives permits to send. Endpoints without a rate limit get theirs at once, the others one after the other, 1/rate apart. An endpoint with a
 * limit has one queue group, so no other invocation sends to it before `gapPassed` has resolved.
 */
export class RateLimiter {
  readonly #clock: Clock;
  /** The last moment at which a request may begin. */
  readonly #lastStartMs: number;
  readonly #nextStartMs = new Map<string, number>();
  /** By endpoint: the time at which the gap after its last request ends. */
  readonly #gapEndMs = new Map<string, number>();

  constructor(clock: Clock, lastStartMs: number) {
    this.#clock = clock;
    this.#lastStartMs = lastStartMs;
  }

  async take({ id, rateLimitPerSec }: Pick<Endpoint, 'id' | 'rateLimitPerSec'>): Promise<Permit> {
    const nowMs = this.#clock.nowMs();
    const startMs = Math.max(nowMs, this.#nextStartMs.get(id) ?? 0);
    const gapMs = rateLimitPerSec === undefined ? 0 : 1000 / rateLimitPerSec;
    this.#nextStartMs.set(id, startMs + gapMs);
    if (startMs > this.#lastStartMs) return { kind: 'later', afterMs: startMs - nowMs };
    this.#gapEndMs.set(id, startMs + gapMs);
    await this.#clock.sleep(startMs - nowMs);
    return { kind: 'now' };
  }

  /** Resolves when the next request of the endpoint is allowed: at most ten seconds after the last one, because the lowest rate is 0.1. */
  async gapPassed(id: string): Promise<void> {
    await this.#clock.sleep((this.#gapEndMs.get(id) ?? 0) - this.#clock.nowMs());
  }
}
