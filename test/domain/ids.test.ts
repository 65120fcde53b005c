import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rowMessageId } from '../../lib/domain/contracts/row-message.ts';
import {
  contractIdKey,
  createdAt,
  messageId,
  messageIdOf,
  newId,
  recipientGroup,
  ulidTime,
  whatsappId,
} from '../../lib/domain/ids.ts';

const zeros = (n: number) => new Uint8Array(n);
const ones = (n: number) => new Uint8Array(n).fill(255);

test.each([
  [0, zeros, 'acc_00000000000000000000000000'],
  [1_469_918_176_385, ones, 'acc_01ARYZ6S41ZZZZZZZZZZZZZZZZ'],
  [281_474_976_710_655, zeros, 'acc_7ZZZZZZZZZ0000000000000000'],
])('an id at %d is its prefix and a ULID', (nowMs, randomBytes, expected) => {
  expect(newId('acc', nowMs, randomBytes)).toBe(expected);
});

test('all ten random bytes show in the id, in order', () => {
  const bytes = Uint8Array.from([0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf]);
  expect(newId('con', 0, () => bytes)).toBe('con_00000000000123456789ABCDEF');
});

test('a time that is none is refused', () => {
  expect(() => ulidTime(-1)).toThrow(RangeError);
  expect(() => ulidTime(2 ** 48)).toThrow(RangeError);
  expect(() => ulidTime(1.5)).toThrow(RangeError);
});

test('ids sort by their time', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 40), fc.integer({ min: 1, max: 2 ** 40 }), (nowMs, laterMs) => {
      expect(newId('aud', nowMs, ones) < newId('aud', nowMs + laterMs, zeros)).toBe(true);
    }),
  );
});

test('a message id is the first nine bytes of the hash of contract and row', () => {
  // printf 'con_1#0' | sha256sum
  expect(messageId('con_1', 0)).toBe('msg_344F30FADA65882B98');
  expect(messageId('con_1', 1)).not.toBe(messageId('con_1', 0));
  expect(whatsappId('msg_344F30FADA65882B98')).toBe('3EB0344F30FADA65882B98');
});

describe('the message of a row', () => {
  const id = 'con_01M8PMQKKVP7NQ2Q6AFTEGSBAC';

  test('derives from a key that only the tenant’s secret gives', () => {
    // printf con_01M8PMQKKVP7NQ2Q6AFTEGSBAC | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707..07 (32 bytes)
    const idKey = contractIdKey(new Uint8Array(32).fill(7), id);
    expect(idKey).toBe('4fe63679c43fd3db3defe4bafcbbc1ede809ace2e7ada10a61026f8d1f9f0fb6');
    // printf '4fe63679..0fb6#0' | sha256sum
    expect(rowMessageId({ id, idKey }, 0)).toBe('msg_9DBAC5530CB1CA4238');
  });

  test('of a contract made before keys were stored derives from its id', () => {
    expect(rowMessageId({ id: 'con_1' }, 0)).toBe('msg_344F30FADA65882B98');
  });
});

test('the WhatsApp id leads back to the message', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(100_000), (contractId, row) => {
      const id = messageId(contractId, row);
      expect(id).toMatch(/^msg_[0-9A-F]{18}$/);
      expect(messageIdOf(whatsappId(id))).toBe(id);
    }),
  );
});

test.each([
  '',
  '3EB0',
  '3EB0344F30FADA65882B9',
  '3EB0344F30FADA65882B980',
  '3eb0344f30fada65882b98',
  'AC5E344F30FADA65882B98',
])('an id we did not make is nobody’s: %j', (id) => {
  expect(messageIdOf(id)).toBeUndefined();
});

test('only a message id has a WhatsApp id', () => {
  expect(() => whatsappId('acc_344F30FADA65882B98')).toThrow(RangeError);
});

test('the group of a recipient hides the number and is stable', () => {
  // printf 79991234567 | sha256sum | cut -c1-32
  expect(recipientGroup('79991234567')).toBe('3ea3b0328a0f8f8056414a434a80f762');
  // One person in two spellings, with and without the ninth digit.
  expect(recipientGroup('5548999120009')).toBe('3342099acf55ad1a495c3256f5a6e151');
  expect(recipientGroup('554899120009')).toBe('3342099acf55ad1a495c3256f5a6e151');
});

test('an id tells when it was made', () => {
  const id = newId('hst', 1_795_170_093_583, (n) => new Uint8Array(n).fill(255));
  expect(createdAt(id)).toBe(1_795_170_093_583);
});
