import type { Receipts } from '../../lib/sending/receipts.ts';
import type { AccountParts, Machine } from '../account/parts.ts';
import type { HostDeps } from '../deps.ts';
import type { SendEnd, SendLoop } from '../loop/send-loop.ts';
import { type SessionEnd, type TransportListener, type TransportSession, Unanswered } from '../transport.ts';
import { ConnectionCheck, type ConnectionChecks, type Useless } from './check.ts';
import type { ConnectionEvents } from './events.ts';

/** Begins a connection of the account and tells `machine` of everything that happens. Returns undefined if the keys are closed by now. */
export function openConnection(
  deps: HostDeps,
  checks: Pick<ConnectionChecks, 'add' | 'delete'>,
  parts: AccountParts,
  machine: Machine,
): Connection | undefined {
  const session = parts.transport.open(listenTo(() => connection, deps, parts, machine));
  if (session === undefined) return undefined;
  const connection: Connection = new Connection({ deps, checks, events: parts.events, machine }, session);
  return connection;
}

interface Needs {
  deps: HostDeps;
  checks: Pick<ConnectionChecks, 'add' | 'delete'>;
  events: ConnectionEvents;
  machine: Pick<Machine, 'warn' | 'handle' | 'dropped'>;
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
      // A receipt that waited may settle the message in hand.
      await receipts.settled();
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

/** Takes what one connection says: changes of its state in turn, receipts and inbound messages at once. */
function listenTo(
  connection: () => Connection,
  deps: HostDeps,
  { events, firstContacts, hand, inbound, links, loop, record }: AccountParts,
  machine: Machine,
): TransportListener {
  const inTurn = (where: string, task: () => Promise<void>) => machine.handle(connection, where, task);
  return {
    onLink: (link) => inTurn('link', () => links.offered(connection().session, link)),
    // The connection goes on until the network asks for the restart: closed earlier, the phone would say that linking failed.
    onLinked: ({ phoneNumber }) =>
      inTurn('linked', async () => {
        links.end();
        await record.linked(phoneNumber);
      }),
    onPasskeyDemanded: () => inTurn('passkey', () => machine.halt({ kind: 'passkey_required' })),
    onOpen: ({ phoneNumber }) => inTurn('open', () => machine.opened(phoneNumber)),
    onDrained: () => connection().drained(),
    onReceipt: (receipt) => {
      deps.metrics.receipts.inc({ kind: receipt.kind });
      events.received(receipt, hand.ackedAt(receipt));
      return hand.receipts.add(receipt);
    },
    onInbound: async (message, secret) => {
      if (!machine.mayAct()) throw new Error('this host does not own the account any more');
      events.active();
      await inbound.keep(message, secret);
    },
    onUndecryptable: (id, askedAgain) => inbound.undecryptable(id, askedAgain),
    onAddressesLearnt: (person) => inbound.mayWriteTo(person),
    onFirstContacts: (refusedUntil) =>
      inTurn('first contacts', async () => {
        await firstContacts.told(refusedUntil);
        loop.look();
      }),
    onQueryFailed: () => connection().check.queryFailed(),
    onClosed: (end) => {
      connection().end = end;
      inTurn('closed', () => machine.closed(end));
    },
  };
}
