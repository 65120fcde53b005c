import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

/**
 * The memory of the simulator: one SQLite file, or RAM when there is no data folder.
 *
 * All changes of one turn of the event loop are one transaction. An action that shows a change to the outside waits in
 * `whenDurable`: no ack, answer or receipt leaves the process before its change survives a SIGKILL.
 * The file is not synced, so a power loss may take the last changes.
 */
export class Storage {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #atCommit = new Map<string, () => void>();
  #waiting: (() => void)[] = [];
  #inTransaction = false;
  #closed = false;

  /** Opens the folder's file, which is created when missing. */
  constructor(dataDir?: string) {
    if (dataDir !== undefined) mkdirSync(dataDir, { recursive: true });
    this.#database = new DatabaseSync(dataDir === undefined ? ':memory:' : join(dataDir, 'simulator.sqlite'));
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 2000;');
    this.#database.exec(SCHEMA);
    for (const [table, column, type] of LATER_COLUMNS) this.#ensureColumn(table, column, type);
  }

  /** The folder's secret, 32 bytes, from which keys of the server and of all phones are derived. */
  secret(): Buffer {
    const row = this.get('SELECT value FROM facts WHERE name = ?', 'secret');
    if (row) return Buffer.from(String(row.value), 'base64');
    const secret = randomBytes(32);
    this.change('INSERT INTO facts (name, value) VALUES (?, ?)', 'secret', secret.toString('base64'));
    return secret;
  }

  /** Returns the first row, with the changes of this turn. */
  get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#statement(sql).get(...values);
  }

  /** Returns all rows, with the changes of this turn. */
  all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#statement(sql).all(...values);
  }

  /** Changes rows in this turn's transaction. Returns the number of rows changed. */
  change(sql: string, ...values: SQLInputValue[]): number {
    this.#begin();
    return Number(this.#statement(sql).run(...values).changes);
  }

  /** Runs `write` once when this turn's transaction ends. Of several calls with the same key, the last one counts. */
  changeLate(key: string, write: () => void): void {
    this.#begin();
    this.#atCommit.set(key, write);
  }

  /** Runs the action at once when no change is pending, otherwise after the commit, in order. */
  whenDurable(action: () => void): void {
    if (this.#inTransaction) this.#waiting.push(action);
    else action();
  }

  /** Commits pending changes and closes the file. Later changes throw. */
  close(): void {
    if (this.#closed) return;
    this.#commit();
    this.#closed = true;
    this.#database.close();
  }

  /** Adds a column that folders of older versions do not have. */
  #ensureColumn(table: string, column: string, type: string): void {
    const columns = this.#database.prepare(`PRAGMA table_info(${table})`).all();
    if (columns.some(({ name }) => name === column)) return;
    this.#database.exec(`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #begin(): void {
    if (this.#inTransaction) return;
    this.#statement('BEGIN IMMEDIATE').run();
    this.#inTransaction = true;
    setImmediate(() => this.#commit());
  }

  #commit(): void {
    if (!this.#inTransaction || this.#closed) return;
    for (const write of this.#atCommit.values()) write();
    this.#atCommit.clear();
    this.#statement('COMMIT').run();
    this.#inTransaction = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const action of waiting) action();
  }
}

/** Columns that came after the first version: table, name, type with default. */
const LATER_COLUMNS = [
  ['phones', 'installs', 'INTEGER NOT NULL DEFAULT 0'],
  ['messages', 'content', 'TEXT'],
] as const;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS phones (
    number TEXT PRIMARY KEY, lid TEXT NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL,
    behaviour TEXT NOT NULL, next_pre_key INTEGER NOT NULL, spent_pre_keys TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS sessions (
    phone TEXT NOT NULL, peer TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (phone, peer)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY, phone TEXT NOT NULL, id TEXT NOT NULL, sender TEXT NOT NULL, text TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL, repeats INTEGER NOT NULL DEFAULT 0
  );
  CREATE UNIQUE INDEX IF NOT EXISTS messages_by_recipient ON messages (phone, id);
  CREATE TABLE IF NOT EXISTS unopened (
    phone TEXT NOT NULL, id TEXT NOT NULL, attempts INTEGER NOT NULL, PRIMARY KEY (phone, id)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS accounts (
    jid TEXT PRIMARY KEY, state TEXT NOT NULL, device TEXT NOT NULL, pre_keys BLOB NOT NULL, pre_keys_used INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, due_ms INTEGER NOT NULL,
    stanza BLOB NOT NULL, phone TEXT, plaintext BLOB
  );
`;
