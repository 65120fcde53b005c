import {
  type CountryCode,
  getCountryCallingCode,
  isSupportedCountry,
  type PhoneNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max';
import { planNumber, spellingsOf } from './person.ts';

/** The doubt about a number. `country` is the country of the foreign reading: ISO 3166 alpha-2, or `+` and a calling code without a country. */
export interface NumberDoubt {
  code: 'AMBIGUOUS_NUMBER' | 'FOREIGN_NUMBER';
  country: string;
}

/** A number as it was read. `digits`: international, without plus. */
export interface NumberReading {
  ok: true;
  digits: string;
  doubt?: NumberDoubt;
  /** The foreign number that the input can also mean. The caller looks for both numbers and calls `decideNumber`. */
  foreign?: string;
}

/** An input that is no number. `reason` is a sentence for the caller and does not repeat the input. */
export interface NumberRefusal {
  ok: false;
  reason: string;
}

/** A LID (digits): WhatsApp's hidden id of a person. */
export interface LidReading {
  ok: true;
  lid: string;
}

export interface NumberOptions {
  /** ISO 3166 alpha-2, in upper or lower case. Without one, no number is national. */
  defaultCountry?: string | undefined;
}

/**
 * Reads the number that an input means:
 *
 *   `+`, `00`, a WhatsApp address   international only
 *   a leading 0                     national of the default country
 *   digits alone                    1. an international number of the default country
 *                                   2. the national or the foreign reading, if only one of them is valid
 *                                   3. the mobile one of the two, if only one of them is mobile
 *                                   4. the national one, with `foreign` and the doubt AMBIGUOUS_NUMBER: see `decideNumber`
 *
 * A foreign reading of digits alone has the doubt FOREIGN_NUMBER. Digits of every script are read. WhatsApp's own spellings of Brazilian, Mexican
 * and Argentine numbers (`person.ts`) stay as they are written. A LID, or a number that a spreadsheet has damaged, is refused with a special
 * sentence.
 */
export function readNumber(input: string, options: NumberOptions = {}): NumberReading | NumberRefusal {
  const written = readWritten(input);
  if ('ok' in written) return written;
  if (written.form === 'lid') return refuse(lidRefusal);
  return chosenOf(readingsOf(written, countryOption(options)));
}

/** Reads a number as `readNumber` does, or a LID: `lid:` and digits, or `<digits>@lid`. For calls about a person known only by LID. */
export function readAddress(input: string, options: NumberOptions = {}): NumberReading | LidReading | NumberRefusal {
  const written = readWritten(input);
  if (!('ok' in written) && written.form === 'lid') return { ok: true, lid: written.digits };
  return readNumber(input, options);
}

/**
 * Chooses between the two readings of a number. `known`: numbers (digits, in any spelling) of people whom the tenant knows. It returns the foreign
 * number if that is known, because answers print such digits for it. Else it returns the national number, without a doubt if that is known.
 */
export function decideNumber(reading: NumberReading, known: ReadonlySet<string>): NumberReading {
  const { digits, doubt, foreign } = reading;
  if (foreign === undefined || doubt === undefined) return reading;
  const isKnown = (number: string) => spellingsOf(number).some((spelling) => known.has(spelling));
  if (isKnown(foreign)) return { ok: true, digits: foreign, doubt: { ...doubt, code: 'FOREIGN_NUMBER' } };
  if (isKnown(digits)) return { ok: true, digits };
  return { ok: true, digits, doubt };
}

/** Returns the sentence that refuses a number in doubt (`requirePlus`). */
export function doubtSentence({ code, country }: NumberDoubt): string {
  return code === 'AMBIGUOUS_NUMBER'
    ? `Without + the number can be national or one of ${country}; write it with + and the country code.`
    : `Without + the number is read as one of ${country}; write it with + and the country code.`;
}

/** Returns the warning about a number in doubt that was accepted. */
export function doubtWarning({ code, country }: NumberDoubt): string {
  return code === 'AMBIGUOUS_NUMBER'
    ? `AMBIGUOUS_NUMBER: without + the number can be one of ${country} too and is read as national. Write + and the country code.`
    : `FOREIGN_NUMBER: without + the number is read as one of ${country}. Write + and the country code to be sure.`;
}

/**
 * Returns every address (digits, or `lid:` and digits) that an input can mean, for filters and look-ups. The digits as written come first, because
 * answers print numbers so. Then come all other readings, each in every spelling that WhatsApp uses.
 */
export function addressesMeant(
  input: string,
  options: NumberOptions = {},
): { ok: true; addresses: string[] } | NumberRefusal {
  const written = readWritten(input);
  if ('ok' in written) return written;
  const { form, digits } = written;
  if (form === 'lid') return { ok: true, addresses: [`lid:${digits}`] };
  const readings = readingsOf(written, countryOption(options));
  const chosen = chosenOf(readings);
  // Answers show a LID without its prefix in the field `lid`.
  const isBareLid = form === 'digits' && /^\d{14,20}$/.test(digits);
  // Answers also print numbers of people who wrote to an account. The numbering plans do not know all of them.
  const isPrinted = form === 'digits' && printedForm.test(digits);
  if (!chosen.ok && !isBareLid && !isPrinted) return chosen;
  const numbers = [
    ...(isPrinted ? [digits] : []),
    ...(chosen.ok ? [chosen.digits] : []),
    ...[readings.foreign, readings.national].flatMap((reading) => reading?.digits ?? []),
  ];
  const lids = isBareLid ? [`lid:${digits}`] : [];
  return { ok: true, addresses: [...new Set([...numbers.flatMap((number) => spellingsOf(number)), ...lids])] };
}

/** Returns whether `text` is the code (ISO 3166 alpha-2, upper case) of a country with national numbers. */
export function isCountry(text: string): boolean {
  return isSupportedCountry(text);
}

/** The form in which answers print numbers. */
const printedForm = /^[1-9]\d{4,14}$/;

const maxInputLength = 64;
/** Direction marks, soft hyphens, joiners and variation selectors. A copied number can contain them. */
const invisible = /\p{Default_Ignorable_Code_Point}/gu;
const separators = /[\s()[\]./·•‐-―−-]/g;
/** A WhatsApp address, also with agent and device: `number_0:12@s.whatsapp.net`. Other gateways write `@c.us`. */
const jidForm = /^\+?(\d+)(?:_\d+)?(?::\d+)?@(?:s\.whatsapp\.net|c\.us)$/i;
const lidForms = [/^lid:\s*(\d{5,20})$/i, /^(\d{5,20})(?:_\d+)?(?::\d+)?@lid$/i];

const lidRefusal =
  'A LID is no phone number, and messages are sent to phone numbers. Write the number of the person instead.';

/** Text that spreadsheets and other programs leave in a cell in place of a number. The patterns are narrow, because common spellings look similar. */
const traces: readonly { form: RegExp; reason: string }[] = [
  {
    form: /^(?:null|nan|none|nil|undefined|n\/a|[-−–—]+)$/i,
    reason: 'The number is missing: the cell holds the sign of another program for an empty value.',
  },
  {
    form: /^#/,
    reason:
      'The cell holds an error or a filler of a spreadsheet. Format the column as text, widen it, and enter the number again.',
  },
  {
    form: /^=/,
    reason: 'The cell holds a formula of a spreadsheet. Format the column as text and enter the number itself.',
  },
  {
    // 7.9E+10, 7,9E+10, 7.9×10^10
    form: /^[+-]?\d+(?:[.,]\d*)?\s*(?:e[+−-]?|[×x*]\s*10\^\+?)\s*\d+$/i,
    reason:
      'A spreadsheet has turned the number into scientific notation, and digits are lost. Format the column as text and enter the number again.',
  },
  {
    // 491701234567.0, 491701234567,50
    form: /[.,]0$|^[+-]?\d{7,}(?:[.,]\d{1,2}|[.,]0+)$/,
    reason:
      'A spreadsheet has turned the number into a decimal one. Format the column as text, and remove the point and the digits after it.',
  },
  {
    // 491,701,234,567
    form: /^[+-]?\d{1,3}(?:,\d{2,3})+(?:\.\d+)?$/,
    reason: 'A spreadsheet has grouped the digits by commas. Format the column as text and enter the number again.',
  },
  {
    // 30.11.2026, 11/30/2026, 2026-11-30
    form: /^(?:(?:19|20)\d\d([-./])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])|(?:0?[1-9]|[12]\d|3[01])([-./])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d)$/,
    reason: 'The cell holds a date. Format the column as text and enter the number again.',
  },
  {
    form: /^[-−]\s*\d/,
    reason:
      'The number is negative, as if a spreadsheet had calculated it. Format the column as text and enter the number again.',
  },
];

