import type { ObjectStore } from '../../lib/aws/objects.ts';
import type { Cache } from './cache.ts';
import { oldestToKeep, removeAllBut, removeOld, snapshotDue } from './compaction.ts';
import { encodeObject, type KeyRecord, type ObjectHeader } from './encoding.ts';
import { AuthDiscarded, AuthFenced, AuthUnavailable } from './errors.ts';
import {
  applySegment,
  checkEpoch,
  fetchObject,
  type Loader,
  type LogState,
  loadLog,
  segmentKey,
  snapshotKey,
} from './log.ts';

/**
 * The write side of one account's log. Reads see every change at once; a change is durable when a commit asked for after it has
 * resolved. One commit is under way at a time and carries all that changed since the one before:
 *
 *   note(A) commit() ──gather──> PUT n ────────────────> durable: A
 *           note(B) commit() ......waits......PUT n+1 ─> durable: B and whatever was noted meanwhile
 *
 * Open -> ended, by a fence or by `close`; an ended journal never writes again.
 */
export interface Journal {
  read(type: string, id: string): Uint8Array | undefined;
  /** `encode` is called when the change is read and when it is written; its result undefined deletes the key. */
  note(type: string, id: string, encode: () => Uint8Array | undefined): void;
  commit(): Promise<void>;
  /** Commits in the background, after `delayMs` at the latest, and again until it works. */
  rideAlong(delayMs: number): void;
  pending(): number;
  discard(): void;
  /** Throws when nothing can be written any more. */
  assertOpen(): void;
  wipe(): Promise<void>;
  close(): Promise<void>;
  readonly account: string;
  readonly stats: { puts: number; bytes: number };
}

export interface JournalOptions {
  objects: ObjectStore;
  cache: Cache;
  /** `<tenant>/<account>/` */
  prefix: string;
  host: string;
  epoch: number;
  /** The lease: asked before every PUT. */
  mayWrite(): boolean;
  nowMs(): number;
  nonce(): string;
  /** Called once, when this owner has lost the account. Nothing is written after. */
  onFenced(why: string): void;
}

/** Two encryptions of one message end within this time of each other. */
const gatherMs = 2;
const retryMs = 2000;

interface Change {
  type: string;
  id: string;
  encode(): Uint8Array | undefined;
}

interface Batch {
  records: Map<string, KeyRecord>;
  header: ObjectHeader;
}

