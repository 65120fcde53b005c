import fc from 'fast-check';
import { getCountries, getExampleNumber } from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';
import { describe, expect, test } from 'vitest';
import {
  addressesMeant,
  decideNumber,
  doubtSentence,
  isCountry,
  readAddress,
  readNumber,
} from '../../../lib/domain/people/phone.ts';

describe('any common spelling becomes digits without plus', () => {
  test.each([
    ['+79991234567', undefined, '79991234567'],
    ['044 55 1234 5678', 'MX', '525512345678'],
    ['045 (55) 1234-5678', 'MX', '525512345678'],
    ['01 55 1234 5678', 'MX', '525512345678'],
    ['+52 044 55 1234 5678', 'DE', '525512345678'],
    ['011 52 1 55 1234 5678', 'US', '5215512345678'],
    ['011 55 48 9912-0009', 'US', '554899120009'],
    ['0011 49 151 23456789', 'AU', '4915123456789'],
    ['+7 (999) 123-45-67', undefined, '79991234567'],
    ['7 999 123.45.67', 'RU', '79991234567'],
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
    ['2125552671', 'US', '12125552671'],
    // What answers print is taken back: international numbers of the default country.
    ['4915150405214', 'DE', '4915150405214'],
    ['62812345678', 'ID', '62812345678'],
    ['49 (0)151 50405214', 'DE', '4915150405214'],
    ['+49 (0)151 50405214', 'BR', '4915150405214'],
    ['(+966) 50 123 4567', undefined, '966501234567'],
    ['966501234567+', undefined, '966501234567'],
    ['+0049 151 50405214', undefined, '4915150405214'],
    ['4915150405214@c.us', 'ID', '4915150405214'],
    ['whatsapp:+4915150405214', undefined, '4915150405214'],
    ["'4915150405214", 'DE', '4915150405214'],
    ['011 49 151 50405214', 'US', '4915150405214'],
    // Arabic, Persian, Devanagari, Bengali and Burmese digits.
    ['+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧', undefined, '966501234567'],
    ['۰۹۱۲۳۴۵۶۷۸۹', 'IR', '989123456789'],
    ['०९८७६५४३२१०', 'IN', '919876543210'],
    ['+৮৮০১৭১২৩৪৫৬৭৮', undefined, '8801712345678'],
    ['၀၉၇၉၁၂၃၄၅၆၇', 'MM', '959791234567'],
    // WhatsApp's own spellings.
    ['+554899120009', 'DE', '554899120009'],
    ['00554899120009', 'DE', '554899120009'],
    ['554899120009@s.whatsapp.net', 'DE', '554899120009'],
    ['554899120009', 'BR', '554899120009'],
    ['+5215512345678', undefined, '5215512345678'],
    ['5215512345678', 'MX', '5215512345678'],
    ['+541123456789', 'US', '541123456789'],
    ['(48) 9912-0009', 'BR', '554899120009'],
    ['048 9912-0009', 'BR', '554899120009'],
  ])('%j with %j is %j', (input, country, digits) => {
    expect(readNumber(input, { defaultCountry: country })).toEqual({ ok: true, digits });
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
    ['4915150405214@broadcast', undefined, 'The address is not number@s.whatsapp.net.'],
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
    expect(readNumber(input, { defaultCountry: country })).toEqual({ ok: false, reason });
  });
});

const decimal =
  'A spreadsheet has turned the number into a decimal one. Format the column as text, and remove the point and the digits after it.';
const date = 'The cell holds a date. Format the column as text and enter the number again.';
const scientific =
  'A spreadsheet has turned the number into scientific notation, and digits are lost. Format the column as text and enter the number again.';
const error =
  'The cell holds an error or a filler of a spreadsheet. Format the column as text, widen it, and enter the number again.';
const empty = 'The number is missing: the cell holds the sign of another program for an empty value.';

