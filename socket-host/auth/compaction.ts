import type { ObjectStore } from '../../lib/aws/objects.ts';
import type { SnapshotAge } from './encoding.ts';
import { type LogState, numberOfKey, segmentKey, snapshotKey } from './log.ts';

/** Below this the log is not worth a snapshot. */
const minLogBytes = 64 * 1024;
/** Each segment is a GET when the account is opened. */
const maxSegments = 512;
/** How long objects stay after they are no longer needed, for a restore of an older version by hand. */
export const keepOldMs = 24 * 60 * 60 * 1000;

/** A snapshot is due when the log since the last one exceeds a quarter of it. */
export function snapshotDue(log: LogState): boolean {
  return log.segments >= maxSegments || log.logBytes > Math.max(minLogBytes, log.snapshotBytes / 4);
}

/**
 * The snapshot up to which older objects may go: a newer one stands beside it, and it is a day old, so everything it covers is
 * older still. Undefined: nothing may go yet.
 */
export function oldestToKeep(snapshots: SnapshotAge[], nowMs: number): SnapshotAge | undefined {
  return snapshots.slice(0, -1).findLast(({ at }) => nowMs - at >= keepOldMs);
}

/** Removes the segments that snapshot `keep` covers and the snapshots before it. */
export async function removeOld(objects: ObjectStore, prefix: string, keep: number): Promise<void> {
  const segments = (await objects.list(`${prefix}log/`)).filter((key) => numberOfKey(key) <= keep);
  const snapshots = (await objects.list(`${prefix}snap/`)).filter((key) => numberOfKey(key) < keep);
  const gone = [...segments, ...snapshots];
  if (gone.length > 0) await objects.remove(gone);
}

/** Removes every object of an account whose numbers will never be used again, because the account itself is gone. */
export async function removeAuth(objects: ObjectStore, prefix: string): Promise<void> {
  const keys = await objects.list(prefix);
  if (keys.length > 0) await objects.remove(keys);
}

/** After a wipe only its own segment and snapshot stay, so that the numbering, and with it the fence, goes on. */
export async function removeAllBut(objects: ObjectStore, prefix: string, number: number): Promise<void> {
  const stays = new Set([segmentKey(prefix, number), snapshotKey(prefix, number)]);
  const gone = (await objects.list(prefix)).filter((key) => !stays.has(key));
  if (gone.length > 0) await objects.remove(gone);
}
