import type { ObjectStore } from '../../lib/aws/client/objects.ts';
import { decodeObject, type KeyRecord, type ObjectHeader, type OpenedObject, type SnapshotAge } from './encoding.ts';
import { AuthCorrupt, AuthFenced } from './errors.ts';
import { MergeWindow } from './merge-window.ts';
import { firstOfRun, numberOfKey, segmentKey } from './object-keys.ts';

/** Objects fetched at a time while loading. */
const loadAhead = 16;

/** The state of the log, without the keys themselves. */
export interface LogState {
  /** The highest segment; 0 when there is none. */
  head: number;
  /** Segments after the newest snapshot, and the bytes of them that the next owner has to read, runs considered. */
  segments: number;
  logBytes: number;
  snapshotBytes: number;
  snapshots: SnapshotAge[];
  window: MergeWindow;
}

export interface Loader {
  /** Receives the records in the order in which they were written. */
  apply(records: KeyRecord[]): void;
  /** Drops everything before: the account was logged out, or an older version restored. */
  reset(): void;
}

export interface LoadOptions {
  /** Loads an older version, as it was after this segment. */
  upTo?: number;
  /** A segment that is known to have been written: a log that ends before it is damaged. */
  writtenTo?: number | undefined;
}

/** Returns the state of a log without segments after `head`. */
export function emptyLog(head: number): LogState {
  return { head, segments: 0, logBytes: 0, snapshotBytes: 0, snapshots: [], window: new MergeWindow(head + 1) };
}

/**
 * Replays the newest valid snapshot and everything after it, by runs where there are any. In place of a damaged run its segments are read. Throws
 * AuthCorrupt, which names the object, for a damaged or missing segment that nothing covers. Throws AuthFenced when an owner with a higher epoch
 * than `epoch` has written.
 */
export async function loadLog(
  objects: ObjectStore,
  prefix: string,
  epoch: number,
  loader: Loader,
  { upTo = Number.POSITIVE_INFINITY, writtenTo = 0 }: LoadOptions = {},
): Promise<LogState> {
  const isWanted = (key: string) => numberOfKey(key) <= upTo;
  const log = emptyLog(0);
  let damage: AuthCorrupt | undefined;
  const snapshots = (await objects.list(`${prefix}snap/`)).filter(isWanted);
  for (const key of snapshots.toReversed()) {
    try {
      const { header, records, size } = await fetchObject(objects, key);
      checkEpoch(header, epoch);
      loader.apply(records);
      Object.assign(log, emptyLog(header.number), { snapshotBytes: size });
      log.snapshots = [...(header.earlier ?? []), { number: header.number, at: header.at }];
      break;
    } catch (error) {
      // A damaged snapshot is no loss while an older one and every segment since then exist.
      if (!(error instanceof AuthCorrupt)) throw error;
      damage ??= error;
    }
  }

  const [segments, runs] = await Promise.all([
    objects.list(`${prefix}log/`, log.head > 0 ? segmentKey(prefix, log.head) : undefined),
    objects.list(`${prefix}run/`),
  ]);
  const stored: Stored = {
    segments: new Set(segments.filter(isWanted).map(numberOfKey)),
    runs: new Set(runs.filter((key) => isWanted(key) && numberOfKey(key) > log.head)),
  };
  // A damaged snapshot or run also proves that its segment was written.
  const end = [...stored.segments, ...[...stored.runs, ...snapshots].map(numberOfKey)].reduce(
    (highest, number) => Math.max(highest, number),
    log.head,
  );
  let hole: AuthCorrupt | undefined;
  for (let at = log.head + 1; at <= end; ) {
    const steps = planSteps(prefix, at, end, stored);
    const found = await Promise.all(steps.map((step) => fetchStep(objects, step)));
    for (const [index, object] of found.entries()) {
      const step = steps[index];
      if (step === undefined) break;
      if (object instanceof AuthCorrupt) {
        if (stored.runs.delete(step.key)) break;
        hole ??= step.missing ? (damage ?? object) : object;
      } else {
        checkEpoch(object.header, epoch);
        // Objects before a reset are void, damaged or not.
        if (resets(object.header)) hole = undefined;
        if (hole === undefined) applyObject(log, object, loader);
      }
      at = step.to + 1;
    }
  }
  if (hole !== undefined) throw hole;
  if (log.head < writtenTo) throw lostTail(prefix, log.head + 1, writtenTo);
  return log;
}

