import type { Account } from '../accounts.ts';
import type { Connection } from './connection.ts';

/** The open connections, and which account is logged in on which. */
export class Connections {
  readonly #open = new Set<Connection>();
  readonly #byAccount = new Map<string, Connection>();

  /** Notes a socket that was opened. */
  add(connection: Connection): void {
    this.#open.add(connection);
  }

  /** Notes who logged in; gives back the connection that this replaces. */
  login(account: Account, connection: Connection): Connection | undefined {
    const previous = this.#byAccount.get(account.jid);
    this.#byAccount.set(account.jid, connection);
    return previous;
  }

  /** Forgets a connection that has ended. */
  remove(connection: Connection): void {
    this.#open.delete(connection);
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

  /** How many accounts are logged in. */
  get count(): number {
    return this.#byAccount.size;
  }
}
