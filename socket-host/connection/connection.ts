import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import { AuthCorrupt } from '../auth/errors.ts';
import type { AuthStore } from '../auth/store.ts';
import type { AccountParts } from '../deps.ts';
import type { SessionEnd, Transport, TransportListener } from '../transport.ts';
import { type LiveNeeds, LiveSession } from './live-session.ts';

interface Needs extends Omit<LiveNeeds, 'checks'> {
  parts: AccountParts;
  hold: Hold;
  account(): Account;
  /** Of the account's item when it was claimed. */
  authHead: number | undefined;
  /** A commit to the keys showed that the account is not ours any more. */
  fenced(why: string): void;
}

/** An account's connection and what it stands on: keys, a transport over them, at most one session. Each is opened when first needed. */
export class Connection {
  private readonly needs: Needs;
  private store: AuthStore | undefined;
  /** Closed by now, perhaps. */
  private lastStore: AuthStore | undefined;
  private transport: Transport | undefined;
  private session: LiveSession | undefined;

  constructor(needs: Needs) {
    this.needs = needs;
  }

  get live(): LiveSession | undefined {
    return this.session;
  }

  /** The highest segment of the account's keys that is durable, for whoever opens them next; it never falls. Undefined: there is none. */
  get authHead(): number | undefined {
    return this.lastStore?.head ?? this.needs.authHead;
  }

  /** The number of the linked phone, from the opened keys; undefined where there is none. */
  get linkedNumber(): string | undefined {
    return this.transport?.linkedNumber();
  }

  async keys(): Promise<AuthStore> {
    if (this.store !== undefined) return this.store;
    const { parts, hold, account, fenced } = this.needs;
    const store = await parts.openStore(hold, this.authHead, fenced);
    this.store = store;
    this.lastStore = store;
    this.transport = parts.transport(store, account());
    return store;
  }

  /** A barrier of ours stands since the last connection: nobody else has written to the keys. */
  async ready(): Promise<void> {
    if (this.store === undefined) await this.keys();
    else await this.store.barrier();
  }

  /** Begins a session over the opened keys; undefined if they are closed by now. */
  open(listener: (live: () => LiveSession) => TransportListener): LiveSession | undefined {
    if (this.transport === undefined) return undefined;
    const needs = { ...this.needs, checks: this.needs.parts.checks };
    const live: LiveSession = new LiveSession(needs, this.transport.open(listener(() => live)));
    this.session = live;
    return live;
  }

  /** Ends the session, if there is one; answers what WhatsApp has said, if it was ending it already. */
  async end(): Promise<SessionEnd | undefined> {
    const { session } = this;
    await session?.close();
    return session?.end?.code === undefined ? undefined : session.end;
  }

  async close(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    await session?.close();
  }

  async commitKeys(): Promise<void> {
    await this.store?.commit();
  }

  /** The device is unlinked: its keys are worth nothing any more, and nobody needs to be able to read them. */
  async wipeKeys(): Promise<void> {
    const { parts, hold } = this.needs;
    try {
      const store = await this.keys();
      await store.wipe();
    } catch (error) {
      if (!(error instanceof AuthCorrupt) || this.store !== undefined) throw error;
      await parts.wipeUnopened(hold, this.authHead);
    }
    this.store = undefined;
    this.transport = undefined;
  }

  async closeKeys(): Promise<void> {
    const { store } = this;
    this.store = undefined;
    this.transport = undefined;
    await store?.close();
  }
}
