import fc from 'fast-check';
import { getCountries, getExampleNumber } from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';
import { describe, expect, test } from 'vitest';
import { countryOf, isCountry, maskPhone, normalisePhone } from '../../lib/domain/phone.ts';

describe('any common spelling becomes digits without plus', () => {
  test.each([
    ['79991234567', undefined, '79991234567'],
    ['+79991234567', undefined, '79991234567'],
    ['+7 (999) 123-45-67', undefined, '79991234567'],
    ['7 999 123.45.67', undefined, '79991234567'],
    ['0079991234567', undefined, '79991234567'],
    ['00 49 151 23456789', 'RU', '4915123456789'],
    ['79991234567@s.whatsapp.net', undefined, '79991234567'],
    ['79991234567:12@s.whatsapp.net', 'DE', '79991234567'],
    ['79991234567_0:3@S.WhatsApp.net', undefined, '79991234567'],
    ['tel:+4915123456789', undefined, '4915123456789'],
    ['+44 (0)20 7946 0958', undefined, '442079460958'],
    ['\u202a+4915123456789\u202c', undefined, '4915123456789'],
    ['\u00a0+49\u2011151\u2011234\u201156789', undefined, '4915123456789'],
    ['＋７９９９１２３４５６７', undefined, '79991234567'],
    ['0151 23456789', 'DE', '4915123456789'],
    ['0151 23456789', 'de', '4915123456789'],
    ['89991234567', 'RU', '79991234567'],
    ['9991234567', 'RU', '79991234567'],
    ['06 12 34 56 78', 'FR', '33612345678'],
    ['06 6982 1234', 'IT', '390669821234'],
    ['(415) 555-2671', 'US', '14155552671'],
    // Not valid in the default country, but internationally.
    ['4915123456789', 'RU', '4915123456789'],
    // Valid in both: the default country wins.
    ['2125552671', 'US', '12125552671'],
  ])('%j with %j is %j', (input, country, digits) => {
    expect(normalisePhone(input, country)).toEqual({ ok: true, digits });
  });
});

describe('what is no number is refused with a reason that does not repeat it', () => {
  test.each([
    ['', undefined, 'The number is missing.'],
    ['   ', 'DE', 'The number is missing.'],
    ['123', undefined, 'The number is not a valid phone number.'],
    ['+7999123456', undefined, 'The number is not a valid phone number.'],
    ['++79991234567', undefined, 'The number contains other characters than digits and separators.'],
    ['+', undefined, 'The number contains other characters than digits and separators.'],
    ['+79991234567 ext 5', undefined, 'The number contains other characters than digits and separators.'],
    ['+79991234567;+79991234568', undefined, 'The number contains other characters than digits and separators.'],
    ['call me', 'DE', 'The number contains other characters than digits and separators.'],
    ['123456789012345@lid', undefined, 'The address is not number@s.whatsapp.net.'],
    ['79991234567-1600000000@g.us', undefined, 'The address is not number@s.whatsapp.net.'],
    ['123@s.whatsapp.net', undefined, 'The number is not a valid phone number.'],
    [
      '0151 23456789',
      undefined,
      'The number is national and there is no default country; write it with + and the country code.',
    ],
    [
      '0151 23456789',
      'XX',
      'The number is national and there is no default country; write it with + and the country code.',
    ],
    ['012', 'DE', 'The number is not valid in DE.'],
    ['76881388663499', 'DE', 'The number is not a valid phone number.'],
    ['0'.repeat(5000), 'DE', 'The number is too long.'],
  ])('%j with %j', (input, country, reason) => {
    expect(normalisePhone(input, country)).toEqual({ ok: false, reason });
  });
});

test('whatever the input, the result is valid digits that give themselves again, or a refusal', () => {
  const numberish = fc.string({ unit: fc.constantFrom(...'0123456789+-(). @:'), maxLength: 20 });
  const country = fc.option(fc.constantFrom('RU', 'DE', 'US', 'IT', 'BR'), { nil: undefined });
  fc.assert(
    fc.property(fc.oneof(numberish, fc.string()), country, (input, defaultCountry) => {
      const result = normalisePhone(input, defaultCountry);
      if (!result.ok) return;
      expect(result.digits).toMatch(/^[1-9]\d{4,14}$/);
      expect(normalisePhone(result.digits)).toEqual(result);
      expect(normalisePhone(`${result.digits}@s.whatsapp.net`, defaultCountry)).toEqual(result);
    }),
    { numRuns: 500 },
  );
});

test('the example number of every country survives national, international and digits-only spelling', () => {
  for (const country of getCountries()) {
    const example = getExampleNumber(country, examples);
    if (example === undefined || !example.isValid()) continue;
    const expected = { ok: true, digits: example.number.slice(1) };
    expect(normalisePhone(example.formatInternational()), country).toEqual(expected);
    expect(normalisePhone(example.number.slice(1)), country).toEqual(expected);
    expect(normalisePhone(example.formatNational(), country), country).toEqual(expected);
  }
});

test('5,000 numbers take well under a second', () => {
  const started = performance.now();
  let valid = 0;
  for (let i = 0; i < 5000; i += 1) if (normalisePhone(`8999${1_000_000 + i}`, 'RU').ok) valid += 1;
  expect(valid).toBe(5000);
  expect(performance.now() - started).toBeLessThan(1000);
});

test('a number has a country, and logs show its ends only', () => {
  expect(countryOf('4915123456789')).toBe('DE');
  expect(countryOf('12')).toBeUndefined();
  expect(isCountry('DE')).toBe(true);
  expect(isCountry('XX')).toBe(false);
  expect(maskPhone('79991234567')).toBe('7999***4567');
  expect(maskPhone('4912345')).toBe('***45');
});
