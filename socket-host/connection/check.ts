import {
  checkEveryMs,
  fastAfterSlow,
  idleAfterMs,
  idleWarning,
  judgeWait,
  maxCheckErrors,
  slowAfterMs,
  slowWarning,
} from '../../lib/domain/accounts/connection-check.ts';
import type { Clock } from '../../lib/runtime/clock.ts';
import type { HostDeps } from '../deps.ts';
import type { TransportSession } from '../transport.ts';
import type { ConnectionEvents } from './events.ts';

/** Interval (ms) at which a host runs the checks that are due or overdue. One timer serves all accounts. */
const tickMs = 1_000;
/** A tick this late (ms) shows that this process was frozen, not the server. */
const lateMs = 4_000;

/** Why a connection must be replaced: nothing comes from the server, or it had too many errors. */
export type Useless = 'lost' | 'errors';

export interface CheckNeeds {
  deps: Pick<HostDeps, 'clock' | 'metrics' | 'random'>;
  events: ConnectionEvents;
  /** Called with true while a warning of the connection holds, and with false when it does not. Calls repeat. */
  warn(warning: string, holds: boolean): void;
  /** Called once, when the connection must be replaced. */
  useless(why: Useless): void;
}

/**
 * Checks one connection every 30 s with one ping to the server. The ping also keeps the connection open:
 *
 *   resting -> asked -> answered: resting                 one error less
 *                    -> refused, or no answer: resting    one error more; above five, the connection must be replaced
 *                    -> nothing came at all: the connection must be replaced
 *
 * A query that WhatsApp does not answer is an error too, and each message that it answers removes one. A normal check writes nothing.
 */
export class ConnectionCheck {
  private readonly needs: CheckNeeds;
  private readonly session: Pick<TransportSession, 'ping' | 'heard'>;
  private nextAtMs: number;
  private askedAtMs: number | undefined;
  private heardThen = 0;
  private questions = 0;
  private fastOnes = 0;
  private errors = 0;
  private over = false;

  constructor(needs: CheckNeeds, session: Pick<TransportSession, 'ping' | 'heard'>) {
    this.needs = needs;
    this.session = session;
    // Connections that opened together must not be checked together.
    this.nextAtMs = needs.deps.clock.monotonicMs() + needs.deps.random() * checkEveryMs;
  }

  /** Sends a ping when it is due, and judges a ping without an answer. `late`: answers may have come that are not read yet. */
  tick(nowMs: number, late: boolean): void {
    if (this.over) return;
    if (this.askedAtMs === undefined) {
      if (nowMs >= this.nextAtMs) this.ask(nowMs);
    } else if (!late) this.judge(nowMs - this.askedAtMs);
  }

  /** Call this when WhatsApp has answered a ping or a message. */
  good(): void {
    if (this.errors > 0) this.errors -= 1;
  }

  /** Call this when a query was refused, or not answered. */
  queryFailed(): void {
    this.needs.events.add('query_failed');
    this.countError();
  }

  private ask(nowMs: number): void {
    const answer = this.session.ping();
    if (answer === undefined) return;
    const question = ++this.questions;
    this.askedAtMs = nowMs;
    this.nextAtMs = nowMs + checkEveryMs;
    this.heardThen = this.session.heard;
    const { events, deps, warn } = this.needs;
    warn(idleWarning, deps.clock.nowMs() - events.activeAtMs > idleAfterMs);
    answer.then(
      () => this.answered(question),
      () => this.refused(question),
    );
  }

  private answered(question: number): void {
    // An answer after the check has failed changes nothing.
    if (this.over || this.askedAtMs === undefined || question !== this.questions) return;
    const { deps, events, warn } = this.needs;
    const ms = deps.clock.monotonicMs() - this.askedAtMs;
    this.askedAtMs = undefined;
    const slow = ms > slowAfterMs;
    events.add('check', ms);
    deps.metrics.connectionChecks.inc({ result: slow ? 'slow' : 'ok' });
    deps.metrics.connectionCheckSeconds.observe(ms / 1000);
    this.good();
    this.fastOnes = slow ? 0 : this.fastOnes + 1;
    if (slow) warn(slowWarning, true);
    else if (this.fastOnes >= fastAfterSlow) warn(slowWarning, false);
  }

  private refused(question: number): void {
    if (!this.over && this.askedAtMs !== undefined && question === this.questions) this.fail();
  }

  private judge(askedForMs: number): void {
    const verdict = judgeWait(askedForMs, this.session.heard !== this.heardThen);
    if (verdict === 'wait') return;
    if (verdict === 'failed') {
      this.needs.warn(slowWarning, true);
      this.fail();
      return;
    }
    this.fail();
    this.end('lost');
  }

  private fail(): void {
    this.askedAtMs = undefined;
    this.fastOnes = 0;
    this.needs.events.add('check_failed');
    this.needs.deps.metrics.connectionChecks.inc({ result: 'failed' });
    this.countError();
  }

  private countError(): void {
    this.errors += 1;
    if (this.errors > maxCheckErrors) this.end('errors');
  }

  private end(why: Useless): void {
    if (this.over) return;
    this.over = true;
    this.needs.useless(why);
  }
}

/** The checks of all connections of a host. `run` ticks each once a second. */
export class ConnectionChecks {
  private readonly checks = new Set<ConnectionCheck>();

  add(check: ConnectionCheck): void {
    this.checks.add(check);
  }

  delete(check: ConnectionCheck): void {
    this.checks.delete(check);
  }

  /** Runs until the signal fires. */
  async run(clock: Clock, signal: AbortSignal): Promise<void> {
    let lastMs = clock.monotonicMs();
    while (!signal.aborted) {
      await clock.sleep(tickMs, signal);
      const nowMs = clock.monotonicMs();
      const late = nowMs - lastMs > lateMs;
      lastMs = nowMs;
      for (const check of this.checks) check.tick(nowMs, late);
    }
  }
}
