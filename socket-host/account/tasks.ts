import type { HostDeps } from '../deps.ts';

interface Needs {
  deps: Pick<HostDeps, 'clock' | 'lease' | 'failed'>;
  /** Returns true when the account is not held any more. Nothing is handled then. */
  gone(): boolean;
  /** Called in place of a task when the host has no lease any more. */
  leaseLost(): void;
  /** Called after an error in a task, before the next task. */
  recover(error: unknown): Promise<void>;
}

/** The tasks of an account, handled one after the other, and the one timer that may run. */
export class AccountTasks {
  private readonly needs: Needs;
  private tail: Promise<void> = Promise.resolve();
  private timer = new AbortController();

  constructor(needs: Needs) {
    this.needs = needs;
  }

  /** Runs the task after those posted before it. An error in it is counted and passed to `recover`; it does not reach the caller. */
  post(where: string, task: () => Promise<void>): void {
    const { deps, gone, leaseLost, recover } = this.needs;
    this.tail = this.tail.then(async () => {
      if (gone()) return;
      if (!deps.lease.valid()) return leaseLost();
      try {
        await task();
      } catch (error) {
        deps.failed(where, error);
        await recover(error).catch((again: unknown) => deps.failed(where, again));
      }
    });
  }

  /** Posts the task after `ms`. It replaces a task that still waits for its time. */
  after(ms: number, task: () => Promise<void>): void {
    this.cancel();
    const { signal } = this.timer;
    void this.needs.deps.clock.sleep(ms, signal).then(() => {
      if (!signal.aborted) this.post('timer', task);
    });
  }

  /** Drops the task that waits for its time. */
  cancel(): void {
    this.timer.abort();
    this.timer = new AbortController();
  }

  /** Resolves when everything that was posted so far has been handled. */
  handled(): Promise<void> {
    return this.tail;
  }
}
