import type { ObjectStore } from '../../lib/aws/client/objects.ts';
import { numberOfKey, segmentKey, snapshotKey } from './object-keys.ts';

/** Removes the segments and runs that snapshot `keep` covers and the snapshots before it. */
export async function removeOld(objects: ObjectStore, prefix: string, keep: number): Promise<void> {
  const covered = [...(await objects.list(`${prefix}log/`)), ...(await objects.list(`${prefix}run/`))];
  const snapshots = await objects.list(`${prefix}snap/`);
  const gone = [
    ...covered.filter((key) => numberOfKey(key) <= keep),
    ...snapshots.filter((key) => numberOfKey(key) < keep),
  ];
  if (gone.length > 0) await objects.remove(gone);
}

/** Removes everything before a wipe. The wipe's own segment and snapshot stay, so that an earlier owner finds its next number taken. */
export async function removeAllBut(objects: ObjectStore, prefix: string, number: number): Promise<void> {
  const stays = new Set([segmentKey(prefix, number), snapshotKey(prefix, number)]);
  const gone = (await objects.list(prefix)).filter((key) => !stays.has(key));
  if (gone.length > 0) await objects.remove(gone);
}