/** Returns the error for a log whose end is lost. Older ratchets would load, and recipients drop messages under counters that they have seen. */
function lostTail(prefix: string, from: number, to: number): AuthCorrupt {
  const key = segmentKey(prefix, from);
  if (from === to) return new AuthCorrupt(key, 'is missing, the last one written');
  return new AuthCorrupt(key, `is missing, with all that followed: segments ${from} to ${to} are missing`);
}

interface Stored {
  segments: Set<number>;
  /** Keys of runs not known to be damaged. */
  runs: Set<string>;
}

interface Step {
  key: string;
  to: number;
  missing: boolean;
}

/** Returns the next objects from segment `from` towards `end`: the run that reaches farthest where there is one, otherwise the segment. */
function planSteps(prefix: string, from: number, end: number, stored: Stored): Step[] {
  const steps: Step[] = [];
  for (let at = from; at <= end && steps.length < loadAhead; ) {
    const usable = [...stored.runs].filter((key) => firstOfRun(key) <= at && numberOfKey(key) >= at);
    const run = usable.reduce<string | undefined>(
      (best, key) => (best === undefined || numberOfKey(key) > numberOfKey(best) ? key : best),
      undefined,
    );
    if (run !== undefined) steps.push({ key: run, to: numberOfKey(run), missing: false });
    else if (stored.segments.has(at)) steps.push({ key: segmentKey(prefix, at), to: at, missing: false });
    else steps.push({ key: segmentKey(prefix, at), to: nextStored(at, end, stored) - 1, missing: true });
    at = (steps.at(-1)?.to ?? at) + 1;
  }
  return steps;
}

function nextStored(after: number, end: number, { segments, runs }: Stored): number {
  let next = after + 1;
  const begins = new Set([...runs].map(firstOfRun));
  while (next <= end && !segments.has(next) && !begins.has(next)) next += 1;
  return next;
}

async function fetchStep(objects: ObjectStore, step: Step): Promise<FetchedObject | AuthCorrupt> {
  if (step.missing) return new AuthCorrupt(step.key, 'is missing');
  try {
    return await fetchObject(objects, step.key);
  } catch (error) {
    if (error instanceof AuthCorrupt) return error;
    throw error;
  }
}

export interface FetchedObject extends OpenedObject {
  size: number;
}

/** Fetches and opens an object. Throws AuthCorrupt when it is missing or damaged. */
export async function fetchObject(objects: ObjectStore, key: string): Promise<FetchedObject> {
  const bytes = await objects.get(key);
  if (bytes === undefined) throw new AuthCorrupt(key, 'is missing');
  return { ...(await decodeObject(key, bytes)), size: bytes.length };
}

/** Applies the segment or run that follows `log.head`. */
export function applyObject(log: LogState, { header, records, size }: FetchedObject, loader: Loader): void {
  const { kind, number } = header;
  if (resets(header)) {
    loader.reset();
    Object.assign(log, emptyLog(number - 1));
  }
  loader.apply(records);
  if (kind === 'run') {
    log.segments += number - log.head;
    log.logBytes += size;
    log.head = number;
  } else {
    addSegment(log, number, records, size);
  }
  // A run only adds to the keys before it, so it must not contain a reset.
  if (kind === 'run' || resets(header)) log.window.restart(number + 1);
}

/** Makes segment `number`, which was applied or just written, the new head. */
export function addSegment(log: LogState, number: number, records: Iterable<KeyRecord>, size: number): void {
  log.head = number;
  log.segments += 1;
  log.logBytes += size;
  log.window.add(number, records, size);
}

/** Returns true for a segment that makes everything before it void. */
export function resets({ kind }: ObjectHeader): boolean {
  return kind === 'wipe' || kind === 'restore';
}

/** Throws AuthFenced when `header` was written by a later owner than the one with `epoch`. */
export function checkEpoch(header: ObjectHeader, epoch: number): void {
  if (header.epoch > epoch) {
    throw new AuthFenced(`epoch ${header.epoch} of ${header.host} has replaced epoch ${epoch}`);
  }
}
