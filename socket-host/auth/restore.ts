import type { ObjectStore } from '../../lib/aws/client/objects.ts';
import { decodeValue, encodeValue, type KeyRecord } from './encoding.ts';
import { RestoreRefused } from './errors.ts';
import { fetchObject, type Loader, loadLog } from './log.ts';
import { segmentKey, snapshotKey } from './object-keys.ts';
import { objectWriter, type Writer } from './object-writer.ts';
import { completeVersions, surveyAuth, type Version } from './versions.ts';

/**
 * The types that a restore leaves out. With ratchets from an older version, recipients silently drop messages. Without ratchets both sides begin
 * anew. Everything else of an older version holds: credentials, identities, pre-keys, app-state keys, LID mappings, lookups.
 */
const neverRestored: ReadonlySet<string> = new Set([
  'session',
  'sender-key',
  'sender-key-memory',
  'device-list',
  'devices',
]);

/** Room for an upload of pre-keys (812 at most) that damage hides. Numbers have three bytes on the wire. */
const preKeyMargin = 1000;

/** `before`: the newest complete version written until that time (epoch ms). `number`: exactly the state after that segment. */
export type RestorePoint = { before: number } | { number: number };

export interface RestorePlan {
  prefix: string;
  version: Version;
  kept: KeyRecord[];
  /** The number of sessions and sender keys that are left out. */
  dropped: number;
  /** The number under which the version becomes the newest. */
  number: number;
}

/**
 * Reads the wanted version and writes nothing. `writtenTo` is the highest segment that the account's item knows of. The version gets a later
 * number, also where that segment is lost. Throws RestoreRefused when there is no such version.
 */
export async function planRestore(
  objects: ObjectStore,
  prefix: string,
  point: RestorePoint,
  writtenTo = 0,
): Promise<RestorePlan> {
  const found = await surveyAuth(objects, prefix);
  const version = chooseVersion(completeVersions(found), point);
  const all = await keysAt(objects, prefix, version.number);
  const firstFree = 1 + Math.max(...found.map(({ highestPreKey = 0 }) => highestPreKey)) + preKeyMargin;
  const kept = all
    .filter(({ type }) => !neverRestored.has(type))
    .map((record) => (record.type === 'creds' ? numberedFrom(record, firstFree) : record));
  if (!kept.some(({ type }) => type === 'creds')) {
    throw new RestoreRefused(`The account was not linked at number ${version.number}: link it again instead.`);
  }
  const number = Math.max(found.at(-1)?.number ?? 0, writtenTo) + 1;
  return { prefix, version, kept, dropped: all.length - kept.length, number };
}

/**
 * Makes the planned version the newest one. Make sure that the account has no owner, and give an epoch that no owner has had. The segment of the
 * version takes the next number, so an owner that still writes finds it taken and stops. That segment and its snapshot void everything before,
 * damaged or not. The older objects stay for a day. Throws RestoreRefused when another object was written since the plan was made.
 */
export async function restoreAuth(options: Writer, plan: RestorePlan): Promise<void> {
  const { prefix, version, kept, number } = plan;
  const writer = objectWriter(options);
  const header = { ...writer.header('restore', segmentKey(prefix, number)), restored: version.number };
  const { answer } = await writer.put(header, kept);
  // With this nonce: the object was written, and only the answer was lost.
  if (answer === 'exists' && (await fetchObject(options.objects, header.key)).header.nonce !== header.nonce) {
    throw new RestoreRefused(`Another host has just written number ${number}: disconnect the account and try again.`);
  }
  await writer.put(writer.header('snapshot', snapshotKey(prefix, number)), kept);
}

/**
 * Returns credentials that number new pre-keys from `firstFree` on. The server may still give out pre-keys made after the version. If a new one had
 * the number of such a key, a person's message could not be read. The last one made is missing, so Baileys uploads new ones and the signed one at
 * the next login.
 */
function numberedFrom(record: KeyRecord, firstFree: number): KeyRecord {
  const creds: unknown = record.value === undefined ? undefined : decodeValue(record.value);
  if (typeof creds !== 'object' || creds === null || !('nextPreKeyId' in creds)) return record;
  const next = Math.max(firstFree, Number(creds.nextPreKeyId));
  return { ...record, value: encodeValue({ ...creds, nextPreKeyId: next, firstUnuploadedPreKeyId: next }) };
}

function chooseVersion(versions: Version[], point: RestorePoint): Version {
  const newest = versions.at(-1);
  if (newest === undefined) throw new RestoreRefused('No complete version of the account is left: link it again.');
  if ('number' in point) {
    const exact = versions.find(({ number }) => number === point.number);
    if (exact !== undefined) return exact;
    throw new RestoreRefused(
      `Number ${point.number} is not complete; the newest complete version has number ${newest.number}.`,
    );
  }
  const version = versions.findLast(({ at }) => at <= point.before);
  if (version !== undefined) return version;
  const oldest = new Date(versions[0]?.at ?? 0).toISOString();
  throw new RestoreRefused(`No complete version is older than that; the oldest one is of ${oldest}.`);
}

async function keysAt(objects: ObjectStore, prefix: string, number: number): Promise<KeyRecord[]> {
  const keys = new Map<string, KeyRecord>();
  const loader: Loader = {
    apply(records) {
      for (const record of records) {
        const name = `${record.type}\0${record.id}`;
        if (record.value === undefined) keys.delete(name);
        else keys.set(name, record);
      }
    },
    reset: () => keys.clear(),
  };
  await loadLog(objects, prefix, Number.POSITIVE_INFINITY, loader, { upTo: number });
  return [...keys.values()];
}
