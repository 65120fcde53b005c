import type { Account } from '../../lib/domain/accounts/account.ts';
import { closeReason } from '../../lib/domain/accounts/disconnect.ts';
import { textOf } from '../../lib/domain/content.ts';
import { type Person, personAt } from '../../lib/domain/people/person.ts';
import type { Clock } from '../../lib/runtime/clock.ts';
import type { AuthStore } from '../../socket-host/auth/store.ts';
import { hostKeys } from '../../socket-host/baileys/keys.ts';
import { LinkedDevice, type LinkedDeviceNeeds } from '../../socket-host/baileys/transport.ts';
import type { HostDeps } from '../../socket-host/deps.ts';
import {
  type Ack,
  NotSent,
  type Outgoing,
  type SessionEnd,
  type TransportFactory,
  type TransportListener,
  type TransportSession,
  Unanswered,
} from '../../socket-host/transport.ts';

export interface Wire {
  id: string;
  to: string;
  text: string;
  at: number;
  account: string;
}

/** The network's answer to a send: an ack (with or without an error code), silence, or a connection that breaks before the message leaves. */
export type Answer = Ack | 'silence' | 'not_sent';

/** The network's report at the end of a connection. */
export type End = Omit<SessionEnd, 'reason'>;

/** The network's answer to a ping: after this many ms of the clock, a refusal, or none. */
export type PingAnswer = number | 'refused' | 'silence';

/**
 * Returns a messaging network in memory, for tests of the host itself. It links and opens at once, answers each send as the test sets it, and records
 * the messages on the wire. Numbers that end in 0000 are not on it.
 */
