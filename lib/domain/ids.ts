import { createHash, createHmac } from 'node:crypto';
import { planNumber } from './people/person.ts';

export type IdPrefix = 'acc' | 'con' | 'ten' | 'key' | 'pln' | 'aud' | 'hst' | 'imp' | 'inb' | 'req' | 'whk' | 'dlv';

/** Prefixes of the ids that `derivedId` makes. */
export type DerivedPrefix = 'evt';

/** Crockford's base 32: no I, L, O, U. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const maxTimeMs = 2 ** 48 - 1;

/** Returns a prefix, `_` and a new ULID: 10 characters of time (ms), 16 random ones. Ids sort by the millisecond of their creation. */
export function newId(prefix: IdPrefix, nowMs: number, randomBytes: (n: number) => Uint8Array): string {
  return `${prefix}_${ulidTime(nowMs)}${base32(randomBytes(10))}`;
}

/** Returns the first 10 characters of every ULID made at `nowMs`: the lower bound of a key range. Throws RangeError for an impossible time. */
export function ulidTime(nowMs: number): string {
  if (!Number.isInteger(nowMs) || nowMs < 0 || nowMs > maxTimeMs) throw new RangeError('nowMs is not a time in ms');
  let rest = nowMs;
  let text = '';
  for (let i = 0; i < 10; i += 1) {
    text = alphabet.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/** Returns the ULID of an id: the part after its prefix and `_`. */
export function ulidOf(id: string): string {
  return id.slice(id.indexOf('_') + 1);
}

/** Returns the time (epoch ms) at which `newId` made an id. */
export function createdAt(id: string): number {
  const time = ulidOf(id).slice(0, 10);
  return [...time].reduce((ms, character) => ms * 32 + alphabet.indexOf(character), 0);
}

/**
 * Returns an id computed from `parts`: prefix, `_` and 26 characters of their sha256. The same parts always give the same id.
 */
export function derivedId(prefix: DerivedPrefix, ...parts: string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest();
  return `${prefix}_${base32(digest.subarray(0, 20)).slice(0, 26)}`;
}

/** Encodes bytes, eight characters for every five. Bits that do not fill a character are dropped. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let buffer = 0;
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet.charAt((buffer >> bits) & 31);
    }
  }
  return text;
}

const messageIdForm = /^msg_[0-9A-F]{18}$/;
const whatsappIdForm = /^3EB0[0-9A-F]{18}$/;

/**
 * Returns a message id: `msg_` and the first nine bytes of sha256(`idKey#row`) as upper-case hex; rows count from 0. For a row of a contract
 * call `rowMessageId` (contracts/row-message.ts), which takes the contract's key.
 */
export function messageId(idKey: string, row: number): string {
  return derivedMessageId(`${idKey}#${row}`);
}

/**
 * Returns the key from which the ids of a contract's messages derive: HMAC-SHA256 of the contract's id with the tenant's secret, 64 hex digits.
 * The secret is needed because WhatsApp ids of messages must not be computable from the contract's id.
 */
export function contractIdKey(tenantSecret: Uint8Array, contractId: string): string {
  return createHmac('sha256', tenantSecret).update(contractId).digest('hex');
}

/** Returns the message id that derives from `thing`. Keep `thing` secret: with the id, others could ask a device to send the message again. */
export function derivedMessageId(thing: string): string {
  const digest = createHash('sha256').update(thing).digest('hex');
  return `msg_${digest.slice(0, 18).toUpperCase()}`;
}

/** Returns the id of the message on WhatsApp: `3EB0` and the same 18 digits. Throws RangeError for anything but a message id. */
export function whatsappId(id: string): string {
  if (!messageIdForm.test(id)) throw new RangeError('not a message id');
  return `3EB0${id.slice(4)}`;
}

/** Returns the message id for a WhatsApp id; undefined for an id that Paceline did not make. */
export function messageIdOf(id: string): string | undefined {
  return whatsappIdForm.test(id) ? `msg_${id.slice(4)}` : undefined;
}

/**
 * Returns the SQS message group of a recipient (digits). It is the same for each spelling of a number, so that messages of one person keep their
 * order. It is a hash (32 hex characters), because queue attributes must not contain a phone number.
 */
export function recipientGroup(to: string): string {
  return createHash('sha256').update(planNumber(to)).digest('hex').slice(0, 32);
}
