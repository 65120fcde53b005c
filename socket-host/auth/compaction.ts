import type { ObjectStore } from '../../lib/aws/client/objects.ts';
import type { KeyRecord, SnapshotAge } from './encoding.ts';
import type { LogState } from './log.ts';
import { runKey, snapshotKey } from './object-keys.ts';
import type { ObjectWriter } from './object-writer.ts';
import { removeOld } from './removal.ts';

/** A shorter log gets no snapshot. */
const minLogBytes = 64 * 1024;
/** With the 64 segments of a run this bounds PUTs at 1 + 1/16 + 1/64 for each commit, however large the commits are. */
const minSegments = 16;
/** The most segments without a snapshot: a load reads 32 runs, up to 63 segments and three answers of a listing. */
const maxSegments = 2048;
/** Objects that are no longer needed stay so long, so that an older version can be restored. */
export const keepOldMs = 24 * 60 * 60 * 1000;

/** Returns whether a snapshot is due: when the log since the last one exceeds a quarter of it. */
export function snapshotDue(log: LogState): boolean {
  if (log.segments >= maxSegments) return true;
  return log.segments >= minSegments && log.logBytes > Math.max(minLogBytes, log.snapshotBytes / 4);
}

/**
 * Returns the snapshot up to which older objects may be removed; undefined while none may. It is a day old, so everything that it covers is older,
 * and there is a newer one.
 */
export function oldestToKeep(snapshots: SnapshotAge[], nowMs: number): SnapshotAge | undefined {
  return snapshots.slice(0, -1).findLast(({ at }) => nowMs - at >= keepOldMs);
}

export interface Compactor {
  /** Begins a run or a snapshot where one is due. Call this only when the committed keys are exactly those after `log.head`. */
  consider(): void;
  /** Writes the state after segment `number`, which is `log.head`. */
  writeSnapshot(number: number, records: KeyRecord[]): Promise<void>;
  /** Resolves when nothing is being written. */
  idle(): Promise<void>;
}

export interface CompactorParts {
  objects: ObjectStore;
  prefix: string;
  writer: ObjectWriter;
  log: LogState;
  /** The committed keys. */
  get(type: string, id: string): Uint8Array | undefined;
  dump(): KeyRecord[];
  mayWrite(): boolean;
  nowMs(): number;
}

/**
 * Shortens the log of an account in the background, one run and one snapshot at a time. Nothing depends on it, because the log is complete without
 * them. A run or snapshot holds the result of a range of segments, and a segment never changes. So an owner that has lost the account writes only
 * what its successor would write. It cannot cover a segment that it did not write or read itself.
 */
export function compactor(parts: CompactorParts): Compactor {
  const { objects, prefix, writer, log } = parts;
  let merging: Promise<void> | undefined;
  let snapshotting: Promise<void> | undefined;
  /** The segment of the newest snapshot begun. Segments that it covers do not count as log any more. */
  let covered = 0;

  /** Does nothing: a snapshot that fails is tried again after a later commit, and without a run its segments are read. */
  const failed = () => {};

  async function writeRun(): Promise<void> {
    const { from, to, bytes } = log.window;
    const records = [...log.window.names()].map(({ type, id }) => ({ type, id, value: parts.get(type, id) }));
    log.window.restart(to + 1);
    const { size } = await writer.put(writer.header('run', runKey(prefix, from, to)), records);
    if (to > covered) log.logBytes += size - bytes;
  }

  async function snapshotAndClean(): Promise<void> {
    await writeSnapshot(log.head, parts.dump());
    const keep = oldestToKeep(log.snapshots, parts.nowMs());
    if (keep === undefined || !parts.mayWrite()) return;
    await removeOld(objects, prefix, keep.number);
    log.snapshots = log.snapshots.filter((snapshot) => snapshot.number >= keep.number);
  }

  async function writeSnapshot(number: number, records: KeyRecord[]): Promise<void> {
    const { segments, logBytes, snapshots } = log;
    const header = { ...writer.header('snapshot', snapshotKey(prefix, number)), earlier: snapshots };
    covered = number;
    log.window.restart(number + 1);
    const { size } = await writer.put(header, records);
    log.snapshots = [...snapshots, { number, at: header.at }];
    log.snapshotBytes = size;
    log.segments -= segments;
    log.logBytes -= logBytes;
  }

  return {
    consider() {
      if (snapshotting === undefined && snapshotDue(log)) {
        snapshotting = snapshotAndClean()
          .catch(failed)
          .finally(() => {
            snapshotting = undefined;
          });
      }
      if (merging === undefined && log.window.due()) {
        merging = writeRun()
          .catch(failed)
          .finally(() => {
            merging = undefined;
          });
      }
    },
    writeSnapshot,
    async idle() {
      await Promise.all([merging, snapshotting]);
    },
  };
}
