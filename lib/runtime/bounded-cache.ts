import { LRUCache } from 'lru-cache';

export type BoundedCache<V extends object | string | number | boolean> = LRUCache<string, V>;

/**
 * Returns a map that never holds more than `most` entries: it forgets the one that was used longest ago. With `life`, an entry also ends
 * `ttlMs` after it was set, by the given clock. Memory grows with the entries, not with `most`.
 */
export function boundedCache<V extends object | string | number | boolean>(
  most: number,
  life?: { ttlMs: number; nowMs: () => number },
): BoundedCache<V> {
  return new LRUCache<string, V>({
    // Given `max` instead, the cache would take 66 bytes an entry at once, 13 MB for the device lists of a host.
    maxSize: most,
    sizeCalculation: () => 1,
    ...(life === undefined ? {} : endingAfter(life)),
  });
}

/** lru-cache takes a time of 0 for none, and keeps an entry through the last millisecond of its life. */
function endingAfter({ ttlMs, nowMs }: { ttlMs: number; nowMs: () => number }) {
  return { ttl: ttlMs - 1, ttlResolution: 0, perf: { now: () => nowMs() + 1 } };
}
