/** The clock of all code that can run on simulated time. The product uses `systemClock`; tests have clocks of their own. */
export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number;
  /** Milliseconds of a clock that never jumps, from any start. */
  monotonicMs(): number;
  /** Resolves after `ms` (at most 24.8 days), or at once when the signal fires. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest a Node timer can wait: 2^31 - 1 ms. */
const longestTimerMs = 2_147_483_647;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => sleepFor(ms, signal),
};

function sleepFor(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true || ms <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(ms, longestTimerMs));
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Lets one waiter wait until `ring` is called. A ring without a waiter ends the next wait at once. Only one may wait at a time. */
export class Bell {
  private rung = false;
  private wake: (() => void) | undefined;

  ring(): void {
    this.rung = true;
    this.wake?.();
  }

  /** Resolves at the next ring, after `ms`, or when the signal fires. */
  async wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
    if (!this.rung && signal?.aborted !== true) {
      const woken = new AbortController();
      const all = signal === undefined ? woken.signal : AbortSignal.any([signal, woken.signal]);
      this.wake = () => woken.abort();
      await clock.sleep(ms, all);
      this.wake = undefined;
    }
    this.rung = false;
  }
}

/** Runs `work` once after `ms` of real time (at most 24.8 days). Returns a function that cancels it; after the work has run, it does nothing. */
export function after(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, Math.min(ms, longestTimerMs));
  return () => clearTimeout(timer);
}

/** Like `after`, but a pending timer does not keep the process running. */
export function afterUnlessEnded(ms: number, work: () => void): () => void {
  const timer = setTimeout(work, Math.min(ms, longestTimerMs)).unref();
  return () => clearTimeout(timer);
}

/** Resolves after other work of the process has run: reads that have come in, timers that are due. */
export function yieldToOthers(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
