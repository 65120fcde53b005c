import type { Account } from '../../lib/domain/accounts/account.ts';
import { type ConnectionPast, type FollowUp, followUp, reconnectWaitMs } from '../../lib/domain/accounts/disconnect.ts';
import type { HostDeps } from '../deps.ts';
import { codeLabel } from '../metrics.ts';
import type { SessionEnd } from '../transport.ts';

/** A connection that lasted this long (ms) was a good one. */
const goodAfterMs = 60_000;

/**
 * Remembers an account's last connections, to judge the next end and to space the next attempts. The time of the last replacement is in the
 * account's item instead, because it must survive a move to another host. Otherwise two devices could replace each other forever.
 */
export class ConnectionHistory {
  private readonly deps: Pick<HostDeps, 'clock' | 'random' | 'logger' | 'metrics'>;
  private readonly baseMs: number;
  private readonly accountId: string;
  private attempt = 0;
  /** Label of the last connection's end, for metrics, until the next connection begins. */
  private lastEnd: string | undefined;
  /** Messages sent up to the last wait. */
  private sendsSeen = 0;
  private openedAtMs = Number.POSITIVE_INFINITY;
  private readonly past: ConnectionPast = {
    clientErrors: 0,
    restartedAtMs: Number.NEGATIVE_INFINITY,
    clientRenewed: false,
  };

  /** `baseMs`: see RECONNECT_BASE_MS. */
  constructor(deps: ConnectionHistory['deps'], accountId: string, baseMs: number) {
    this.deps = deps;
    this.accountId = accountId;
    this.baseMs = baseMs;
  }

  /** Call this when a connection begins. */
  begun(): void {
    if (this.lastEnd !== undefined) this.deps.metrics.reconnects.inc({ code: this.lastEnd });
    this.lastEnd = undefined;
  }

  /** Call this when a connection is open. The next attempt is quick only after a connection that lasted or sent. */
  opened(): void {
    this.openedAtMs = this.deps.clock.monotonicMs();
    this.past.clientErrors = 0;
    this.past.clientRenewed = false;
  }

  /** Call this when the current client version was learnt. A further refusal then means that no version is accepted. */
  renewed(): void {
    this.past.clientRenewed = true;
  }

  /** Counts and logs the end of a connection. */
  ended({ code, detail }: SessionEnd): void {
    this.lastEnd = codeLabel(code, 'none');
    this.deps.metrics.closes.inc({ code: this.lastEnd });
    this.deps.logger.info({ account: this.accountId, code, detail }, 'connection closed');
  }

  /** Returns the action after the end of a connection, and remembers the end. */
  judge(end: SessionEnd, account: Account): FollowUp {
    const nowMs = this.deps.clock.nowMs();
    const next = followUp(end, account, this.past, nowMs);
    if (end.reason === 'restart') this.past.restartedAtMs = nowMs;
    if (next.kind === 'retry') this.past.clientErrors = end.reason === 'client_error' ? this.past.clientErrors + 1 : 0;
    return next;
  }

  /**
   * Returns the wait (ms) before the next attempt. The first attempt after a good connection is almost immediate: most drops are short, and
   * recipients wait. `sends`: outcomes of the account so far; a connection that added one was a good one.
   */
  nextWaitMs(sends: number): number {
    this.lastEnd ??= 'ours';
    if (sends > this.sendsSeen || this.deps.clock.monotonicMs() - this.openedAtMs >= goodAfterMs) this.attempt = 0;
    this.openedAtMs = Number.POSITIVE_INFINITY;
    this.attempt += 1;
    this.sendsSeen = sends;
    const { random } = this.deps;
    return this.attempt === 1 ? random() * 500 : reconnectWaitMs(this.attempt - 1, { baseMs: this.baseMs, random });
  }
}
