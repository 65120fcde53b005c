/**
 * Environment that keeps a host's memory small, for a task of `memoryMiB`. Measured by bench/density, 300 accounts: 432 MB without, 219 MB
 * with it. Local hosts get it too.
 *
 * Node sizes its heap by the machine, which is larger than the task, and then lets it grow fourfold before it looks for garbage; with a
 * limit it looks sooner. 1,000 accounts at rest have 146 MB in use, and are for a task of 2,048 MiB. New objects get 4 MB before they are
 * looked through, as most live for one message; with 8 MB a host that had read many keys stood 70 MB higher. glibc keeps an arena a thread,
 * and what lies free in one is of no use to the others.
 */
export function hostMemoryEnvironment(memoryMiB: number): Record<string, string> {
  return {
    NODE_OPTIONS: `--max-old-space-size=${Math.floor(memoryMiB / 4)} --max-semi-space-size=4`,
    MALLOC_ARENA_MAX: '2',
    MALLOC_TRIM_THRESHOLD_: '131072',
  };
}