/** An input by its form, without separators. `digits` of form `international` are without `+` and `00`; those of `national` begin with 0. */
interface Written {
  form: 'international' | 'national' | 'digits' | 'lid';
  digits: string;
  /** Only for form `digits`: whether separators were between them. People write numbers so, answers never do. */
  isSeparated?: boolean;
}

function readWritten(input: string): Written | NumberRefusal {
  if (input.length > maxInputLength) return refuse('The number is too long.');
  const text = asciiDigits(input.normalize('NFKC').replace(invisible, ''))
    .trim()
    .replace(/^(?:tel|whatsapp):\s*/i, '')
    // An apostrophe marks a text in a spreadsheet.
    .replace(/^['’]\s*(?=[+(\d])/, '');
  if (text === '') return refuse('The number is missing.');
  for (const form of lidForms) {
    const lid = form.exec(text)?.[1];
    if (lid !== undefined) return { form: 'lid', digits: lid };
  }
  const jid = jidForm.exec(text)?.[1];
  if (jid !== undefined) return { form: 'international', digits: jid };
  if (text.includes('@')) return refuse('The address is not number@s.whatsapp.net.');
  for (const { form, reason } of traces) if (form.test(text)) return refuse(reason);
  // Programs name a copy like this: +49 170 1234567 (2). With the 2 it would be the number of another person.
  if (/\d.*\(\d{1,3}\)$/.test(text)) return refuse('The number ends with digits in brackets; write the number alone.');
  const core = text.replace(separators, '');
  // Text that runs from right to left may have the plus at its end.
  const match = /^(?:\+?(\d+)|(\d+)\+)$/.exec(core);
  const digits = match?.[1] ?? match?.[2];
  if (digits === undefined) return refuse('The number contains other characters than digits and separators.');
  // Australia dials 0011 for 00. No country code begins with 11.
  if (digits.startsWith('0011')) return { form: 'international', digits: digits.slice(4) };
  if (digits.startsWith('00')) return { form: 'international', digits: digits.slice(2) };
  if (core.includes('+')) return { form: 'international', digits };
  if (digits.startsWith('0')) return { form: 'national', digits };
  return { form: 'digits', digits, isSeparated: core !== text };
}

/** Returns the text with digits of any script (`\p{Nd}`) as 0 to 9. Unicode has them in runs of ten. Some runs are adjacent, hence the modulo. */
function asciiDigits(text: string): string {
  return text.replace(/(?![0-9])\p{Nd}/gu, (digit) => {
    const at = digit.codePointAt(0) ?? 0;
    let first = at;
    while (first > 0 && isDigit(String.fromCodePoint(first - 1))) first -= 1;
    return String((at - first) % 10);
  });
}

const isDigit = (character: string): boolean => /\p{Nd}/u.test(character);

interface ValidNumber {
  digits: string;
  country: string;
  callingCode: string;
  /** The number can be a mobile one. Some numbering plans do not separate mobile and fixed numbers. */
  isMobile: boolean;
}

/** The valid readings of an input. If there is `final`, it is the only one that counts. */
interface Readings {
  final?: ValidNumber | undefined;
  national?: ValidNumber | undefined;
  foreign?: ValidNumber | undefined;
  /** The sentence for an input without a valid reading. */
  reason: string;
}

function readingsOf({ form, digits, isSeparated }: Written, country: CountryCode | undefined): Readings {
  const invalid = 'The number is not a valid phone number.';
  if (form === 'international') return { final: international(digits), reason: invalid };
  if (form === 'national') {
    if (country !== undefined) {
      const reason = `The number is not valid in ${country}.`;
      return { final: national(digits, country) ?? nationalOwnSpelling(digits, country), reason };
    }
    return {
      reason: 'The number is national and there is no default country; write it with + and the country code.',
    };
  }
  const abroad = international(digits);
  if (country === undefined) return { foreign: abroad, reason: invalid };
  const callingCode = getCountryCallingCode(country);
  if (abroad?.callingCode === callingCode) return { final: abroad, reason: invalid };
  const home =
    national(digits, country) ??
    // With separators, (47) 9912-3456 is a number of Joinville without the ninth digit. Answers print the same digits for a mobile number of Norway.
    (country === 'BR' && isSeparated === true ? nationalOwnSpelling(digits, country) : undefined);
  // If there is a national reading, a foreign one counts only in the form that answers print, without a trunk prefix inside.
  const foreign = home === undefined || abroad?.digits === digits ? abroad : undefined;
  if (home === undefined && foreign === undefined) {
    return { national: nationalOwnSpelling(digits, country), reason: invalid };
  }
  return { national: home, foreign, reason: invalid };
}

function chosenOf({ final, national, foreign, reason }: Readings): NumberReading | NumberRefusal {
  if (final !== undefined) return { ok: true, digits: final.digits };
  if (foreign === undefined) return national === undefined ? refuse(reason) : { ok: true, digits: national.digits };
  const { digits, country } = foreign;
  if (national === undefined || (foreign.isMobile && !national.isMobile)) {
    return { ok: true, digits, doubt: { code: 'FOREIGN_NUMBER', country } };
  }
  if (national.isMobile && !foreign.isMobile) return { ok: true, digits: national.digits };
  return { ok: true, digits: national.digits, doubt: { code: 'AMBIGUOUS_NUMBER', country }, foreign: digits };
}

/** Prefixes that Mexicans dialled until 2019 and still write: 044 and 045 before mobile numbers, 01 before numbers of other areas. */
const mexicanPrefix = /^520(?:1|44|45)(?=[2-9]\d{9}$)/;

/** Returns the number if it is valid internationally. A number in WhatsApp's own spelling stays as it is. */
function international(given: string): ValidNumber | undefined {
  const digits = given.replace(mexicanPrefix, '52');
  const number = validNumber(parsePhoneNumberFromString(`+${digits}`, { extract: false }));
  const plan = planNumber(number?.digits ?? digits);
  if (plan === (number?.digits ?? digits)) return number;
  const planned = validNumber(parsePhoneNumberFromString(`+${plan}`, { extract: false }));
  if (planned === undefined) return number;
  return number === undefined ? { ...planned, digits } : { ...number, isMobile: number.isMobile || planned.isMobile };
}

function national(digits: string, country: CountryCode): ValidNumber | undefined {
  const callingCode = getCountryCallingCode(country);
  if (mexicanPrefix.test(callingCode + digits)) return international(callingCode + digits);
  const parsed = parsePhoneNumberFromString(digits, { defaultCountry: country, extract: false });
  if (parsed === undefined) return undefined;
  if (parsed.countryCallingCode !== callingCode) {
    // A prefix for calls abroad counts only if it begins with 0 (011 in the US). Finland's 99 begins numbers of other countries, too.
    return digits.startsWith('0') ? international(parsed.number.slice(1)) : undefined;
  }
  const number = validNumber(parsed);
  if (number === undefined) return undefined;
  return planNumber(number.digits) === number.digits ? number : (international(number.digits) ?? number);
}

/** Reads a national number in WhatsApp's own spelling: Brazilians still write mobile numbers without the ninth digit. */
function nationalOwnSpelling(digits: string, country: CountryCode): ValidNumber | undefined {
  const whole = `${getCountryCallingCode(country)}${digits.replace(/^0/, '')}`;
  return planNumber(whole) === whole ? undefined : international(whole);
}

function validNumber(number: PhoneNumber | undefined): ValidNumber | undefined {
  // Some numbering plans (Germany's) allow more than the 15 digits of E.164. No number on WhatsApp has more.
  if (number?.isValid() !== true || number.number.length > 16) return undefined;
  const type = number.getType();
  return {
    digits: number.number.slice(1),
    country: number.country ?? `+${number.countryCallingCode}`,
    callingCode: number.countryCallingCode,
    isMobile: type === 'MOBILE' || type === 'FIXED_LINE_OR_MOBILE',
  };
}

function countryOption({ defaultCountry }: NumberOptions): CountryCode | undefined {
  const upper = defaultCountry?.toUpperCase();
  return upper !== undefined && isSupportedCountry(upper) ? upper : undefined;
}

function refuse(reason: string): NumberRefusal {
  return { ok: false, reason };
}
