import type { Account } from '../accounts.ts';
import type { Connection } from './connection.ts';

/** An account's connection became ready for use, or one that was ready has ended; `atMs` since 1970. */
export type ConnectionChange = {
  readonly number: string;
  readonly jid: string;
  readonly change: 'live' | 'ended';
  readonly atMs: number;
};

const MOST_CHANGES = 50_000;

/** The open connections and the accounts that are logged in on them. */
export class Connections {
  readonly #open = new Set<Connection>();
  readonly #byAccount = new Map<string, Connection>();
  readonly #live = new Set<Connection>();
  #changes: ConnectionChange[] = [];

  /** Adds a connection that was opened. */
  add(connection: Connection): void {
    this.#open.add(connection);
  }

  /** Notes the login of a connection. Returns the connection that it replaces. */
  login(account: Account, connection: Connection): Connection | undefined {
    const previous = this.#byAccount.get(account.jid);
    this.#byAccount.set(account.jid, connection);
    return previous;
  }

  /** Notes that a connection is ready for use. */
  live(connection: Connection): void {
    this.#live.add(connection);
    this.#note(connection, 'live');
  }

  /** Forgets a connection that has ended. */
  remove(connection: Connection): void {
    this.#open.delete(connection);
    if (this.#live.delete(connection)) this.#note(connection, 'ended');
    const { account } = connection;
    if (account && this.#byAccount.get(account.jid) === connection) this.#byAccount.delete(account.jid);
  }

  /** The connection on which an account is logged in. */
  of(jid: string): Connection | undefined {
    return this.#byAccount.get(jid);
  }

  /** All connections, those that have not logged in included. */
  all(): Connection[] {
    return [...this.#open];
  }

  /** The connections of accounts that are logged in: all, or those of one number. */
  loggedIn(number?: string): Connection[] {
    const all = [...this.#byAccount.values()];
    return number === undefined ? all : all.filter((connection) => connection.account?.number === number);
  }

  /** Starts and ends of accounts' connections, in order. Beyond 50,000 the older half is forgotten. */
  get changes(): readonly ConnectionChange[] {
    return this.#changes;
  }

  #note({ account, world }: Connection, change: ConnectionChange['change']): void {
    if (!account) return;
    if (this.#changes.length >= MOST_CHANGES) this.#changes = this.#changes.slice(MOST_CHANGES / 2);
    this.#changes.push({ number: account.number, jid: account.jid, change, atMs: world.clock() });
  }

  /** The number of accounts that are logged in. */
  get count(): number {
    return this.#byAccount.size;
  }
}
