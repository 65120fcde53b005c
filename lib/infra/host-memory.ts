import { mostAccounts } from '../domain/hosts/ownership.ts';

/**
 * The smallest heap of a host (MiB). With 128, 512 accounts fit while they rest, but reading large keys spends its time on garbage collection:
 * 67.8 ms of CPU a connection instead of 36. With 192, and the 110 that a process takes beside its heap, the smallest task (512 MiB) still has
 * room.
 */
const leastHeapMiB = 192;

/**
 * Returns an environment that keeps the memory of a host small, for a task of `memoryMiB`. Measured by bench/density with 300 accounts: 432 MB
 * without it, 219 MB with it. Local hosts get it too.
 *
 * Node sizes its heap by the machine, which is larger than the task, and lets it grow fourfold before it collects garbage. With a limit it
 * collects sooner. 1,000 accounts at rest have 146 MB in use. New objects get 4 MB, because most live for one message. With 8 MB a host that
 * had read many keys took 70 MB more. glibc keeps an arena for each thread, and free memory in one is of no use to the others.
 */
export function hostMemoryEnvironment(memoryMiB: number): Record<string, string> {
  const heapMiB = Math.max(leastHeapMiB, Math.floor(memoryMiB / 4));
  return {
    NODE_OPTIONS: `--max-old-space-size=${heapMiB} --max-semi-space-size=4`,
    MALLOC_ARENA_MAX: '2',
    MALLOC_TRIM_THRESHOLD_: '131072',
  };
}

/** Pure: returns how many accounts a host in a task of `memoryMiB` takes, one a MiB. At rest they fill 0.6 of the heap, a quarter of the memory. */
export function accountsIn(memoryMiB: number): number {
  return Math.min(mostAccounts, memoryMiB);
}
