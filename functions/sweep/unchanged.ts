/**
 * Remembers since when each item of the sweep has been in the same state. Only in the function's memory: a new instance starts empty, which at worst
 * delays an alarm.
 */
export class Unchanged {
  private seen = new Map<string, { state: string; sinceMs: number }>();

  /** Stores the present items, key by state, and forgets all others. Returns since when (epoch ms) each has been in its state. */
  note(now: ReadonlyMap<string, string>, nowMs: number): Map<string, number> {
    const next = new Map<string, { state: string; sinceMs: number }>();
    for (const [key, state] of now) {
      const before = this.seen.get(key);
      next.set(key, before?.state === state ? before : { state, sinceMs: nowMs });
    }
    this.seen = next;
    return new Map([...next].map(([key, { sinceMs }]) => [key, sinceMs]));
  }
}
