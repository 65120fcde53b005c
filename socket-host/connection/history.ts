import type { Account } from '../../lib/domain/accounts/account.ts';
import {
  classifyDisconnect,
  type Reaction,
  reconnectWaitMs,
  replacedWindowMs,
  restartWindowMs,
} from '../../lib/domain/accounts/disconnect.ts';
import type { Clock } from '../../lib/runtime/clock.ts';
import type { SessionEnd } from '../transport.ts';

/** A connection that lasted so long was a good one. */
const goodAfterMs = 60_000;

/**
 * What an account remembers of its last connections: enough to judge the next close and to space the next tries. When it was replaced
 * is kept with the account: who fights over it must not win by its moving from host to host.
 */
export class ConnectionHistory {
  private readonly clock: Clock;
  private readonly backoff: { baseMs: number; random: () => number };
  private attempt = 0;
  private openedAtMs = Number.POSITIVE_INFINITY;
  private clientErrors = 0;
  private restartedAtMs = Number.NEGATIVE_INFINITY;
  private versionRefreshed = false;

  /** `baseMs`: see RECONNECT_BASE_MS. */
  constructor(clock: Clock, backoff: { baseMs: number; random: () => number }) {
    this.clock = clock;
    this.backoff = backoff;
  }

  /** A connection is open. Only one that lasts, or sends, makes the next try quick again. */
  opened(): void {
    this.openedAtMs = this.clock.monotonicMs();
    this.clientErrors = 0;
    this.versionRefreshed = false;
  }

  /** The current client version is known: refused again, there is none that would do. One that could not be read shows nothing. */
  refreshed(): void {
    this.versionRefreshed = true;
  }

  /** What a close leads to; remembers it. */
  judge(end: SessionEnd, account: Account): Reaction {
    const nowMs = this.clock.nowMs();
    const reaction = classifyDisconnect(end.code, {
      linking: account.linkedAt === undefined,
      consecutiveClientErrors: this.clientErrors,
      loggedOutByUs: account.desired === 'logged_out',
      restartedRecently: nowMs - this.restartedAtMs < restartWindowMs && (account.linkedAt ?? 0) <= this.restartedAtMs,
      replacedRecently: account.replacedAt !== undefined && nowMs - account.replacedAt < replacedWindowMs,
      versionRefreshed: this.versionRefreshed,
      ...(end.expireSec === undefined ? {} : { expireSec: end.expireSec }),
      nowMs,
    });
    if (end.code === 515) this.restartedAtMs = nowMs;
    if (reaction.kind === 'backoff') this.clientErrors = reaction.clientError === true ? this.clientErrors + 1 : 0;
    return reaction;
  }

  /**
   * The wait before the next try. The first after a good connection comes almost at once: most drops heal by themselves, and recipients
   * wait. `useful`: the connection has sent something.
   */
  nextWaitMs(useful: boolean): number {
    if (useful || this.clock.monotonicMs() - this.openedAtMs >= goodAfterMs) this.attempt = 0;
    this.openedAtMs = Number.POSITIVE_INFINITY;
    this.attempt += 1;
    return this.attempt === 1 ? this.backoff.random() * 500 : reconnectWaitMs(this.attempt - 1, this.backoff);
  }
}
