import { createHash, createHmac } from 'node:crypto';
import { planNumber } from './people/person.ts';

export type IdPrefix = 'acc' | 'con' | 'ten' | 'key' | 'pln' | 'aud' | 'hst' | 'imp' | 'inb' | 'req' | 'whk' | 'dlv';

/** Ids that `derivedId` makes. */
export type DerivedPrefix = 'evt';

/** Crockford's base 32: no I, L, O, U. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const maxTimeMs = 2 ** 48 - 1;

/** `acc_` and so on, followed by a ULID: 10 characters of time (ms), 16 of randomness; sorts by creation to the millisecond. */
export function newId(prefix: IdPrefix, nowMs: number, randomBytes: (n: number) => Uint8Array): string {
  return `${prefix}_${ulidTime(nowMs)}${base32(randomBytes(10))}`;
}

/** The first 10 characters of every ULID made at `nowMs`: the lower bound of a key range by time. */
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

/** The ULID of an id: what follows its prefix and `_`. */
export function ulidOf(id: string): string {
  return id.slice(id.indexOf('_') + 1);
}

/** When an id of `newId` was made, epoch ms. */
export function createdAt(id: string): number {
  const time = ulidOf(id).slice(0, 10);
  return [...time].reduce((ms, character) => ms * 32 + alphabet.indexOf(character), 0);
}

/**
 * An id that follows from what it names: prefix, `_` and 26 characters of the sha256 over the parts, so that whoever derives it again
 * derives the same.
 */
export function derivedId(prefix: DerivedPrefix, ...parts: string[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest();
  return `${prefix}_${base32(digest.subarray(0, 20)).slice(0, 26)}`;
}

/** Eight characters for every five bytes. */
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
 * `msg_` and 18 upper-case hex digits: the first nine bytes of sha256(`idKey#row`); rows count from 0. For a row of a contract call
 * `rowMessageId` (row-message.ts), which knows the contract's key.
 */
export function messageId(idKey: string, row: number): string {
  return derivedMessageId(`${idKey}#${row}`);
}

/**
 * What the ids of a contract's messages derive from: HMAC-SHA256 of the contract's id under its tenant's secret, 64 hex digits. A person who
 * has seen the contract's id cannot compute the ids under which WhatsApp knows its messages.
 */
export function contractIdKey(tenantSecret: Uint8Array, contractId: string): string {
  return createHmac('sha256', tenantSecret).update(contractId).digest('hex');
}

/** A message id that derives from `thing`. Outsiders must not know `thing`: with the id they could ask a device for the message again. */
export function derivedMessageId(thing: string): string {
  const digest = createHash('sha256').update(thing).digest('hex');
  return `msg_${digest.slice(0, 18).toUpperCase()}`;
}

/** The id the message has on WhatsApp: `3EB0` and the same 18 digits. */
export function whatsappId(id: string): string {
  if (!messageIdForm.test(id)) throw new RangeError('not a message id');
  return `3EB0${id.slice(4)}`;
}

/** The message a WhatsApp id belongs to; undefined when the id is not of our form (a message we did not send). */
export function messageIdOf(id: string): string | undefined {
  return whatsappIdForm.test(id) ? `msg_${id.slice(4)}` : undefined;
}

/**
 * SQS message group of a recipient (digits): the same for each spelling of one person's number, so that this person's messages keep their order.
 * 32 hex characters, because queue attributes must not carry a phone number.
 */
export function recipientGroup(to: string): string {
  return createHash('sha256').update(planNumber(to)).digest('hex').slice(0, 32);
}
