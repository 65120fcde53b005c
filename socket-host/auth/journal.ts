import { afterUnlessEnded, systemClock } from '../../lib/runtime/clock.ts';
import type { Cache } from './cache.ts';
import { compactor } from './compaction.ts';
import type { KeyRecord, ObjectHeader } from './encoding.ts';
import { AuthCacheFull, AuthCorrupt, AuthDiscarded, AuthFenced, AuthUnavailable } from './errors.ts';
import {
  addSegment,
  applyObject,
  checkEpoch,
  emptyLog,
  fetchObject,
  type Loader,
  type LogState,
  loadLog,
} from './log.ts';
import { segmentKey } from './object-keys.ts';
import { objectWriter, type Writer } from './object-writer.ts';
import { removeAllBut } from './removal.ts';

/**
 * The write side of one account's log. Reads see every change at once. A change is durable when a commit that was asked for after it has
 * resolved. One commit is under way at a time and carries all changes since the one before:
 *
 *   note(A) commit() ──gather──> PUT n ────────────────> durable: A
 *           note(B) commit() ......waits......PUT n+1 ─> durable: B and all that was noted meanwhile
 *
 * Open -> ended, by a fence, by `wipe` or by `close`; an ended journal never writes again.
 */
export interface Journal {
  read(type: string, id: string): Uint8Array | undefined;
  /** Notes a change. `encode` is called when the change is read and when it is written. If it returns undefined, the key is deleted. */
  note(type: string, id: string, encode: () => Uint8Array | undefined): void;
  commit(): Promise<void>;
  /** Commits in the background, after `delayMs` at the latest, and tries again until a commit succeeds. */
  rideAlong(delayMs: number): void;
  pending(): number;
  discard(): void;
  /** Throws when nothing can be written any more. */
  assertOpen(): void;
  wipe(): Promise<void>;
  close(): Promise<void>;
  readonly account: string;
  /** The highest segment that is durable. It stays when the journal has ended. */
  readonly head: number;
  readonly stats: { puts: number; bytes: number };
}

export interface JournalOptions extends Writer {
  cache: Cache;
  /** `<tenant>/<account>/` */
  prefix: string;
  /** The highest segment that the account's item knows of (`authHead`); undefined where the keys were never opened. */
  writtenTo?: number | undefined;
  /** Called once, when this owner has lost the account. Nothing is written afterwards. */
  onFenced(why: string): void;
  /** Called when changed keys have become durable, with the bytes of the segment and the time of its PUT. */
  onCommit?(commit: { bytes: number; ms: number }): void;
}

/** Two encryptions of one message end within this time of each other. */
const gatherMs = 2;
const retryMs = 2000;

interface Change {
  type: string;
  id: string;
  encode(): Uint8Array | undefined;
}

interface Segment {
  records: Map<string, KeyRecord>;
  header: ObjectHeader;
  /** True when it is in S3. It may not be in the cache yet. */
  durable: boolean;
}

