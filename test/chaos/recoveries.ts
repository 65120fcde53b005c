import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from './fleet.ts';

/** How long the accounts of a host that ended were without a connection. */
export interface Recovery {
  /** `SIGKILL`, `SIGTERM`, `SIGSTOP`. */
  what: string;
  accounts: number;
  /** Nothing else happened to hosts meanwhile. */
  alone: boolean;
  /** From the signal until the last of them was connected elsewhere; undefined: not within `givenUpMs`. */
  lastMs: number | undefined;
}

export interface Recoveries {
  readonly done: readonly Recovery[];
  /** Hosts that were asked to end, or are frozen. */
  readonly gone: Set<string>;
  /** Call right before the signal. */
  begin(what: string, hostId: string): Promise<void>;
  /** Whether some are not over yet. */
  busy(): boolean;
  /** Resolves when all that were begun are over. */
  complete(): Promise<void>;
}

export const givenUpMs = 120_000;
const everyMs = 250;

export function recoveries(fleet: Fleet): Recoveries {
  const done: Recovery[] = [];
  const gone = new Set<string>();
  const underWay = new Set<Promise<void>>();
  let begun = 0;

  /** Answers how long it took; undefined: too long. */
  async function watch(accounts: { id: string; number: string }[]): Promise<number | undefined> {
    const startedMs = performance.now();
    let left = accounts;
    while (left.length > 0) {
      if (performance.now() - startedMs > givenUpMs) return undefined;
      await sleep(everyMs);
      // Other faults go on meanwhile, those of this very host's neighbours included.
      const [hots, connected] = await Promise.all([fleet.hots(), fleet.connected()]);
      left = left.filter(({ id, number }) => {
        const owner = hots.get(id)?.owner;
        return owner === undefined || gone.has(owner) || !connected.has(number);
      });
    }
    return performance.now() - startedMs;
  }

  return {
    done,
    gone,
    busy: () => underWay.size > 0,
    async begin(what, hostId) {
      const accounts = await fleet.ownedBy(hostId);
      gone.add(hostId);
      begun += 1;
      const nth = underWay.size === 0 ? begun : undefined;
      const watching = watch(accounts)
        .catch(() => undefined)
        .then((lastMs) => {
          if (accounts.length > 0) done.push({ what, accounts: accounts.length, alone: nth === begun, lastMs });
          underWay.delete(watching);
        });
      underWay.add(watching);
    },
    async complete() {
      await Promise.all(underWay);
    },
  };
}
