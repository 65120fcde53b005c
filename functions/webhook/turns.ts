import type { Endpoint } from '../../lib/domain/webhooks/endpoint.ts';
import type { Clock } from '../../lib/runtime/clock.ts';

/** `now`: send. `later`: the invocation has no time left for it; come again after so many ms. */
export type Turn = { kind: 'now' } | { kind: 'later'; afterMs: number };

/**
 * Whose turn it is to send. Endpoints without a rate limit have theirs at once; the others one after the other, 1/rate apart. A limited
 * endpoint has one queue group, so no other invocation sends to it before `settled` has let the last gap pass.
 */
export class Turns {
  readonly #clock: Clock;
  /** The last moment at which a request may begin. */
  readonly #lastStartMs: number;
  readonly #nextStartMs = new Map<string, number>();
  /** When the gap after the last request ends. */
  readonly #gapEndMs = new Map<string, number>();

  constructor(clock: Clock, lastStartMs: number) {
    this.#clock = clock;
    this.#lastStartMs = lastStartMs;
  }

  async take({ id, rateLimitPerSec }: Pick<Endpoint, 'id' | 'rateLimitPerSec'>): Promise<Turn> {
    const nowMs = this.#clock.nowMs();
    const startMs = Math.max(nowMs, this.#nextStartMs.get(id) ?? 0);
    const gapMs = rateLimitPerSec === undefined ? 0 : 1000 / rateLimitPerSec;
    this.#nextStartMs.set(id, startMs + gapMs);
    if (startMs > this.#lastStartMs) return { kind: 'later', afterMs: startMs - nowMs };
    this.#gapEndMs.set(id, startMs + gapMs);
    await this.#clock.sleep(startMs - nowMs);
    return { kind: 'now' };
  }

  /** Resolves when the endpoint's next request would be allowed: ten seconds after the last one at most, the lowest rate being 0.1. */
  async settled(id: string): Promise<void> {
    await this.#clock.sleep((this.#gapEndMs.get(id) ?? 0) - this.#clock.nowMs());
  }
}