export function fakeNetwork(clock: Clock) {
  const wire: Wire[] = [];
  const sessions = new Map<string, FakeSession>();
  const lids = new Map<string, string>();
  const otherNumbers = new Map<string, string>();
  const phones = new Map<string, string>();
  const chats = new Set<string>();
  const versions: string[] = [];
  const stores: AuthStore[] = [];
  let pair: (phoneNumber: string) => string = () => 'ABCD1234';
  let refusedUntil: (() => number | undefined) | undefined;
  let answer: (message: { id: string; to: string }) => Answer = () => ({});
  let pingAnswer: (account: string) => PingAnswer = () => 5;
  let atOpen: ((session: FakeSession) => void | Promise<void>) | undefined;
  let refuse: ((account: string) => End | undefined) | undefined;
  let loaded: ((store: AuthStore) => void) | undefined;
  let refresh: () => Promise<void> = async () => {};

  class FakeSession implements TransportSession {
    readonly account: Account;
    readonly listener: TransportListener;
    private closed = false;
    private readonly over = Promise.withResolvers<void>();
    readonly lookups: string[] = [];
    /** The number of answers so far. A test raises it for other data from the server. */
    heard = 0;
    pings = 0;
    private closing: Promise<void> | undefined;
    private withholding: ((to: string) => Promise<boolean>) | undefined;

    constructor(account: Account, listener: TransportListener) {
      this.account = account;
      this.listener = listener;
      setTimeout(() => {
        const end = refuse?.(account.id);
        if (end !== undefined) return this.end(end);
        if (this.closed) return;
        if (account.linkedAt === undefined && !phones.has(account.id)) return this.offer(1);
        listener.onOpen({ phoneNumber: phones.get(account.id) ?? account.phoneNumber ?? '79990000001' });
        const reading = atOpen?.(this);
        if (reading === undefined) listener.onDrained();
        else void reading.then(() => listener.onDrained());
      }, 1);
    }

    /** Ends the session and fails its open sends. Calls the listener `flushMs` later, as a transport does that stores its keys first. */
    end(said: End, flushMs = 0): void {
      if (this.closed) return;
      const end = { ...said, reason: closeReason(said.code) };
      this.shut();
      if (flushMs === 0) this.listener.onClosed(end);
      else this.closing = clock.sleep(flushMs).then(() => this.listener.onClosed(end));
    }

    /** Shows the next QR code, 60 s of the clock each, up to six. */
    offer(attempt: number): void {
      if (this.closed) return;
      if (attempt > 6) {
        this.end({ code: 408, detail: 'QR refs attempts ended' });
        return;
      }
      const expiresAt = clock.nowMs() + 60_000;
      this.listener.onLink({ method: 'qr', code: `code-${attempt}`, attempt, expiresAt });
      void clock.sleep(60_000).then(() => this.offer(attempt + 1));
    }

    /** Sets a check that may withhold a message before it leaves, as a transport does when it learns the person of a number. */
    withhold(decide: (to: string) => Promise<boolean>): void {
      this.withholding = decide;
    }

    ping(): Promise<void> | undefined {
      if (this.closed) return undefined;
      this.pings += 1;
      const answer = pingAnswer(this.account.id);
      if (answer === 'silence') return new Promise(() => {});
      return clock.sleep(answer === 'refused' ? 5 : answer).then(() => {
        this.heard += 1;
        if (answer === 'refused') throw new Error('refused');
      });
    }

    async send({ onWire, content, ...more }: Outgoing, ackTimeoutMs: number): Promise<Ack> {
      const message = { ...more, text: textOf(content) };
      if (this.closed) throw new NotSent('closed');
      if (await this.withholding?.(message.to)) return { withheld: true };
      const result = answer(message);
      if (result === 'not_sent') throw new NotSent('the line broke');
      wire.push({ ...message, at: clock.nowMs(), account: this.account.id });
      onWire?.();
      await clock.sleep(2);
      if (result !== 'silence') {
        this.heard += 1;
        return result;
      }
      await Promise.race([clock.sleep(ackTimeoutMs), this.over.promise]);
      throw new Unanswered('no ack');
    }

    async typing(): Promise<void> {}

    async lookup(to: string): Promise<boolean | undefined> {
      this.lookups.push(to);
      return !to.endsWith('0000');
    }

    personAt(to: string): Person {
      const lid = lids.get(to);
      const otherNumber = otherNumbers.get(to);
      return {
        ...personAt(to),
        ...(otherNumber === undefined ? {} : { otherNumber }),
        ...(lid === undefined ? {} : { lid }),
      };
    }

    hasChat(to: string): boolean {
      return chats.has(to);
    }

    async firstContactsRefusedUntil(): Promise<number | undefined> {
      return refusedUntil?.();
    }

    async requestPairingCode(phoneNumber: string): Promise<string> {
      return pair(phoneNumber);
    }

    async logout(): Promise<void> {
      this.shut();
    }

    async close(): Promise<void> {
      this.shut();
      await this.closing;
    }

    private shut(): void {
      this.closed = true;
      this.over.resolve();
    }
  }

  /** A transport with real keys, in the host's bucket. */
  class FakeTransport extends LinkedDevice {
    private readonly accountId: string;

    constructor(needs: LinkedDeviceNeeds, accountId: string) {
      super(needs);
      this.accountId = accountId;
    }

    override linkedNumber(): string | undefined {
      return phones.get(this.accountId);
    }
  }

  const transports = (host: HostDeps): TransportFactory => {
    const keys = hostKeys(host);
    return {
      create: ({ hold, account, stateHead, fenced }) =>
        new FakeTransport(
          {
            head: stateHead,
            openKeys: async (head) => {
              const store = await keys.open(hold, head, fenced);
              stores.push(store);
              loaded?.(store);
              return store;
            },
            wipeUnopened: (head) => keys.wipeUnopened(hold, head),
            connect: (_store, listener) => {
              const session = new FakeSession(account(), listener);
              sessions.set(hold.accountId, session);
              return session;
            },
          },
          hold.accountId,
        ),
      full: () => keys.full(),
      clientVersion: {
        use: (version) => versions.push(version),
        refresh: async () => {
          await refresh();
          return '2.3000.99';
        },
      },
      close: () => keys.close(),
    };
  };
  return {
    wire,
    /** LIDs by number, as accounts know them. */
    lids,
    /** The other spelling that WhatsApp has for a number, by number, as accounts know it. */
    otherNumbers,
    /** Numbers of the linked phones, by account id, where the test sets them. */
    phones,
    /** Numbers that accounts have a chat with. */
    chats,
    sessions,
    transports,
    /** The keys of accounts that hosts have opened, oldest first. */
    stores,
    answerWith(next: typeof answer): void {
      answer = next;
    },
    pingWith(next: typeof pingAnswer): void {
      pingAnswer = next;
    },
    /** Sets a function that runs between open and drained, for messages that waited at the server. Drained waits for its promise. */
    whenOpening(next: typeof atOpen): void {
      atOpen = next;
    },
    /** Sets the function that returns the pairing code for a number. A session rejects with the error that it throws. */
    pairWith(next: typeof pair): void {
      pair = next;
    },
    /** Sets the function that returns the time until which first contacts are refused. */
    firstContactsWith(next: typeof refusedUntil): void {
      refusedUntil = next;
    },
    /** Sets a function that is called with the keys of an account whenever a host has loaded them. */
    whenLoaded(next: typeof loaded): void {
      loaded = next;
    },
    refuseWith(next: typeof refuse): void {
      refuse = next;
    },
    /** Client versions that hosts have started with, besides the built-in one. */
    versions,
    /** Sets the function that runs when a host asks for the current client version. */
    refreshWith(next: typeof refresh): void {
      refresh = next;
    },
  };
}
