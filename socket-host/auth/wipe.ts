import { AuthCorrupt, AuthFenced } from './errors.ts';
import { checkEpoch, type FetchedObject, fetchObject } from './log.ts';
import { segmentKey, snapshotKey } from './object-keys.ts';
import { objectWriter, type Writer } from './object-writer.ts';
import { removeAllBut } from './removal.ts';
import { surveyAuth } from './versions.ts';

/**
 * Wipes an account whose state cannot be opened (AuthCorrupt). Use it for a logout or a removal, which need no keys; `AuthStore.wipe` does the same
 * for a state that can be opened. Reads every object to be sure that no later owner has written. The numbers go on after `writtenTo`, lost segments
 * included. Throws AuthFenced when a later owner has written, or the lease is over.
 */
export async function wipeUnopened(
  options: Writer & { prefix: string; writtenTo?: number | undefined },
): Promise<void> {
  const { objects, prefix, epoch, writtenTo = 0 } = options;
  const found = await surveyAuth(objects, prefix);
  const newest = Math.max(0, ...found.map((object) => object.epoch ?? 0));
  if (newest > epoch) throw new AuthFenced(`epoch ${newest} has replaced epoch ${epoch}`);
  const writer = objectWriter(options);
  let number = Math.max(found.at(-1)?.number ?? 0, writtenTo);
  for (;;) {
    number += 1;
    const header = writer.header('wipe', segmentKey(prefix, number));
    const { answer } = await writer.put(header, []);
    if (answer === 'created') break;
    const there = await fetchUnlessDamaged(options, header.key);
    if (there?.header.nonce === header.nonce) break;
    if (there !== undefined) checkEpoch(there.header, epoch);
  }
  await writer.put(writer.header('snapshot', snapshotKey(prefix, number)), []);
  await removeAllBut(objects, prefix, number);
}

async function fetchUnlessDamaged({ objects }: Writer, key: string): Promise<FetchedObject | undefined> {
  try {
    return await fetchObject(objects, key);
  } catch (error) {
    if (error instanceof AuthCorrupt) return undefined;
    throw error;
  }
}
