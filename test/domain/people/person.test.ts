import { describe, expect, it } from 'vitest';
import {
  addressesOf,
  addressOf,
  isSameNumber,
  personAt,
  planNumber,
  spellingsOf,
} from '../../../lib/domain/people/person.ts';

describe('spellingsOf', () => {
  it.each([
    ['5548999120009', '554899120009'],
    ['5511987654321', '551187654321'],
    ['525512345678', '5215512345678'],
    ['5491123456789', '541123456789'],
  ])('%s is also %s', (plan, other) => {
    expect(spellingsOf(plan)).toEqual([plan, other]);
    expect(spellingsOf(other)).toEqual([other, plan]);
    expect(planNumber(other)).toBe(plan);
    expect(planNumber(plan)).toBe(plan);
    expect(isSameNumber(plan, other)).toBe(true);
  });

  it.each(['4915150405214', '551120001234', '5511923456789', '79991234567', '12025550123', '52551234567'])(
    '%s has one spelling',
    (digits) => {
      expect(spellingsOf(digits)).toEqual([digits]);
      expect(planNumber(digits)).toBe(digits);
    },
  );

  it('tells a Brazilian landline and a mobile number with the same end apart', () => {
    expect(isSameNumber('551132345678', '5511932345678')).toBe(false);
  });
});

describe('a person is a set of addresses', () => {
  it('of each spelling of the number, the given one first, and the LID', () => {
    expect(addressesOf({ phoneNumber: '554899120009', lid: '555000001' })).toEqual([
      '554899120009',
      '5548999120009',
      'lid:555000001',
    ]);
    expect(addressesOf({ phoneNumber: '79991234567' })).toEqual(['79991234567']);
    expect(addressesOf({ lid: '555000001' })).toEqual(['lid:555000001']);
  });

  it('is printed by number, or by LID where only that is known, and read back from it', () => {
    expect(addressOf({ phoneNumber: '79991234567', lid: '555000001' })).toBe('79991234567');
    expect(addressOf({ lid: '555000001' })).toBe('lid:555000001');
    expect(personAt('79991234567')).toEqual({ phoneNumber: '79991234567' });
    expect(personAt('lid:555000001')).toEqual({ lid: '555000001' });
  });
});