/** Loads the account into the cache, without the types in `unlogged`, and puts this owner's barrier. Errors: see openAuthStore. */
export async function openJournal(options: JournalOptions, unlogged: ReadonlySet<string>): Promise<Journal> {
  const { objects, cache, prefix, host, epoch, mayWrite, nowMs, nonce } = options;
  const account = `${prefix}#${epoch}#${nonce()}`;
  const stats = { puts: 0, bytes: 0 };
  let changed = new Map<string, Change>();
  /** Taken up by a commit whose outcome is not known; it stays, and keeps its number, until it is. */
  let inFlight: Batch | undefined;
  let writing: Promise<void> | undefined;
  let waiting: PromiseWithResolvers<void> | undefined;
  let loop: Promise<void> | undefined;
  let compacting: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let ended: Error | undefined;

  const loader: Loader = {
    apply: (records) => cache.apply(account, records),
    reset: () => cache.dropAccount(account),
  };
  let log: LogState;
  try {
    log = await loadLog(objects, prefix, epoch, loader);
    await raiseBarrier();
  } catch (error) {
    cache.dropAccount(account);
    throw error;
  }

  function headerOf(kind: ObjectHeader['kind'], number: number): ObjectHeader {
    return { kind, number, epoch, host, nonce: nonce(), at: nowMs() };
  }

  async function put(key: string, header: ObjectHeader, records: Iterable<KeyRecord>) {
    const body = await encodeObject(header, records);
    if (!mayWrite()) throw new AuthFenced('the lease on the account is over');
    const answer = await objects.create(key, body);
    stats.puts += 1;
    stats.bytes += body.length;
    return { answer, size: body.length };
  }

  /** At open, segments of earlier owners may still arrive: they are applied, and the next number is tried. */
  async function raiseBarrier(): Promise<void> {
    for (;;) {
      const header = headerOf('barrier', log.head + 1);
      const key = segmentKey(prefix, header.number);
      const { answer, size } = await put(key, header, []);
      if (answer === 'created') return took(header.number, size);
      const segment = await fetchObject(objects, key);
      checkEpoch(segment.header, epoch);
      applySegment(log, segment, loader);
      if (segment.header.nonce === header.nonce) return;
    }
  }

  /** Once we have written, a number taken by another means that we have been replaced. */
  async function append(header: ObjectHeader, records: Iterable<KeyRecord>): Promise<void> {
    const key = segmentKey(prefix, header.number);
    const { answer, size } = await put(key, header, records);
    if (answer === 'exists') {
      const there = await fetchObject(objects, key);
      // Our own nonce: it was written, and only the answer was lost on the way.
      if (there.header.nonce !== header.nonce) {
        throw new AuthFenced(
          `${there.header.host} of epoch ${there.header.epoch} has written segment ${header.number}`,
        );
      }
    }
    took(header.number, size);
  }

  function took(number: number, size: number): void {
    log.head = number;
    log.segments += 1;
    log.logBytes += size;
  }

  function end(error: Error): void {
    if (ended !== undefined) return;
    ended = error;
    clearTimeout(timer);
    drop(error);
    if (error instanceof AuthFenced) options.onFenced(error.message);
  }

  function drop(error: Error): void {
    changed.clear();
    waiting?.reject(error);
    waiting = undefined;
  }

  function commit(): Promise<void> {
    if (ended !== undefined) return Promise.reject(ended);
    if (changed.size === 0 && waiting === undefined) {
      if (writing !== undefined) return writing;
      if (inFlight === undefined) return Promise.resolve();
    }
    if (waiting === undefined) {
      waiting = Promise.withResolvers<void>();
      waiting.promise.catch(() => {});
    }
    const { promise } = waiting;
    loop ??= commitWaiting();
    return promise;
  }

  async function commitWaiting(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, gatherMs));
    while (waiting !== undefined) {
      const served = waiting;
      waiting = undefined;
      writing = writeAll();
      try {
        await writing;
        served.resolve();
      } catch (error) {
        served.reject(error instanceof Error ? error : new Error(String(error)));
        if (error instanceof AuthFenced) end(error);
        else rideAlong(retryMs);
      } finally {
        writing = undefined;
      }
    }
    // In the same step as the last look at `waiting`, or a commit asked for in between would wait for ever.
    loop = undefined;
  }

  async function writeAll(): Promise<void> {
    try {
      if (inFlight !== undefined) await writeBatch(inFlight);
      if (changed.size === 0) return;
      clearTimeout(timer);
      timer = undefined;
      const records = new Map<string, KeyRecord>();
      for (const [key, { type, id, encode }] of changed) records.set(key, { type, id, value: encode() });
      changed = new Map();
      inFlight = { records, header: headerOf('keys', log.head + 1) };
      await writeBatch(inFlight);
    } catch (cause) {
      if (cause instanceof AuthFenced) throw cause;
      throw new AuthUnavailable('a commit did not reach S3', { cause });
    }
  }

  async function writeBatch({ header, records }: Batch): Promise<void> {
    await append(header, records.values());
    cache.apply(account, records.values());
    inFlight = undefined;
    if (snapshotDue(log) && compacting === undefined) {
      compacting = compact().finally(() => {
        compacting = undefined;
      });
    }
  }

  function rideAlong(delayMs: number): void {
    if (ended !== undefined) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      // A failure has already asked for the next try.
      commit().catch(() => {});
    }, delayMs).unref();
  }

  /** Started when the cache holds exactly the state after `log.head`. One that fails is tried again after a later commit. */
  async function compact(): Promise<void> {
    try {
      await writeSnapshot(log.head, cache.dump(account, unlogged));
      const keep = oldestToKeep(log.snapshots, nowMs());
      if (keep === undefined || !mayWrite()) return;
      await removeOld(objects, prefix, keep.number);
      log.snapshots = log.snapshots.filter((snapshot) => snapshot.number >= keep.number);
    } catch {
      // Nothing depends on it: the log is complete without a snapshot.
    }
  }

  async function writeSnapshot(number: number, records: KeyRecord[]): Promise<void> {
    const { segments, logBytes, snapshots } = log;
    const header = { ...headerOf('snapshot', number), earlier: snapshots };
    const { size } = await put(snapshotKey(prefix, number), header, records);
    log.snapshots = [...snapshots, { number, at: header.at }];
    log.snapshotBytes = size;
    log.segments -= segments;
    log.logBytes -= logBytes;
  }

  return {
    account,
    stats,
    commit,
    rideAlong,
    read(type, id) {
      const key = `${type}\0${id}`;
      const change = changed.get(key);
      if (change !== undefined) return change.encode();
      const record = inFlight?.records.get(key);
      return record !== undefined ? record.value : cache.get(account, type, id);
    },
    note(type, id, encode) {
      if (ended === undefined) changed.set(`${type}\0${id}`, { type, id, encode });
    },
    pending: () => changed.size,
    discard: () => drop(new AuthDiscarded('the changes were dropped before they were written')),
    assertOpen() {
      if (ended !== undefined) throw ended;
    },
    async wipe() {
      drop(new AuthDiscarded('the account is being wiped'));
      await commit();
      await compacting;
      const header = headerOf('wipe', log.head + 1);
      try {
        await append(header, []);
      } catch (error) {
        if (error instanceof AuthFenced) end(error);
        throw error;
      }
      loader.reset();
      log = { head: header.number, segments: 0, logBytes: 0, snapshotBytes: 0, snapshots: [] };
      await writeSnapshot(header.number, []);
      await removeAllBut(objects, prefix, header.number);
    },
    async close() {
      await commit().catch(() => {});
      end(new AuthDiscarded('the auth store is closed'));
      await loop;
      await compacting;
      cache.dropAccount(account);
    },
  };
}
