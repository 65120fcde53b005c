/**
 * The two envelopes of the Signal protocol, version 3, as bytes:
 *   message        version | protobuf {1 ratchet key, 2 counter, 3 previous counter, 4 ciphertext} | 8-byte MAC
 *   prekey message version | protobuf {5 registration, 1 prekey id, 6 signed prekey id, 2 base key, 3 identity, 4 message}
 */
export type Envelope = {
  /** 32 bytes, without type byte. */
  readonly ratchetKey: Buffer;
  readonly counter: number;
  readonly previousCounter: number;
  readonly ciphertext: Buffer;
  /** The bytes that the MAC covers: version byte and protobuf. */
  readonly signed: Buffer;
  readonly mac: Buffer;
};

export type PreKeyEnvelope = {
  readonly registrationId: number;
  readonly preKeyId: number | undefined;
  readonly signedPreKeyId: number;
  readonly baseKey: Buffer;
  readonly identityKey: Buffer;
  readonly message: Buffer;
};

export const VERSION = 0x33;
const MAC_BYTES = 8;

type Fields = { numbers: Map<number, number>; bytes: Map<number, Buffer> };

function readFields(data: Buffer): Fields {
  const fields: Fields = { numbers: new Map(), bytes: new Map() };
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = data[at++];
      if (byte === undefined) throw new Error('The envelope ends in the middle of a number.');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('The envelope holds a number that is too long.');
  };
  while (at < data.length) {
    const tag = varint();
    if ((tag & 7) === 0) fields.numbers.set(tag >> 3, varint());
    else if ((tag & 7) === 2) {
      const length = varint();
      if (at + length > data.length) throw new Error('The envelope is cut off.');
      fields.bytes.set(tag >> 3, data.subarray(at, at + length));
      at += length;
    } else throw new Error('The envelope holds a field of unknown kind.');
  }
  return fields;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return bytes;
}

const numberField = (field: number, value: number) => Buffer.from([field << 3, ...varint(value)]);
const bytesField = (field: number, value: Uint8Array) =>
  Buffer.concat([Buffer.from([(field << 3) | 2, ...varint(value.length)]), value]);

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`The envelope has no ${name}.`);
  return value;
}

function assertVersion(data: Buffer): void {
  if (data[0] !== VERSION) throw new Error('The envelope is not of version 3.');
}

const unprefixed = (key: Buffer): Buffer => (key.length === 33 ? key.subarray(1) : key);

/** Reads a message envelope; throws when it is malformed. */
export function readEnvelope(data: Buffer): Envelope {
  assertVersion(data);
  const signed = data.subarray(0, data.length - MAC_BYTES);
  const { numbers, bytes } = readFields(signed.subarray(1));
  return {
    ratchetKey: unprefixed(required(bytes.get(1), 'ratchet key')),
    counter: numbers.get(2) ?? 0,
    previousCounter: numbers.get(3) ?? 0,
    ciphertext: required(bytes.get(4), 'ciphertext'),
    signed,
    mac: data.subarray(-MAC_BYTES),
  };
}

/** The part of a message envelope that the MAC covers. */
export function writeSigned(ratchetKey: Uint8Array, counter: number, previousCounter: number, ciphertext: Uint8Array) {
  return Buffer.concat([
    Buffer.of(VERSION),
    bytesField(1, ratchetKey),
    numberField(2, counter),
    numberField(3, previousCounter),
    bytesField(4, ciphertext),
  ]);
}

/** Reads a prekey envelope; throws when it is malformed. */
export function readPreKeyEnvelope(data: Buffer): PreKeyEnvelope {
  assertVersion(data);
  const { numbers, bytes } = readFields(data.subarray(1));
  return {
    registrationId: numbers.get(5) ?? 0,
    preKeyId: numbers.get(1),
    signedPreKeyId: numbers.get(6) ?? 0,
    baseKey: unprefixed(required(bytes.get(2), 'base key')),
    identityKey: unprefixed(required(bytes.get(3), 'identity key')),
    message: required(bytes.get(4), 'message'),
  };
}

/** Writes a prekey envelope; keys in it carry their type byte. */
export function writePreKeyEnvelope(parts: PreKeyEnvelope): Buffer {
  return Buffer.concat([
    Buffer.of(VERSION),
    ...(parts.preKeyId === undefined ? [] : [numberField(1, parts.preKeyId)]),
    bytesField(2, parts.baseKey),
    bytesField(3, parts.identityKey),
    bytesField(4, parts.message),
    numberField(5, parts.registrationId),
    numberField(6, parts.signedPreKeyId),
  ]);
}
