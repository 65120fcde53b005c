import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { KeyRecord } from './encoding.ts';
import { AuthCacheFull } from './errors.ts';

/**
 * The committed keys of every account of this host, in one SQLite file rather than in memory (812 pre-keys alone would cost 240 KB a session).
 * S3 is the truth: each start makes a new file, and a lost file loses nothing.
 */
export interface Cache {
  get(account: string, type: string, id: string): Uint8Array | undefined;
  /** Applies all records or none. Throws AuthCacheFull when the file may not grow any more. */
  apply(account: string, records: Iterable<KeyRecord>): void;
  /** Returns all records of an account, except those of the given types. */
  dump(account: string, except: ReadonlySet<string>): KeyRecord[];
  count(account: string): number;
  dropAccount(account: string): void;
  /** Returns true when the keys take more than `maxBytes`: take no more accounts then. Those held may grow by a quarter. Takes microseconds. */
  full(): boolean;
  /** Closes the cache and removes the file, because each start makes its own and keys must not stay on the disk. */
  close(): void;
}

/** `full` is true from `maxBytes` on. The file may grow to a quarter more, so that the accounts held can go on. */
export interface CacheOptions {
  maxBytes?: number;
}

const pageBytes = 4096;
const hardLimit = 1.25;
/** SQLite's code for a write that the limit does not allow. */
const sqliteFull = 13;

/** Opens the host's cache at `file`, replacing what an earlier process left there. */
export function openCache(file: string, { maxBytes = Number.POSITIVE_INFINITY }: CacheOptions = {}): Cache {
  removeFiles(file);
  const db = new DatabaseSync(file);
  db.exec(`
    PRAGMA page_size = ${pageBytes};
    PRAGMA journal_mode = MEMORY;
    PRAGMA synchronous = OFF;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA cache_size = -8192;
    CREATE TABLE keys (account INTEGER, type TEXT, id TEXT, value BLOB NOT NULL, PRIMARY KEY (account, type, id)) WITHOUT ROWID;
  `);
  if (Number.isFinite(maxBytes)) db.exec(`PRAGMA max_page_count = ${Math.ceil((maxBytes * hardLimit) / pageBytes)}`);
  const pages = db.prepare('PRAGMA page_count');
  const freePages = db.prepare('PRAGMA freelist_count');
  const select = db.prepare('SELECT value FROM keys WHERE account = ? AND type = ? AND id = ?');
  const upsert = db.prepare('INSERT OR REPLACE INTO keys (account, type, id, value) VALUES (?, ?, ?, ?)');
  const remove = db.prepare('DELETE FROM keys WHERE account = ? AND type = ? AND id = ?');
  const selectAll = db.prepare('SELECT type, id, value FROM keys WHERE account = ?');
  const selectCount = db.prepare('SELECT count(*) AS n FROM keys WHERE account = ?');
  const removeAll = db.prepare('DELETE FROM keys WHERE account = ?');

  const numbers = new Map<string, number>();
  let lastNumber = 0;
  const numberOf = (account: string): number => {
    const known = numbers.get(account);
    if (known !== undefined) return known;
    lastNumber += 1;
    numbers.set(account, lastNumber);
    return lastNumber;
  };

  return {
    get(account, type, id) {
      return bytes(select.get(numberOf(account), type, id)?.value);
    },
    apply(account, records) {
      const number = numberOf(account);
      db.exec('BEGIN');
      try {
        for (const { type, id, value } of records) {
          if (value === undefined) remove.run(number, type, id);
          else upsert.run(number, type, id, value);
        }
        db.exec('COMMIT');
      } catch (error) {
        // A full file ends the transaction by itself.
        if (db.isTransaction) db.exec('ROLLBACK');
        if (!isFull(error)) throw error;
        throw new AuthCacheFull(
          `the key cache has reached ${hardLimit} times its limit of ${Math.round(maxBytes / 2 ** 20)} MiB; raise AUTH_CACHE_MB or add hosts`,
          { cause: error },
        );
      }
    },
    dump(account, except) {
      const records: KeyRecord[] = [];
      for (const row of selectAll.iterate(numberOf(account))) {
        const type = String(row.type);
        if (!except.has(type)) records.push({ type, id: String(row.id), value: bytes(row.value) });
      }
      return records;
    },
    count(account) {
      return Number(selectCount.get(numberOf(account))?.n);
    },
    dropAccount(account) {
      const number = numbers.get(account);
      if (number === undefined) return;
      numbers.delete(account);
      removeAll.run(number);
    },
    full() {
      const used = Number(pages.get()?.page_count) - Number(freePages.get()?.freelist_count);
      return used * pageBytes > maxBytes;
    },
    close() {
      if (!db.isOpen) return;
      db.close();
      removeFiles(file);
    },
  };
}

function removeFiles(file: string): void {
  for (const one of [file, `${file}-journal`, `${file}-wal`, `${file}-shm`]) rmSync(one, { force: true });
}

function bytes(value: unknown): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined;
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteFull;
}
