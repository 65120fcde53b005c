import type { ObjectStore } from '../../lib/aws/client/objects.ts';
import { encodeObject, type KeyRecord, type ObjectHeader, type ObjectKind } from './encoding.ts';
import { AuthFenced } from './errors.ts';
import { numberOfKey } from './object-keys.ts';

/** Who writes, and whether it still may. */
export interface Writer {
  objects: ObjectStore;
  host: string;
  epoch: number;
  /** The lease: asked before every PUT. */
  mayWrite(): boolean;
  nowMs(): number;
  nonce(): string;
}

export interface ObjectWriter {
  header(kind: ObjectKind, key: string): ObjectHeader;
  /** `exists` when another object stands at the key; `size` in bytes. Throws AuthFenced when the lease is over. */
  put(header: ObjectHeader, records: Iterable<KeyRecord>): Promise<{ answer: 'created' | 'exists'; size: number }>;
  readonly stats: { puts: number; bytes: number };
}

/** Writes one owner's objects, each under a key that is taken once and for all. */
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
