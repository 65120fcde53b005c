import type { Clock } from '../../lib/runtime/clock.ts';

export interface ManualClock extends Clock {
  /** Lets `ms` pass. Sleeps that end by then resolve in order; code that waits for one runs before the next one resolves. */
  advance(ms: number): Promise<void>;
}

/** Returns a clock that moves only when `advance` is called. */
export function manualClock(startMs = 1_800_000_000_000): ManualClock {
  let passedMs = 0;
  const sleeps = new Map<() => void, number>();
  const letRun = () => new Promise((resolve) => setImmediate(resolve));
  return {
    nowMs: () => startMs + passedMs,
    monotonicMs: () => passedMs,
    sleep(ms, signal) {
      if (signal?.aborted === true || ms <= 0) return Promise.resolve();
      return new Promise((resolve) => {
        const done = () => {
          sleeps.delete(done);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        sleeps.set(done, passedMs + ms);
        signal?.addEventListener('abort', done, { once: true });
      });
    },
    async advance(ms) {
      const endMs = passedMs + ms;
      for (;;) {
        await letRun();
        const [next] = [...sleeps].filter(([, at]) => at <= endMs).sort(([, a], [, b]) => a - b);
        if (next === undefined) break;
        passedMs = Math.max(passedMs, next[1]);
        next[0]();
      }
      passedMs = endMs;
      await letRun();
    },
  };
}
