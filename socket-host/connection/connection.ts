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

/** What a connection tells the machine of its account. */
export interface ConnectionMachine {
  /** Whether this warning of the connection holds; called at each check. */
  warn(warning: string, holds: boolean): void;
  /** Queues the task behind everything that the account has to do. The task is left out when the account has another connection by then. */
  handle(connection: () => object, where: string, task: () => Promise<void>): void;
  /** A check has shown that the connection is of no use any more. Call this by `handle`. */
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
  /** Why it has ended, from the moment the transport says so. */
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

  /** The server's offline queue is empty. */
  drained(): void {
    this.drain.resolve();
  }

  /** Sends from now on. Calls `over` once with why the sending stopped, unless it was told to. */
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

  /** Closes the connection. Returns what the network has said, if the network was ending it already. */
  async close(): Promise<SessionEnd | undefined> {
    this.checks.delete(this.check);
    await this.stopSending();
    await this.session.close();
    return this.end === undefined || this.end.reason === 'unsaid' ? undefined : this.end;
  }

  /** Ends all waits: the connection will be closed, or has ended. */
  abort(): void {
    this.ended.abort();
    this.drain.resolve();
  }

  private async send(loop: SendLoop, receipts: Receipts): Promise<SendEnd> {
    const { signal } = this.ended;
    try {
      // No time limit: a person who opted out while we were away must not be written to.
      await this.drain.promise;
      // A receipt that waited may resolve the message in hand.
      await receipts.noneWaiting();
      return signal.aborted ? 'stopped' : await loop.run(this.session, signal);
    } catch (error) {
      this.deps.failed('send', error);
      return 'reconnect';
    }
  }
}

/** Returns the same session, which notes what becomes of its sends. `answered` is called with each definite answer of the server, good or bad. */
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