describe('what spreadsheets make of numbers is refused by name', () => {
  test.each([
    ['491701234567.0', decimal],
    ['491701234567,0', decimal],
    ['+491701234567.0', decimal],
    ['+49 170 1234567.0', decimal],
    ['٤٩١٧٠١٢٣٤٥٦٧.٠', decimal],
    ['491701234567.00', decimal],
    ['491701234567.5', decimal],
    ['7.9E+10', scientific],
    ['7,9E+10', scientific],
    ['7,9e10', scientific],
    ['4.91701234567E+11', scientific],
    ['7E+10', scientific],
    ['4.9×10^11', scientific],
    [
      '="491701234567"',
      'The cell holds a formula of a spreadsheet. Format the column as text and enter the number itself.',
    ],
    [
      '=+491701234567',
      'The cell holds a formula of a spreadsheet. Format the column as text and enter the number itself.',
    ],
    ['#N/A', error],
    ['#WERT!', error],
    ['##########', error],
    [
      '491,701,234,567',
      'A spreadsheet has grouped the digits by commas. Format the column as text and enter the number again.',
    ],
    [
      '-1701234518',
      'The number is negative, as if a spreadsheet had calculated it. Format the column as text and enter the number again.',
    ],
    ['+49 170 1234567 (2)', 'The number ends with digits in brackets; write the number alone.'],
    ['30.11.2026', date],
    ['11/30/2026', date],
    ['2026-11-30', date],
    ['NULL', empty],
    ['nan', empty],
    ['-', empty],
  ])('%j', (input, reason) => {
    for (const defaultCountry of [undefined, 'DE', 'BR']) {
      expect(readNumber(input, { defaultCountry })).toEqual({ ok: false, reason });
      expect(readAddress(input, { defaultCountry })).toEqual({ ok: false, reason });
      expect(addressesMeant(input, { defaultCountry })).toEqual({ ok: false, reason });
    }
  });

  test('points between groups are a common spelling', () => {
    expect(readNumber('06.12.34.56.00', { defaultCountry: 'FR' })).toEqual({ ok: true, digits: '33612345600' });
    expect(readNumber('+49.170.1234567')).toEqual({ ok: true, digits: '491701234567' });
  });
});

describe('digits alone', () => {
  test.each([
    ['79991234567', undefined, '79991234567', 'RU'],
    ['4915123456789', 'RU', '4915123456789', 'DE'],
    // Also a German landline of twelve digits: the mobile number wins.
    ['554899120009', 'DE', '554899120009', 'BR'],
    ['5215512345678', 'DE', '5215512345678', 'MX'],
    // Also a Russian landline with its trunk prefix.
    ['84912345678', 'RU', '84912345678', 'VN'],
    // Begins like a Finnish call abroad.
    ['994501234567', 'FI', '994501234567', 'AZ'],
    ['881612345678', 'DE', '881612345678', '+881'],
  ])('%j with %j is %j of %j', (input, defaultCountry, digits, country) => {
    expect(readNumber(input, { defaultCountry })).toEqual({
      ok: true,
      digits,
      doubt: { code: 'FOREIGN_NUMBER', country },
    });
  });

  test('mobile numbers both here and abroad are national and ambiguous, until one of the two people is known', () => {
    const reading = readNumber('51 99123-4567', { defaultCountry: 'BR' });
    const doubt = { code: 'AMBIGUOUS_NUMBER', country: 'PE' };
    expect(reading).toEqual({ ok: true, digits: '5551991234567', doubt, foreign: '51991234567' });
    if (!reading.ok) throw new Error('not read');
    const decided = (...known: string[]) => decideNumber(reading, new Set(known));
    expect(decided()).toEqual({ ok: true, digits: '5551991234567', doubt });
    expect(decided('4915150405214')).toEqual({ ok: true, digits: '5551991234567', doubt });
    expect(decided('5551991234567')).toEqual({ ok: true, digits: '5551991234567' });
    // Known without the ninth digit.
    expect(decided('555191234567')).toEqual({ ok: true, digits: '5551991234567' });
    const foreign = { ok: true, digits: '51991234567', doubt: { code: 'FOREIGN_NUMBER', country: 'PE' } };
    expect(decided('51991234567')).toEqual(foreign);
    expect(decided('51991234567', '5551991234567')).toEqual(foreign);
    for (const input of ['+51 991234567', '0051991234567', '51991234567@s.whatsapp.net']) {
      expect(readNumber(input, { defaultCountry: 'BR' })).toEqual({ ok: true, digits: '51991234567' });
    }
  });

  test('a Brazilian number without the ninth digit is national where it is written as people write', () => {
    const read = (input: string) => readNumber(input, { defaultCountry: 'BR' });
    const joinville = {
      ok: true,
      digits: '554799123456',
      doubt: { code: 'AMBIGUOUS_NUMBER', country: 'NO' },
      foreign: '4799123456',
    };
    expect(read('(47) 9912-3456')).toEqual(joinville);
    expect(read('47 99123456')).toEqual(joinville);
    // A landline of Bavaria: the mobile number wins.
    expect(read('(49) 9912-3456')).toEqual({ ok: true, digits: '554999123456' });
    // As answers print it.
    const norway = { ok: true, digits: '4799123456', doubt: { code: 'FOREIGN_NUMBER', country: 'NO' } };
    expect(read('4799123456')).toEqual(norway);
    expect(read('+47 99 12 34 56')).toEqual({ ok: true, digits: '4799123456' });
  });

  test('who demands certainty is told what to write', () => {
    expect(doubtSentence({ code: 'AMBIGUOUS_NUMBER', country: 'PE' })).toBe(
      'Without + the number can be national or one of PE; write it with + and the country code.',
    );
    expect(doubtSentence({ code: 'FOREIGN_NUMBER', country: 'RU' })).toBe(
      'Without + the number is read as one of RU; write it with + and the country code.',
    );
  });
});

