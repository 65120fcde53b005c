/**
 * Things the sweep finds again and again, and since when each has been the same. Kept in the function's memory: a new instance of it starts
 * anew, which at worst makes an alarm late.
 */
export class Unchanged {
  private seen = new Map<string, { state: string; sinceMs: number }>();

  /** Takes what there is now, key by state, and forgets the rest; answers since when (epoch ms) each has been in its state. */
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
