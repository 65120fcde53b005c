import { hash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib';
import { AuthCorrupt } from './errors.ts';

/**
 * One object of the auth bucket:
 *
 *   'PCAU' | version 2 (1 byte) | sha256 of the rest (32) | length of the header (4, big endian) | header, JSON | records, deflated
 *
 * A record is type and id (each a length of 2 bytes and UTF-8), then the length of the value (4 bytes) and the value; the length
 * 0xffffffff stands for a deletion. Values are opaque here.
 */
export interface KeyRecord {
  type: string;
  id: string;
  /** undefined deletes the key. */
  value: Uint8Array | undefined;
}

/** Segments: `barrier`, `keys`, and the resets `wipe` and `restore`, before which everything is void. */
export type ObjectKind = 'barrier' | 'keys' | 'wipe' | 'restore' | 'run' | 'snapshot';

/** The writer of the object, its time (epoch ms) and its kind. A writer recognises its own object by `nonce`. */
export interface ObjectHeader {
  kind: ObjectKind;
  /** The whole key of the object. A copy under another account, number or kind is refused by it. */
  key: string;
  /** The segment's number, the last segment in a snapshot or run. */
  number: number;
  epoch: number;
  host: string;
  nonce: string;
  at: number;
  /** Snapshots only: the snapshots that existed when this one was written. */
  earlier?: SnapshotAge[];
  /** Restores only: the segment after which the state was taken. */
  restored?: number;
}

export interface SnapshotAge {
  number: number;
  at: number;
}

const magic = Buffer.from('PCAU\u0002');
const deleted = 0xffff_ffff;
/** Larger objects are compressed outside the event loop. */
const syncLimitBytes = 64 * 1024;
/** The size of zlib's output pieces for large objects. Many small pieces would leave holes in the memory of the process. */
const chunkSize = 1024 * 1024;
const deflateAsync = promisify(deflateRaw);
const inflateAsync = promisify(inflateRaw);

export async function encodeObject(header: ObjectHeader, records: Iterable<KeyRecord>): Promise<Buffer> {
  const packed = pack(records);
  const body =
    packed.length > syncLimitBytes
      ? await deflateAsync(packed, { level: 1, chunkSize })
      : deflateRawSync(packed, { level: 1 });
  const head = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  const rest = Buffer.concat([length, head, body]);
  return Buffer.concat([magic, hash('sha256', rest, 'buffer'), rest]);
}

export interface OpenedObject {
  header: ObjectHeader;
  records: KeyRecord[];
}

/** Verifies and opens the object found at `key`. Throws AuthCorrupt, which names it, unless it is exactly the object that was written there. */
export async function decodeObject(key: string, bytes: Uint8Array): Promise<OpenedObject> {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (data.length < magic.length + 36 || !data.subarray(0, magic.length).equals(magic)) {
    throw new AuthCorrupt(key, 'is not an auth object');
  }
  const rest = data.subarray(magic.length + 32);
  if (!hash('sha256', rest, 'buffer').equals(data.subarray(magic.length, magic.length + 32))) {
    throw new AuthCorrupt(key, 'does not match its checksum');
  }
  const headEnd = 4 + rest.readUInt32BE(0);
  const header: ObjectHeader = JSON.parse(rest.subarray(4, headEnd).toString('utf8'));
  if (header.key !== key) throw new AuthCorrupt(key, `was written as ${header.key}`);
  const body = rest.subarray(headEnd);
  const packed = body.length > syncLimitBytes / 4 ? await inflateAsync(body, { chunkSize }) : inflateRawSync(body);
  return { header, records: unpack(packed) };
}

function pack(records: Iterable<KeyRecord>): Buffer {
  const parts: Buffer[] = [];
  for (const { type, id, value } of records) {
    const typeBytes = Buffer.from(type);
    const idBytes = Buffer.from(id);
    const head = Buffer.alloc(8 + typeBytes.length + idBytes.length);
    let at = head.writeUInt16BE(typeBytes.length);
    at += typeBytes.copy(head, at);
    at = head.writeUInt16BE(idBytes.length, at);
    at += idBytes.copy(head, at);
    head.writeUInt32BE(value === undefined ? deleted : value.length, at);
    parts.push(head);
    if (value !== undefined) parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
  }
  return Buffer.concat(parts);
}

function unpack(packed: Buffer): KeyRecord[] {
  const records: KeyRecord[] = [];
  let at = 0;
  const text = () => {
    const length = packed.readUInt16BE(at);
    at += 2 + length;
    return packed.toString('utf8', at - length, at);
  };
  while (at < packed.length) {
    const type = text();
    const id = text();
    const length = packed.readUInt32BE(at);
    at += 4;
    if (length === deleted) {
      records.push({ type, id, value: undefined });
      continue;
    }
    records.push({ type, id, value: packed.subarray(at, at + length) });
    at += length;
  }
  return records;
}

/** Returns a key as bytes: JSON with binary values as `{"type":"Buffer","data":"<base64>"}`, the form that Baileys uses. */
export function encodeValue(value: unknown): Buffer {
  return Buffer.from(
    JSON.stringify(value, (_key, part: unknown) => {
      if (part instanceof Uint8Array) return { type: 'Buffer', data: Buffer.from(part).toString('base64') };
      if (isBufferJson(part) && Array.isArray(part.data)) {
        return { type: 'Buffer', data: Buffer.from(part.data).toString('base64') };
      }
      return part;
    }),
  );
}

export function decodeValue(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  // Sessions, which are read most, hold no binary. A parse without a reviver is several times faster.
  if (!text.includes('"Buffer"')) return JSON.parse(text);
  return JSON.parse(text, (_key, part: unknown) =>
    isBufferJson(part) && typeof part.data === 'string' ? Buffer.from(part.data, 'base64') : part,
  );
}

function isBufferJson(part: unknown): part is { type: 'Buffer'; data: unknown } {
  return typeof part === 'object' && part !== null && 'type' in part && part.type === 'Buffer' && 'data' in part;
}
