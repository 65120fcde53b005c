import type { ObjectStore } from '../../lib/aws/client/objects.ts';
import { AuthCorrupt } from './errors.ts';
import { fetchObject, resets } from './log.ts';
import { firstOfRun, numberOfKey } from './object-keys.ts';

/** The number of objects that are read at a time. */
const parallel = 16;

/** One object of an account as it was found. It covers the segments `from` to `number`; `size` is in bytes. */
export interface StoredObject {
  key: string;
  kind: 'segment' | 'run' | 'snapshot';
  from: number;
  number: number;
  /** The damage, if any. The other fields are unknown then. */
  damage?: string;
  size?: number;
  /** The time of writing by the clock of the writer (epoch ms). */
  at?: number;
  /** The epoch of the owner that wrote it. */
  epoch?: number;
  /** True for a wipe or a restore: everything before it is void. */
  resets?: boolean;
  /** The highest number of the pre-keys that it sets or removes; 0 without any. */
  highestPreKey?: number;
}

/** The state after segment `number`. */
export interface Version {
  number: number;
  at: number;
}

/** Returns every object of an account, damaged ones included, ordered by number. Costs a GET each. */
export async function surveyAuth(objects: ObjectStore, prefix: string): Promise<StoredObject[]> {
  const keys = await objects.list(prefix);
  const found: StoredObject[] = [];
  for (let at = 0; at < keys.length; at += parallel) {
    found.push(...(await Promise.all(keys.slice(at, at + parallel).map((key) => survey(objects, prefix, key)))));
  }
  return found.sort((a, b) => a.number - b.number || a.from - b.from);
}

async function survey(objects: ObjectStore, prefix: string, key: string): Promise<StoredObject> {
  const number = numberOfKey(key);
  const place = key.startsWith(`${prefix}run/`)
    ? { key, kind: 'run' as const, from: firstOfRun(key), number }
    : {
        key,
        kind: key.startsWith(`${prefix}snap/`) ? ('snapshot' as const) : ('segment' as const),
        from: number,
        number,
      };
  try {
    const { header, records, size } = await fetchObject(objects, key);
    const highestPreKey = records.reduce(
      (most, { type, id }) => (type === 'pre-key' ? Math.max(most, Number(id)) : most),
      0,
    );
    return { ...place, size, at: header.at, epoch: header.epoch, resets: resets(header), highestPreKey };
  } catch (error) {
    if (!(error instanceof AuthCorrupt)) throw error;
    return { ...place, damage: error.why };
  }
}

/** Pure: returns the versions that intact objects make up, oldest first. `found` must be ordered by number. */
export function completeVersions(found: StoredObject[]): Version[] {
  const intact = new Map<number, StoredObject[]>();
  for (const object of found) {
    if (object.damage === undefined) intact.set(object.number, [...(intact.get(object.number) ?? []), object]);
  }
  const versions: Version[] = [];
  let last = 0;
  for (const [number, there] of intact) {
    // A run may begin before the end of the objects below it: its values are the last ones in any case.
    const usable = there.some(({ kind, from, ...object }) => kind === 'snapshot' || object.resets || from <= last + 1);
    if (!usable) continue;
    last = number;
    versions.push({ number, at: Math.min(...there.map(({ at = 0 }) => at)) });
  }
  return versions;
}
