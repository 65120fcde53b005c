import type { ObjectStore } from '../../lib/aws/client/objects.ts';
import { AuthCorrupt } from './errors.ts';
import { fetchObject, resets } from './log.ts';
import { firstOfRun, numberOfKey } from './object-keys.ts';

/** Objects read at a time. */
const parallel = 16;

/** One object of an account as it was found; `from` to `number` are the segments it stands for, `size` is in bytes. */
export interface StoredObject {
  key: string;
  kind: 'segment' | 'run' | 'snapshot';
  from: number;
  number: number;
  /** What is wrong with it; the other fields are unknown then. */
  damage?: string;
  size?: number;
  /** When it was written, by its writer's clock (epoch ms). */
  at?: number;
  /** Of the owner who wrote it. */
  epoch?: number;
  /** A wipe or a restore: everything before it is void. */
  resets?: boolean;
  /** The highest number of a pre-key that it sets or removes; 0 without any. */
  highestPreKey?: number;
}

/** The state after segment `number`. */
export interface Version {
  number: number;
  at: number;
}

/** Reads every object that an account has, damaged ones included, ordered by number. Costs a GET each. */
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

/** Pure: the versions that can be put together from intact objects, oldest first; `found` is ordered by number. */
export function completeVersions(found: StoredObject[]): Version[] {
  const intact = new Map<number, StoredObject[]>();
  for (const object of found) {
    if (object.damage === undefined) intact.set(object.number, [...(intact.get(object.number) ?? []), object]);
  }
  const versions: Version[] = [];
  let last = 0;
  for (const [number, there] of intact) {
    // A run may begin earlier than what it is put on: its values are the last ones in any case.
    const usable = there.some(({ kind, from, ...object }) => kind === 'snapshot' || object.resets || from <= last + 1);
    if (!usable) continue;
    last = number;
    versions.push({ number, at: Math.min(...there.map(({ at = 0 }) => at)) });
  }
  return versions;
}
