import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { type S3Error, s3Error } from './error.ts';

export interface ObjectHead {
  key: string;
  size: number;
  /** Without quotes. */
  etag: string;
  modifiedMs: number;
  /** Headers that are returned with the object: content-type, x-amz-meta-* and others. */
  headers: Record<string, string>;
  tags: string;
  /** The content of a small object. A larger one is in the file named `file`. */
  body: Uint8Array | undefined;
  file: string | undefined;
}

export interface Conditions {
  ifMatch?: string | undefined;
  ifNoneMatch?: string | undefined;
}

export interface BucketSettings {
  cors?: string | undefined;
  notification?: string | undefined;
}

export interface PendingEvent {
  id: number;
  queueArn: string;
  body: string;
}

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, cors TEXT, notification TEXT);
  CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL,
    headers TEXT NOT NULL, tags TEXT NOT NULL, body BLOB, file TEXT, PRIMARY KEY (bucket, key)
  );
  CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, queue_arn TEXT NOT NULL, body TEXT NOT NULL);
`;

/**
 * Buckets and objects in one SQLite file, with large bodies in files beside it. Each change is one synchronous transaction of one process, so that
 * conditional writes hold under any concurrency. Committed changes survive SIGKILL.
 */
export class ObjectDatabase {
  readonly filesDir: string;
  readonly #db: DatabaseSync;
  readonly #statements: Map<string, ReturnType<DatabaseSync['prepare']>> = new Map();

  constructor(dataDir: string) {
    this.filesDir = join(dataDir, 'files');
    mkdirSync(this.filesDir, { recursive: true });
    this.#db = new DatabaseSync(join(dataDir, 'objects.sqlite'));
    this.#db.exec(SCHEMA);
    this.#removeStrayFiles();
  }

  close(): void {
    this.#db.close();
  }

  createBucket(name: string, nowMs: number): boolean {
    return this.#run('INSERT OR IGNORE INTO buckets (name, created_ms) VALUES (?, ?)', name, nowMs) > 0;
  }

  deleteBucket(name: string): S3Error | undefined {
    if (this.#get('SELECT 1 FROM objects WHERE bucket = ? LIMIT 1', name) !== undefined) {
      return s3Error('BucketNotEmpty', 'The bucket you tried to delete is not empty.');
    }
    this.#run('DELETE FROM buckets WHERE name = ?', name);
    return undefined;
  }

  buckets(): { name: string; createdMs: number }[] {
    const rows = this.#all('SELECT name, created_ms FROM buckets ORDER BY name');
    return rows.map((row) => ({ name: String(row.name), createdMs: Number(row.created_ms) }));
  }

  /** Undefined when there is no such bucket. */
  settings(bucket: string): BucketSettings | undefined {
    const row = this.#get('SELECT cors, notification FROM buckets WHERE name = ?', bucket);
    return row === undefined ? undefined : { cors: text(row.cors), notification: text(row.notification) };
  }

  setSetting(bucket: string, name: keyof BucketSettings, xml: string | undefined): void {
    this.#run(`UPDATE buckets SET ${name} = ? WHERE name = ?`, xml ?? null, bucket);
  }

  head(bucket: string, key: string): ObjectHead | undefined {
    const row = this.#get('SELECT * FROM objects WHERE bucket = ? AND key = ?', bucket, key);
    return row === undefined ? undefined : headOf(row);
  }

  /**
   * Stores the object and the events it causes if the conditions hold; otherwise returns the error. `ifNoneMatch` with `*` holds when the key has no
   * object, `ifMatch` when its object has that ETag.
   */
  put(
    bucket: string,
    object: ObjectHead,
    conditions: Conditions,
    events: Omit<PendingEvent, 'id'>[],
  ): S3Error | undefined {
    return this.#transaction(() => {
      const before = this.head(bucket, object.key);
      const failed = checkConditions(before, conditions);
      if (failed !== undefined) return failed;
      this.#run(
        `INSERT OR REPLACE INTO objects (bucket, key, size, etag, modified_ms, headers, tags, body, file)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        bucket,
        object.key,
        object.size,
        object.etag,
        object.modifiedMs,
        JSON.stringify(object.headers),
        object.tags,
        object.body ?? null,
        object.file ?? null,
      );
      for (const { queueArn, body } of events) {
        this.#run('INSERT INTO events (queue_arn, body) VALUES (?, ?)', queueArn, body);
      }
      this.#removeFile(before?.file);
      return undefined;
    });
  }

  setTags(bucket: string, key: string, tags: string): void {
    this.#run('UPDATE objects SET tags = ? WHERE bucket = ? AND key = ?', tags, bucket, key);
  }

  delete(bucket: string, key: string, conditions: Conditions = {}): S3Error | undefined {
    return this.#transaction(() => {
      const before = this.head(bucket, key);
      const failed = before === undefined ? undefined : checkConditions(before, conditions);
      if (failed !== undefined) return failed;
      this.#run('DELETE FROM objects WHERE bucket = ? AND key = ?', bucket, key);
      this.#removeFile(before?.file);
      return undefined;
    });
  }

  /** Returns up to `limit` objects with a prefix, after the key `after`, in the UTF-8 order of their keys. */
  list(bucket: string, prefix: string, after: string, limit: number): Omit<ObjectHead, 'body' | 'file'>[] {
    const rows = this.#all(
      `SELECT key, size, etag, modified_ms, headers, tags FROM objects
       WHERE bucket = ? AND key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?`,
      bucket,
      after,
      prefix,
      `${prefix}\u{10FFFF}`,
      limit,
    );
    return rows.map(headOf);
  }

  addEvent(queueArn: string, body: string): void {
    this.#run('INSERT INTO events (queue_arn, body) VALUES (?, ?)', queueArn, body);
  }

  pendingEvents(): PendingEvent[] {
    const rows = this.#all('SELECT id, queue_arn, body FROM events ORDER BY id LIMIT 100');
    return rows.map((row) => ({ id: Number(row.id), queueArn: String(row.queue_arn), body: String(row.body) }));
  }

  removeEvent(id: number): void {
    this.#run('DELETE FROM events WHERE id = ?', id);
  }

  newFileName(): string {
    return randomUUID();
  }

  #removeFile(file: string | undefined): void {
    if (file !== undefined) rmSync(join(this.filesDir, file), { force: true });
  }

  /** Removes files that no row names. An upload that a crash cut off leaves such a file. */
  #removeStrayFiles(): void {
    const named = new Set(this.#all('SELECT file FROM objects WHERE file IS NOT NULL').map((row) => String(row.file)));
    for (const file of readdirSync(this.filesDir)) if (!named.has(file)) this.#removeFile(file);
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #prepare(sql: string): ReturnType<DatabaseSync['prepare']> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: (string | number | null | Uint8Array)[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  #get(sql: string, ...values: (string | number)[]): Row | undefined {
    return this.#prepare(sql).get(...values);
  }

  #all(sql: string, ...values: (string | number)[]): Row[] {
    return this.#prepare(sql).all(...values);
  }
}

type Row = Record<string, SQLOutputValue>;

function checkConditions(before: ObjectHead | undefined, { ifMatch, ifNoneMatch }: Conditions): S3Error | undefined {
  const failed = s3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
  if (ifNoneMatch !== undefined && before !== undefined && matches(ifNoneMatch, before.etag)) return failed;
  if (ifMatch === undefined) return undefined;
  if (before === undefined) return s3Error('NoSuchKey', 'The specified key does not exist.');
  return matches(ifMatch, before.etag) ? undefined : failed;
}

/** Returns whether a conditional header (`*`, or ETags with or without quotes) matches the ETag. */
export function matches(header: string, etag: string): boolean {
  return header.split(',').some((one) => one.trim() === '*' || one.trim().replaceAll('"', '') === etag);
}

function headOf(row: Row): ObjectHead {
  return {
    key: String(row.key),
    size: Number(row.size),
    etag: String(row.etag),
    modifiedMs: Number(row.modified_ms),
    headers: JSON.parse(String(row.headers)),
    tags: String(row.tags),
    body: row.body instanceof Uint8Array ? row.body : undefined,
    file: text(row.file),
  };
}

function text(value: SQLOutputValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
