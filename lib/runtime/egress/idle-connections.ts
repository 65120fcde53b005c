import { type Connection, keepAliveMs } from './connection.ts';

/** Connections that wait for another request, by origin and address. A connection is used again only for an address that was just checked. */
export class IdleConnections {
  private readonly kept = new Map<string, Kept[]>();
  private readonly nowMs: () => number;
  private count = 0;

  /** `nowMs` must be wall time: Lambda freezes a process between invocations, so that no timer closes old connections. */
  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  /** Returns the open connection to this address that was used last, and closes ended or too old ones. */
  take(origin: string, address: string): Connection | undefined {
    const key = keyOf(origin, address);
    for (;;) {
      const last = this.kept.get(key)?.at(-1);
      if (last === undefined) return undefined;
      this.forget(key, last.connection);
      if (last.connection.isOpen() && this.nowMs() - last.sinceMs < keepAliveMs) return last.connection;
      last.connection.close();
    }
  }

  /** Keeps a connection until it is taken or ends. Closes it if 100 are kept already. */
  keep(origin: string, address: string, connection: Connection): void {
    if (this.count >= mostKept || !connection.isOpen()) {
      connection.close();
      return;
    }
    const key = keyOf(origin, address);
    const list = this.kept.get(key) ?? [];
    const onEnd = () => this.forget(key, connection);
    list.push({ connection, sinceMs: this.nowMs(), onEnd });
    this.kept.set(key, list);
    this.count += 1;
    connection.client.once('disconnect', onEnd);
  }

  close(): void {
    const all = [...this.kept.values()].flat();
    this.kept.clear();
    this.count = 0;
    for (const { connection } of all) connection.close();
  }

  private forget(key: string, connection: Connection): void {
    const list = this.kept.get(key);
    const index = list?.findIndex((each) => each.connection === connection) ?? -1;
    if (list === undefined || index < 0) return;
    for (const { onEnd } of list.splice(index, 1)) connection.client.removeListener('disconnect', onEnd);
    this.count -= 1;
    if (list.length === 0) this.kept.delete(key);
  }
}

interface Kept {
  connection: Connection;
  sinceMs: number;
  onEnd: () => void;
}

const mostKept = 100;
const keyOf = (origin: string, address: string): string => `${origin} ${address}`;
