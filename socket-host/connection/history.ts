import type { Account } from '../../lib/domain/accounts/account.ts';
import { type ConnectionPast, type FollowUp, followUp, reconnectWaitMs } from '../../lib/domain/accounts/disconnect.ts';
import type { HostDeps } from '../deps.ts';
import { codeLabel } from '../metrics.ts';
import type { SessionEnd } from '../transport.ts';

/** A connection that lasted so long was a good one. */
const goodAfterMs = 60_000;

/**
 * What an account remembers of its last connections: enough to judge the next end and to space the next tries. When it was replaced stands in
 * the account's item instead: a device that fights over the connection must not win by the account's move from host to host.
 */
export class ConnectionHistory {
  private readonly deps: Pick<HostDeps, 'clock' | 'random' | 'logger' | 'metrics'>;
  private readonly baseMs: number;
  private readonly accountId: string;
  private attempt = 0;
  /** Why the last connection ended, for counts, until the next one begins. */
  private lastEnd: string | undefined;
  /** How many messages had been sent at the last wait. */
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

  /** A connection begins. */
  begun(): void {
    if (this.lastEnd !== undefined) this.deps.metrics.reconnects.inc({ code: this.lastEnd });
    this.lastEnd = undefined;
  }

  /** A connection is open. Only one that lasts, or sends, makes the next try quick again. */
  opened(): void {
    this.openedAtMs = this.deps.clock.monotonicMs();
    this.past.clientErrors = 0;
    this.past.clientRenewed = false;
  }

  /** The present version of the client was learnt. A further refusal means that no version would do. */
  renewed(): void {
    this.past.clientRenewed = true;
  }

  /** A connection has ended. */
  ended({ code, detail }: SessionEnd): void {
    this.lastEnd = codeLabel(code, 'none');
    this.deps.metrics.closes.inc({ code: this.lastEnd });
    this.deps.logger.info({ account: this.accountId, code, detail }, 'connection closed');
  }

  /** Returns what follows the end of a connection, and remembers the end. */
  judge(end: SessionEnd, account: Account): FollowUp {
    const nowMs = this.deps.clock.nowMs();
    const next = followUp(end, account, this.past, nowMs);
    if (end.reason === 'restart') this.past.restartedAtMs = nowMs;
    if (next.kind === 'retry') this.past.clientErrors = end.reason === 'client_error' ? this.past.clientErrors + 1 : 0;
    return next;
  }

  /**
   * Returns the wait before the next try. The first after a good connection comes almost at once: most drops heal by themselves, and
   * recipients wait. `sends`: how many messages the account has sent so far; a connection that has sent was a good one.
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
