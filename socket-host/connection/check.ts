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

/** How often a host looks which checks are due or overdue. One timer serves all accounts. */
const tickMs = 1_000;
/** A look that comes so late shows that this process stood still, not the server. */
const lateMs = 4_000;

/** Why a connection is of no use any more: nothing comes from the server, or too much has gone wrong. */
export type Useless = 'lost' | 'errors';

export interface CheckNeeds {
  deps: Pick<HostDeps, 'clock' | 'metrics' | 'random'>;
  events: ConnectionEvents;
  /** Whether this warning holds; told at each check. */
  warn(warning: string, holds: boolean): void;
  /** Told once. */
  useless(why: Useless): void;
}

/**
 * Checks one connection every 30 s, with one ping to the server, which is also what keeps the connection open:
 *
 *   resting -> asked -> answered: resting            an error less
 *                    -> refused, or no answer: resting    an error more; above five the connection is of no use
 *                    -> nothing came at all: of no use
 *
 * Queries that WhatsApp does not answer are errors too, messages it answers make up for them. While all is well a check writes nothing.
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
    // Connections that were opened together are not asked together.
    this.nextAtMs = needs.deps.clock.monotonicMs() + needs.deps.random() * checkEveryMs;
  }

  /** Asks when it is time to, and judges a question that is not answered. `late`: answers may have come that are not read yet. */
  tick(nowMs: number, late: boolean): void {
    if (this.over) return;
    if (this.askedAtMs === undefined) {
      if (nowMs >= this.nextAtMs) this.ask(nowMs);
    } else if (!late) this.judge(nowMs - this.askedAtMs);
  }

  /** WhatsApp has answered something of ours. */
  good(): void {
    if (this.errors > 0) this.errors -= 1;
  }

  /** A query was refused, or not answered. */
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
    // One that comes after we have given up on it changes nothing.
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

/** The checks of all connections of a host. `run` looks at each once a second. */
export class ConnectionChecks {
  private readonly checks = new Set<ConnectionCheck>();

  add(check: ConnectionCheck): void {
    this.checks.add(check);
  }

  delete(check: ConnectionCheck): void {
    this.checks.delete(check);
  }

  /** Until the signal fires. */
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
