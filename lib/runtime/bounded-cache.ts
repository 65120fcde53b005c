import { LRUCache } from 'lru-cache';

export type BoundedCache<V extends object | string | number | boolean> = LRUCache<string, V>;

/**
 * Returns a cache with at most `most` entries. A full cache drops the least recently used one. With `life`, an entry also ends `ttlMs` after it
 * was set, by the given clock. Memory grows with the entries, not with `most`.
 */
export function boundedCache<V extends object | string | number | boolean>(
  most: number,
  life?: { ttlMs: number; nowMs: () => number },
): BoundedCache<V> {
  return new LRUCache<string, V>({
    // With `max` instead, the cache would allocate 66 bytes for each possible entry at once: 13 MB for the device lists of a host.
    maxSize: most,
    sizeCalculation: () => 1,
    ...(life === undefined ? {} : endingAfter(life)),
  });
}

/** Corrects two habits of lru-cache: a time of 0 means no time to it, and it keeps an entry for one millisecond too long. */
function endingAfter({ ttlMs, nowMs }: { ttlMs: number; nowMs: () => number }) {
  return { ttl: ttlMs - 1, ttlResolution: 0, perf: { now: () => nowMs() + 1 } };
}
