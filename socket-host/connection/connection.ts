import type { Receipts } from '../../lib/sending/receipts.ts';
import type { HostDeps } from '../deps.ts';
import type { SendEnd } from '../loop/send-end.ts';
import type { SendLoop } from '../loop/send-loop.ts';
import { type SessionEnd, type TransportSession, Unanswered } from '../transport.ts';
import { ConnectionCheck, type ConnectionChecks, type Useless } from './check.ts';
import type { ConnectionEvents } from './events.ts';

interface Needs {
  deps: HostDeps;
  checks: Pick<ConnectionChecks, 'add' | 'delete'>;
  events: ConnectionEvents;
  machine: ConnectionMachine;
}

/** Calls from a connection to the state machine of its account. */
export interface ConnectionMachine {
  /** Adds a warning of the connection to the account while it holds, and removes it otherwise. Calls repeat. */
  warn(warning: string, holds: boolean): void;
  /** Queues a task behind the account's other tasks. The task does not run if the account has another connection by then. */
  handle(connection: () => object, where: string, task: () => Promise<void>): void;
  /** Call this in a task of `handle` when a check has shown that the connection must be replaced. */
  dropped(why: Useless): Promise<void>;
}

/**
 * One connection of an account, checked every 30 s, and what runs on it:
 *
 *   opened -> drained -> receipts written -> send loop -> closed
 */
export class Connection {
  readonly session: TransportSession;
  readonly check: ConnectionCheck;
  /** The end of the session, from the transport; undefined until then. */
  end: SessionEnd | undefined;
  private readonly checks: Needs['checks'];
  private readonly deps: HostDeps;
  private readonly ended = new AbortController();
  private readonly drain = Promise.withResolvers<void>();
  private sending: Promise<void> = Promise.resolve();

  constructor(needs: Needs, session: TransportSession) {
    const { deps, checks, events, machine } = needs;
    this.deps = deps;
    this.checks = checks;
    const warn = (warning: string, holds: boolean) => machine.warn(warning, holds);
    const useless = (why: Useless) =>
      machine.handle(
        () => this,
        'check',
        () => machine.dropped(why),
      );
    this.check = new ConnectionCheck({ deps, events, warn, useless }, session);
    this.session = watched(session, needs, () => this.check.good());
    checks.add(this.check);
  }

  /** Call this when the server's offline queue is empty. */
  drained(): void {
    this.drain.resolve();
  }

  /** Starts sending. Calls `over` once with the reason when sending stops, unless `abort` stopped it. */
  startSending(loop: SendLoop, receipts: Receipts, over: (end: SendEnd) => void): void {
    this.sending = this.send(loop, receipts).then((end) => {
      if (!this.ended.signal.aborted) over(end);
    });
  }

  /** Takes no further message, and resolves when the message in hand is finished. */
  async stopSending(): Promise<void> {
    this.abort();
    await this.sending;
  }

  /** Closes the connection. Returns the network's reason, if the network has already ended it. */
  async close(): Promise<SessionEnd | undefined> {
    this.checks.delete(this.check);
    await this.stopSending();
    await this.session.close();
    return this.end === undefined || this.end.reason === 'unsaid' ? undefined : this.end;
  }

  /** Ends all waits. Call it when the connection will be closed, or has ended. */
  abort(): void {
    this.ended.abort();
    this.drain.resolve();
  }

  private async send(loop: SendLoop, receipts: Receipts): Promise<SendEnd> {
    const { signal } = this.ended;
    try {
      // No time limit: a person who opted out while we were offline must not get a message.
      await this.drain.promise;
      // A receipt that waited at the server may resolve the message in hand.
      await receipts.noneWaiting();
      return signal.aborted ? 'stopped' : await loop.run(this.session, signal);
    } catch (error) {
      this.deps.failed('send', error);
      return 'reconnect';
    }
  }
}

/** Returns the same session, but adds the results of its sends to `events`. `answered` is called at each definite answer of the server. */
function watched(
  session: TransportSession,
  { deps: { clock }, events }: Pick<Needs, 'deps' | 'events'>,
  answered: () => void,
): TransportSession {
  return {
    async send(message, ackTimeoutMs) {
      const startedMs = clock.monotonicMs();
      try {
        const ack = await session.send(message, ackTimeoutMs);
        if (ack.withheld === true) return ack;
        if (ack.code === undefined) events.sent(clock.monotonicMs() - startedMs);
        else events.add('error_ack', ack.code);
        answered();
        return ack;
      } catch (error) {
        events.add(error instanceof Unanswered ? 'unanswered' : 'not_sent');
        throw error;
      }
    },
    get heard() {
      return session.heard;
    },
    ping: () => session.ping(),
    typing: (to, on) => session.typing(to, on),
    lookup: (to) => session.lookup(to),
    personAt: (to) => session.personAt(to),
    hasChat: (to) => session.hasChat(to),
    firstContactsRefusedUntil: () => session.firstContactsRefusedUntil(),
    requestPairingCode: (phoneNumber) => session.requestPairingCode(phoneNumber),
    logout: () => session.logout(),
    close: () => session.close(),
  };
}
