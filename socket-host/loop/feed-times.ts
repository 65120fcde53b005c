/**
 * Decides when a send loop asks the feed for more: once the lanes are empty after work, and when a retry is due. LaneStock asks as well.
 */
export class FeedTimes {
  /** True if something has left the lanes since the feed was last asked. */
  worked = false;
  private dueAtMs = Number.POSITIVE_INFINITY;
  private heldUntilMs: number | undefined;

  /** Call this when a message is PENDING until `atMs` (epoch ms). */
  at(atMs: number): void {
    this.worked = true;
    this.dueAtMs = Math.min(this.dueAtMs, atMs);
  }

  /**
   * Notes a hold of first contacts (until epoch ms; undefined: none). The hold may end early, and then its messages must wait no longer. Call
   * this at each step of the loop.
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

  /** Returns true if a retry is due, once for each. */
  takeDue(nowMs: number): boolean {
    if (this.dueAtMs > nowMs) return false;
    this.dueAtMs = Number.POSITIVE_INFINITY;
    return true;
  }
}
