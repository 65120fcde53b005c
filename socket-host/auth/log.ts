import type { ObjectStore } from '../../lib/aws/objects.ts';
import { decodeObject, type KeyRecord, type ObjectHeader, type SnapshotAge } from './encoding.ts';
import { AuthCorrupt, AuthFenced } from './errors.ts';

/**
 * An account's objects, all create-only: `<prefix>log/<12 digits>` are segments numbered from 1 without a gap, and
 * `<prefix>snap/<12 digits>` is the state after the segment of that number. A number is taken once and for all, so the highest
 * segment says who may go on writing: whoever finds the next number taken by another has been replaced.
 */
const digits = 12;
/** Segments fetched at a time while loading. */
const loadAhead = 16;

export function segmentKey(prefix: string, number: number): string {
  return `${prefix}log/${String(number).padStart(digits, '0')}`;
}

export function snapshotKey(prefix: string, number: number): string {
  return `${prefix}snap/${String(number).padStart(digits, '0')}`;
}

export function numberOfKey(key: string): number {
  return Number(key.slice(-digits));
}

/** What is known of the log besides the keys themselves. */
export interface LogState {
  /** The highest segment; 0 when there is none. */
  head: number;
  /** Segments and bytes of the log after the newest snapshot. */
  segments: number;
  logBytes: number;
  snapshotBytes: number;
  snapshots: SnapshotAge[];
}

export interface Loader {
  /** Receives the records in the order in which they were written. */
  apply(records: KeyRecord[]): void;
  /** Everything before is void: the account was logged out. */
  reset(): void;
}

/**
 * Replays the newest valid snapshot and the segments after it. Throws AuthCorrupt, naming the object, for damage and gaps, and
 * AuthFenced when an owner with a higher epoch than `epoch` has written.
 */
export async function loadLog(objects: ObjectStore, prefix: string, epoch: number, loader: Loader): Promise<LogState> {
  const state: LogState = { head: 0, segments: 0, logBytes: 0, snapshotBytes: 0, snapshots: [] };
  let damage: AuthCorrupt | undefined;
  for (const key of (await objects.list(`${prefix}snap/`)).reverse()) {
    try {
      const { header, records, size } = await fetchObject(objects, key);
      checkEpoch(header, epoch);
      loader.apply(records);
      state.head = header.number;
      state.snapshotBytes = size;
      state.snapshots = [...(header.earlier ?? []), { number: header.number, at: header.at }];
      break;
    } catch (error) {
      // A damaged snapshot is no loss while an older one and every segment since still stand.
      if (!(error instanceof AuthCorrupt)) throw error;
      damage ??= error;
    }
  }

  const keys = await objects.list(`${prefix}log/`, state.head > 0 ? segmentKey(prefix, state.head) : undefined);
  keys.forEach((key, index) => {
    if (numberOfKey(key) !== state.head + 1 + index) {
      throw damage ?? new AuthCorrupt(segmentKey(prefix, state.head + 1 + index), 'is missing');
    }
  });
  if (damage !== undefined && state.head === 0 && keys.length === 0) throw damage;
  for (let at = 0; at < keys.length; at += loadAhead) {
    const group = await Promise.all(keys.slice(at, at + loadAhead).map((key) => fetchObject(objects, key)));
    for (const segment of group) {
      checkEpoch(segment.header, epoch);
      applySegment(state, segment, loader);
    }
  }
  return state;
}

export interface FetchedObject {
  header: ObjectHeader;
  records: KeyRecord[];
  size: number;
}

/** Throws AuthCorrupt when the object is not there or not what was written. */
export async function fetchObject(objects: ObjectStore, key: string): Promise<FetchedObject> {
  const bytes = await objects.get(key);
  if (bytes === undefined) throw new AuthCorrupt(key, 'is missing');
  return { ...(await decodeObject(key, numberOfKey(key), bytes)), size: bytes.length };
}

export function applySegment(state: LogState, segment: FetchedObject, loader: Loader): void {
  if (segment.header.kind === 'wipe') {
    loader.reset();
    state.snapshotBytes = 0;
    state.logBytes = 0;
  }
  loader.apply(segment.records);
  state.head = segment.header.number;
  state.segments += 1;
  state.logBytes += segment.size;
}

/** Throws AuthFenced when `header` was written by a later owner than the one with `epoch`. */
export function checkEpoch(header: ObjectHeader, epoch: number): void {
  if (header.epoch > epoch) {
    throw new AuthFenced(`epoch ${header.epoch} of ${header.host} has replaced epoch ${epoch}`);
  }
}
