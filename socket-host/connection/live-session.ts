import type { Receipts } from '../../lib/sending/receipts.ts';
import type { HostDeps } from '../deps.ts';
import type { SendEnd, SendLoop } from '../loop/send-loop.ts';
import type { SessionEnd, TransportSession } from '../transport.ts';
import { ConnectionCheck, type ConnectionChecks, type Useless } from './check.ts';
import type { ConnectionEvents } from './events.ts';
import { watched } from './watch.ts';

export interface LiveNeeds {
  deps: HostDeps;
  checks: Pick<ConnectionChecks, 'add' | 'delete'>;
  events: ConnectionEvents;
  /** Whether this warning of the connection holds; told at each check. */
  warn(warning: string, holds: boolean): void;
  /** The connection is of no use any more; told once. */
  useless(live: LiveSession, why: Useless): void;
}

/**
 * One connection, checked every 30 s, and what runs on it:
 *
 *   opened -> drained -> receipts written -> send loop -> closed
 */
export class LiveSession {
  readonly session: TransportSession;
  readonly check: ConnectionCheck;
  /** Why it has ended, from the moment the transport says so. */
  end: SessionEnd | undefined;
  private readonly checks: LiveNeeds['checks'];
  private readonly deps: HostDeps;
  private readonly ended = new AbortController();
  private readonly drain = Promise.withResolvers<void>();
  private sending: Promise<void> = Promise.resolve();

  constructor(needs: LiveNeeds, session: TransportSession) {
    const { deps, checks, events } = needs;
    this.deps = deps;
    this.checks = checks;
    this.check = new ConnectionCheck({ ...needs, useless: (why) => needs.useless(this, why) }, session);
    this.session = watched(session, { clock: deps.clock, events, answered: () => this.check.good() });
    checks.add(this.check);
  }

  /** The server's offline queue is empty. */
  drained(): void {
    this.drain.resolve();
  }

  /** Sends from now on; `over` hears once why it stopped, unless it was told to. */
  startSending(loop: SendLoop, receipts: Receipts, over: (end: SendEnd) => void): void {
    this.sending = this.send(loop, receipts).then((end) => {
      if (!this.ended.signal.aborted) over(end);
    });
  }

  /** Lets the message in hand come to its end and takes no other. */
  async stopSending(): Promise<void> {
    this.abort();
    await this.sending;
  }

  async close(): Promise<void> {
    this.checks.delete(this.check);
    await this.stopSending();
    await this.session.close();
  }

  /** The end is known to come; nothing waits for it yet. */
  abort(): void {
    this.ended.abort();
    this.drain.resolve();
  }

  private async send(loop: SendLoop, receipts: Receipts): Promise<SendEnd> {
    const { signal } = this.ended;
    try {
      // No time limit: a person who opted out while we were away must not be written to.
      await this.drain.promise;
      // A receipt that waited may settle the message in hand.
      await receipts.settled();
      return signal.aborted ? 'stopped' : await loop.run(this.session, signal);
    } catch (error) {
      this.deps.failed('send', error);
      return 'reconnect';
    }
  }
}
