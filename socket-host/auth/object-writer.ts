import type { ObjectStore } from '../../lib/aws/client/objects.ts';
import { encodeObject, type KeyRecord, type ObjectHeader, type ObjectKind } from './encoding.ts';
import { AuthFenced } from './errors.ts';
import { numberOfKey } from './object-keys.ts';

/** The owner that writes, with its lease. */
export interface Writer {
  objects: ObjectStore;
  host: string;
  epoch: number;
  /** Returns whether the lease holds. Called before every PUT. */
  mayWrite(): boolean;
  nowMs(): number;
  nonce(): string;
}

export interface ObjectWriter {
  header(kind: ObjectKind, key: string): ObjectHeader;
  /** Puts an object. `exists`: the key is taken by another object. `size` is in bytes. Throws AuthFenced when the lease is over. */
  put(header: ObjectHeader, records: Iterable<KeyRecord>): Promise<{ answer: 'created' | 'exists'; size: number }>;
  readonly stats: { puts: number; bytes: number };
}

/** Returns the writer for one owner's objects. Each key can be written only once. */
export function objectWriter({ objects, host, epoch, mayWrite, nowMs, nonce }: Writer): ObjectWriter {
  const stats = { puts: 0, bytes: 0 };
  return {
    stats,
    header: (kind, key) => ({ kind, key, number: numberOfKey(key), epoch, host, nonce: nonce(), at: nowMs() }),
    async put(header, records) {
      const body = await encodeObject(header, records);
      if (!mayWrite()) throw new AuthFenced('the lease on the account is over');
      const answer = await objects.create(header.key, body);
      stats.puts += 1;
      stats.bytes += body.length;
      return { answer, size: body.length };
    },
  };
}
