import { Readable } from 'node:stream';
import { type CountryCode, getExampleNumber, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import examples from 'libphonenumber-js/mobile/examples';
import { describe, expect, it } from 'vitest';
import { readSuppressions } from '../../../functions/api/suppressions/file.ts';
import { csvRows } from '../../../functions/import/read-rows.ts';
import { checkRow } from '../../../lib/accept/rows.ts';
import { textContent } from '../../../lib/domain/content.ts';
import { isSameNumber } from '../../../lib/domain/people/person.ts';
import { addressesMeant, decideNumber, readAddress, readNumber } from '../../../lib/domain/people/phone.ts';

const countries =
  'AE AR AT AU BD DK BR CH CL CN CO DE EG ES FR GB GH ID IL IN IR IT JP KE MA MX MY NG NL PE PH PK PL PT RU SG TR UA US ZA'.split(
    ' ',
  ) as CountryCode[];
const homes = ['DE', 'ID', 'BR', 'US', 'IN', undefined] as const;
const each = 200;

/** Valid mobile numbers as answers print them, the same in every run: the example of the country with other last digits. */
function mobileNumbers(country: CountryCode): string[] {
  const example = getExampleNumber(country, examples)?.number.slice(1) ?? '';
  const found = new Set<string>();
  let seed = example.length * 7919;
  while (found.size < each) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    // Six to nine digits change: the last nine hold the network too.
    const changed = 6 + (found.size % 4);
    const digits = example.slice(0, -changed) + String(seed % 10 ** changed).padStart(changed, '0');
    const number = parsePhoneNumberFromString(`+${digits}`, { extract: false });
    const type = number?.isValid() === true ? number.getType() : undefined;
    const isMobile = type === 'MOBILE' || type === 'FIXED_LINE_OR_MOBILE';
    if (isMobile && number?.country === country && number.number === `+${digits}`) found.add(digits);
  }
  return [...found];
}

const printed = countries.flatMap(mobileNumbers);
const some = printed.filter((_, index) => index % 10 === 0);
const lids = Array.from({ length: 50 }, (_, index) => String(100_000_000_000_000 + index * 7_919_919_919));

describe('a number that answers print is taken back as the same person', () => {
  it('of 200 mobile numbers in each of 40 countries, under five default countries and none', () => {
    expect(printed).toHaveLength(8000);
    const ambiguous: Record<string, Record<string, number>> = {};
    for (const defaultCountry of homes) {
      const counts: Record<string, number> = {};
      for (const digits of printed) {
        const reading = readNumber(digits, { defaultCountry });
        if (reading.ok && isSameNumber(reading.digits, digits)) continue;
        // Mobile here and abroad, and unknown to the tenant: counted below. Known, it is that person.
        expect(reading, `${digits} in ${defaultCountry}`).toMatchObject({ foreign: digits });
        if (!reading.ok || reading.doubt === undefined) throw new Error(`${digits} is not in doubt`);
        expect(reading.doubt.code).toBe('AMBIGUOUS_NUMBER');
        expect(decideNumber(reading, new Set([digits])).digits).toBe(digits);
        counts[reading.doubt.country] = (counts[reading.doubt.country] ?? 0) + 1;
      }
      ambiguous[defaultCountry ?? 'none'] = counts;
    }
    // The exceptions, by default country and the country of the number.
    expect(ambiguous).toEqual({
      DE: {},
      ID: { JP: 200 },
      BR: { PE: 200, DK: 11, RU: 4, TR: 1 },
      US: { SG: 40, DK: 2 },
      IN: { SG: 83 },
      none: {},
    });
  });

  it('by filters and look-ups, whatever else the digits mean', () => {
    for (const defaultCountry of homes) {
      for (const digits of some) {
        const meant = addressesMeant(digits, { defaultCountry });
        expect(meant.ok && meant.addresses[0], `${digits} in ${defaultCountry}`).toBe(digits);
      }
    }
  });

  it('with plus, 00 and as an address of WhatsApp without a doubt', () => {
    for (const defaultCountry of homes) {
      for (const digits of some.filter((_, index) => index % 5 === 0)) {
        for (const text of [`+${digits}`, `00${digits}`, `${digits}@s.whatsapp.net`]) {
          expect(readNumber(text, { defaultCountry })).toEqual({ ok: true, digits });
        }
      }
    }
  });

  it.each(homes)('in files, default country %s', async (defaultCountry) => {
    const contract = Readable.from([
      Buffer.from(`phoneNumber,message\n${some.map((digits) => `${digits},x\n`).join('')}`),
    ]);
    const rows: string[] = [];
    for await (const row of csvRows(contract)) {
      if (!('input' in row)) throw new Error('not read');
      const checked = checkRow(
        { ...row.input, place: row.line, content: textContent('Hi.') },
        { defaultCountry, skipInvalid: false },
      );
      if (!('row' in checked)) throw new Error('refused');
      const { number } = checked;
      rows.push(number === undefined ? '' : decideNumber(number, new Set(some)).digits);
    }
    expect(rows).toEqual(some);
    const list = `phoneNumber\n${some.join('\n')}\n${lids.map((lid) => `lid:${lid}\n`).join('')}`;
    const file = await readSuppressions([Buffer.from(list)], defaultCountry);
    expect(file.errors).toEqual([]);
    const people = file.rows.map(({ person, number }) =>
      number === undefined ? `lid:${person.lid}` : decideNumber(number, new Set(some)).digits,
    );
    expect(people).toEqual([...some, ...lids.map((lid) => `lid:${lid}`)]);
  });

  it('where only a LID is known, as lid: and the LID', () => {
    for (const defaultCountry of homes) {
      for (const lid of lids) {
        expect(readAddress(`lid:${lid}`, { defaultCountry })).toEqual({ ok: true, lid });
        expect(addressesMeant(`lid:${lid}`, { defaultCountry })).toEqual({ ok: true, addresses: [`lid:${lid}`] });
      }
    }
  });
});