/** Loads the account into the cache, without the types in `unlogged`, and puts this owner's barrier. Errors: see openAuthStore. */
export async function openJournal(options: JournalOptions, unlogged: ReadonlySet<string>): Promise<Journal> {
  const { objects, cache, prefix, epoch, writtenTo } = options;
  const account = `${prefix}#${epoch}#${options.nonce()}`;
  const writer = objectWriter(options);
  let changed = new Map<string, Change>();
  /** The segment of the commit under way. It keeps its number until its outcome is known. */
  let inFlight: Segment | undefined;
  let writing: Promise<void> | undefined;
  let waiting: PromiseWithResolvers<void> | undefined;
  let loop: Promise<void> | undefined;
  let timer: { cancel: () => void; dueMs: number } | undefined;
  let ended: Error | undefined;
  let wiping = false;

  const loader: Loader = {
    apply: (records) => cache.apply(account, records),
    reset: () => cache.dropAccount(account),
  };
  let log: LogState;
  try {
    log = await load();
    await raiseBarrier();
  } catch (error) {
    cache.dropAccount(account);
    throw error;
  }
  const compaction = compactor({
    ...options,
    writer,
    log,
    get: (type, id) => cache.get(account, type, id),
    dump: () => cache.dump(account, unlogged),
  });
  compaction.consider();

  async function load(): Promise<LogState> {
    try {
      return await loadLog(objects, prefix, epoch, loader, { writtenTo });
    } catch (error) {
      if (!(error instanceof AuthCorrupt)) throw error;
      // The last owner may have wiped the account while it was read.
      cache.dropAccount(account);
      return await loadLog(objects, prefix, epoch, loader, { writtenTo });
    }
  }

  /** Puts the barrier at open. Segments of earlier owners may still arrive: they are applied, and the next number is tried. */
  async function raiseBarrier(): Promise<void> {
    for (;;) {
      const key = segmentKey(prefix, log.head + 1);
      const header = writer.header('barrier', key);
      const { answer, size } = await writer.put(header, []);
      if (answer === 'created') return addSegment(log, header.number, [], size);
      const segment = await fetchObject(objects, key);
      checkEpoch(segment.header, epoch);
      applyObject(log, segment, loader);
      if (segment.header.nonce === header.nonce) return;
    }
  }

  /** Puts the next segment. If its number is taken by another owner, this owner has been replaced. */
  async function append(header: ObjectHeader, records: Iterable<KeyRecord>): Promise<number> {
    const { answer, size } = await writer.put(header, records);
    if (answer === 'exists') {
      const there = await fetchObject(objects, header.key);
      // With the nonce of this owner: the segment was written, and only the answer was lost.
      if (there.header.nonce !== header.nonce) {
        throw new AuthFenced(
          `${there.header.host} of epoch ${there.header.epoch} has written segment ${header.number}`,
        );
      }
    }
    return size;
  }

  function end(error: Error): void {
    if (ended !== undefined) return;
    ended = error;
    stopTimer();
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
    await systemClock.sleep(gatherMs);
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
    // This must be in one step with the last look at `waiting`. A commit asked for in between would wait for ever.
    loop = undefined;
  }

  async function writeAll(): Promise<void> {
    try {
      if (inFlight !== undefined) await writeSegment(inFlight);
      if (changed.size === 0) return;
      stopTimer();
      const records = new Map<string, KeyRecord>();
      for (const [key, { type, id, encode }] of changed) records.set(key, { type, id, value: encode() });
      changed = new Map();
      inFlight = { records, header: writer.header('keys', segmentKey(prefix, log.head + 1)), durable: false };
      await writeSegment(inFlight);
    } catch (cause) {
      if (cause instanceof AuthFenced || cause instanceof AuthCacheFull) throw cause;
      throw new AuthUnavailable('a commit did not reach S3', { cause });
    }
  }

  async function writeSegment(segment: Segment): Promise<void> {
    const { header, records } = segment;
    if (!segment.durable) {
      const startedAt = systemClock.monotonicMs();
      const bytes = await append(header, records.values());
      segment.durable = true;
      addSegment(log, header.number, records.values(), bytes);
      options.onCommit?.({ bytes, ms: systemClock.monotonicMs() - startedAt });
    }
    cache.apply(account, records.values());
    inFlight = undefined;
    compaction.consider();
  }

  function rideAlong(delayMs: number): void {
    if (ended !== undefined) return;
    const dueMs = systemClock.monotonicMs() + delayMs;
    if (timer !== undefined && timer.dueMs <= dueMs) return;
    stopTimer();
    const cancel = afterUnlessEnded(delayMs, () => {
      timer = undefined;
      // A failure has already asked for the next try.
      commit().catch(() => {});
    });
    timer = { cancel, dueMs };
  }

  function stopTimer(): void {
    timer?.cancel();
    timer = undefined;
  }

  return {
    account,
    get head() {
      return log.head;
    },
    stats: writer.stats,
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
      if (ended === undefined && !wiping) changed.set(`${type}\0${id}`, { type, id, encode });
    },
    pending: () => changed.size,
    discard: () => drop(new AuthDiscarded('the changes were dropped before they were written')),
    assertOpen() {
      if (ended !== undefined) throw ended;
    },
    async wipe() {
      // A session that has ended may still change credentials. They are void, and must not come back.
      wiping = true;
      try {
        drop(new AuthDiscarded('the account is being wiped'));
        await commit().catch(unlessFull);
        await compaction.idle();
        const header = writer.header('wipe', segmentKey(prefix, log.head + 1));
        await append(header, []);
        inFlight = undefined;
        loader.reset();
        Object.assign(log, emptyLog(header.number));
        await compaction.writeSnapshot(header.number, []);
        await removeAllBut(objects, prefix, header.number);
        end(new AuthDiscarded('the account has been wiped'));
      } catch (error) {
        if (error instanceof AuthFenced) end(error);
        throw error;
      } finally {
        wiping = false;
      }
    },
    async close() {
      await commit().catch(() => {});
      end(new AuthDiscarded('the auth store is closed'));
      await loop;
      await compaction.idle();
      cache.dropAccount(account);
    },
  };
}

/** Passes over a full cache: the keys are in S3 all the same. */
function unlessFull(error: unknown): void {
  if (!(error instanceof AuthCacheFull)) throw error;
}
