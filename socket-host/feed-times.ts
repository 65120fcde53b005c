/** When a send loop asks the feed for more, beside what the lanes' stock asks for: once they have run dry after work, and when a retry is due. */
export class FeedTimes {
  /** Something has left the lanes since the feed was asked last. */
  worked = false;
  private dueAtMs = Number.POSITIVE_INFINITY;

  /** A message is PENDING until then (epoch ms). */
  at(atMs: number): void {
    this.worked = true;
    this.dueAtMs = Math.min(this.dueAtMs, atMs);
  }

  /** How long (ms) until one is due; not below 0. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.dueAtMs - nowMs);
  }

  /** Whether one is due; true once. */
  takeDue(nowMs: number): boolean {
    if (this.dueAtMs > nowMs) return false;
    this.dueAtMs = Number.POSITIVE_INFINITY;
    return true;
  }
}
