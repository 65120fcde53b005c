import { mostAccounts } from '../domain/hosts/ownership.ts';

/**
 * MiB of heap below which no host starts. 512 accounts in a heap of 128 hold while they rest, but reading the keys of large ones went
 * into looking for garbage: 67.8 ms of CPU a connection instead of 36. With 192 and the 110 that a process takes beside its heap the
 * smallest task, 512 MiB, still has room.
 */
const leastHeapMiB = 192;

/**
 * Environment that keeps a host's memory small, for a task of `memoryMiB`. Measured by bench/density, 300 accounts: 432 MB without, 219 MB
 * with it. Local hosts get it too.
 *
 * Node sizes its heap by the machine, which is larger than the task, and then lets it grow fourfold before it looks for garbage; with a
 * limit it looks sooner. 1,000 accounts at rest have 146 MB in use. New objects get 4 MB before they are looked through, as most live for
 * one message; with 8 MB a host that had read many keys stood 70 MB higher. glibc keeps an arena a thread, and what lies free in one is of
 * no use to the others.
 */
export function hostMemoryEnvironment(memoryMiB: number): Record<string, string> {
  const heapMiB = Math.max(leastHeapMiB, Math.floor(memoryMiB / 4));
  return {
    NODE_OPTIONS: `--max-old-space-size=${heapMiB} --max-semi-space-size=4`,
    MALLOC_ARENA_MAX: '2',
    MALLOC_TRIM_THRESHOLD_: '131072',
  };
}

/** Pure: accounts that a host in a task of `memoryMiB` takes, one a MiB: at rest they fill 0.6 of a heap of a quarter of that. */
export function accountsIn(memoryMiB: number): number {
  return Math.min(mostAccounts, memoryMiB);
}