describe('a person known by LID alone', () => {
  test.each([
    'lid:123456789012345',
    'LID: 123456789012345',
    '123456789012345@lid',
    '123456789012345:3@lid',
    'lid:١٢٣٤٥٦٧٨٩٠١٢٣٤٥',
  ])('%j is an address and no number', (input) => {
    expect(readAddress(input, { defaultCountry: 'DE' })).toEqual({ ok: true, lid: '123456789012345' });
    expect(addressesMeant(input)).toEqual({ ok: true, addresses: ['lid:123456789012345'] });
    expect(readNumber(input, { defaultCountry: 'DE' })).toEqual({
      ok: false,
      reason:
        'A LID is no phone number, and messages are sent to phone numbers. Write the number of the person instead.',
    });
  });
});

describe('a filter means every address of the person, the digits as they are written first', () => {
  test.each([
    ['4915150405214', 'DE', ['4915150405214']],
    ['0151 50405214', 'DE', ['4915150405214']],
    ['51991234567', 'BR', ['51991234567', '5551991234567', '555191234567']],
    ['+51991234567', 'BR', ['51991234567']],
    ['554899120009', undefined, ['554899120009', '5548999120009']],
    ['+5548999120009', 'DE', ['5548999120009', '554899120009']],
    // What a landline here was sent as is found too.
    ['84912345678', 'RU', ['84912345678', '74912345678']],
    ['123456789012345', undefined, ['123456789012345', 'lid:123456789012345']],
    // Nothing the numbering plans know, but as WhatsApp shows somebody.
    ['99912345678', 'DE', ['99912345678']],
  ])('%j with %j is %j', (input, defaultCountry, addresses) => {
    expect(addressesMeant(input, { defaultCountry })).toEqual({ ok: true, addresses });
  });

  test('what is no address is refused', () => {
    const reason = 'The number is not a valid phone number.';
    expect(addressesMeant('12')).toEqual({ ok: false, reason });
    expect(addressesMeant('+49 12')).toEqual({ ok: false, reason });
  });
});

test('whatever the input, the result is valid digits that give themselves again, or a refusal', () => {
  const numberish = fc.string({ unit: fc.constantFrom(...'0123456789+-(). @:'), maxLength: 20 });
  const country = fc.option(fc.constantFrom('RU', 'DE', 'US', 'IT', 'BR'), { nil: undefined });
  fc.assert(
    fc.property(fc.oneof(numberish, fc.string()), country, (input, defaultCountry) => {
      const result = readNumber(input, { defaultCountry });
      if (!result.ok) return;
      expect(result.digits).toMatch(/^[1-9]\d{4,14}$/);
      expect(readNumber(result.digits)).toMatchObject({ digits: result.digits });
      expect(readNumber(`${result.digits}@s.whatsapp.net`, { defaultCountry })).toEqual({
        ok: true,
        digits: result.digits,
      });
    }),
    { numRuns: 500 },
  );
});

test('the example number of every country survives national, international and digits-only spelling', () => {
  for (const country of getCountries()) {
    const example = getExampleNumber(country, examples);
    if (example === undefined || !example.isValid()) continue;
    const expected = { ok: true, digits: example.number.slice(1) };
    expect(readNumber(example.formatInternational()), country).toEqual(expected);
    expect(readNumber(example.number.slice(1)), country).toMatchObject(expected);
    expect(readNumber(example.number.slice(1), { defaultCountry: country }), country).toEqual(expected);
    expect(readNumber(example.formatNational(), { defaultCountry: country }), country).toMatchObject(expected);
  }
});

test('5,000 numbers take well under a second', () => {
  // Of this thread's processor: other work on the machine does not count.
  const before = process.threadCpuUsage();
  let valid = 0;
  for (let i = 0; i < 5000; i += 1) {
    if (readNumber(`8999${1_000_000 + i}`, { defaultCountry: 'RU' }).ok) valid += 1;
  }
  expect(valid).toBe(5000);
  const { user, system } = process.threadCpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(1000);
});

test('countries have national numbers', () => {
  expect(isCountry('DE')).toBe(true);
  expect(isCountry('XX')).toBe(false);
});
