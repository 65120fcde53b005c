import { describe, expect, it } from 'vitest';
import { isSameNumber, planNumber, spellingsOf } from '../../lib/domain/person.ts';

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
