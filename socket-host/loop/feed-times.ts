/**
 * When a send loop asks the feed for more, beside what LaneStock asks for: once the lanes have run dry after work, and when a retry is due.
 */
export class FeedTimes {
  /** Something has left the lanes since the feed was asked last. */
  worked = false;
  private dueAtMs = Number.POSITIVE_INFINITY;
  private heldUntilMs: number | undefined;

  /** A message is PENDING until then (epoch ms). */
  at(atMs: number): void {
    this.worked = true;
    this.dueAtMs = Math.min(this.dueAtMs, atMs);
  }

  /**
   * Follows a hold of first contacts (until epoch ms; undefined: none). The hold may end before its time, and messages that it has put off wait no
   * longer than the hold. Call this at each step of the loop.
   */
  follow(holdUntilMs: number | undefined): void {
    if (holdUntilMs === this.heldUntilMs) return;
    if (holdUntilMs === undefined) this.worked = true;
    else this.at(holdUntilMs);
    this.heldUntilMs = holdUntilMs;
  }

  /** Returns how long (ms) until a retry is due; not below 0. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.dueAtMs - nowMs);
  }

  /** Returns whether a retry is due; true once. */
  takeDue(nowMs: number): boolean {
    if (this.dueAtMs > nowMs) return false;
    this.dueAtMs = Number.POSITIVE_INFINITY;
    return true;
  }
}
