import {
  type CountryCode,
  isSupportedCountry,
  type PhoneNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max';

export type PhoneResult = { ok: true; digits: string } | { ok: false; reason: string };

const maxInputLength = 64;
/** `number@s.whatsapp.net`, also with agent and device: `number_0:12@s.whatsapp.net`. */
const jidForm = /^(\d+)(?:_\d+)?(?::\d+)?@s\.whatsapp\.net$/i;
/** Direction marks and zero-width characters that come along when a number is copied. */
const invisible = /[\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;
const spelling = /^\+?[\d\s()./‐-―−-]+$/;

/**
 * Digits without plus of a valid number (libphonenumber-js/max `isValid`), from any common spelling. `+`, `00` and
 * WhatsApp addresses are international; a leading 0 is national; otherwise national of `defaultCountry` (ISO 3166
 * alpha-2) if valid there, else international if valid. `reason` is a sentence for the caller, without the number.
 */
export function normalisePhone(input: string, defaultCountry?: string): PhoneResult {
  if (input.length > maxInputLength) return refuse('The number is too long.');
  const text = input.normalize('NFKC').replace(invisible, '').trim().replace(/^tel:/i, '');
  if (text === '') return refuse('The number is missing.');
  const jid = jidForm.exec(text)?.[1];
  if (jid !== undefined) return international(jid);
  if (text.includes('@')) return refuse('The address is not number@s.whatsapp.net.');
  if (!spelling.test(text)) return refuse('The number contains other characters than digits and separators.');

  if (text.startsWith('+')) return validDigits(parsePhoneNumberFromString(text, { extract: false }));
  const digits = text.replace(/\D/g, '');
  if (digits.startsWith('00')) return international(digits.slice(2));
  const country = defaultCountry === undefined ? undefined : countryCode(defaultCountry);
  const national =
    country === undefined ? undefined : parsePhoneNumberFromString(text, { defaultCountry: country, extract: false });
  if (isUsable(national)) return validDigits(national);
  if (!digits.startsWith('0')) return international(digits);
  return country === undefined
    ? refuse('The number is national and there is no default country; write it with + and the country code.')
    : refuse(`The number is not valid in ${country}.`);
}

/** Whether `text` is a country (ISO 3166 alpha-2, upper case) that numbers can be national of. */
export function isCountry(text: string): boolean {
  return isSupportedCountry(text);
}

/** The country (ISO 3166 alpha-2) of a number given as digits; undefined when it has none (satellite, free phone). */
export function countryOf(digits: string): string | undefined {
  return parsePhoneNumberFromString(`+${digits}`, { extract: false })?.country;
}

/** A number as logs may show it: `7999***4567`; short ones keep two digits at most. */
export function maskPhone(digits: string): string {
  return digits.length >= 11 ? `${digits.slice(0, 4)}***${digits.slice(-4)}` : `***${digits.slice(-2)}`;
}

function international(digits: string): PhoneResult {
  return validDigits(parsePhoneNumberFromString(`+${digits}`, { extract: false }));
}

/** Some national plans (Germany's) allow more than the 15 digits of E.164, which no WhatsApp number has. */
function isUsable(number: PhoneNumber | undefined): number is PhoneNumber {
  return number?.isValid() === true && number.number.length <= 16;
}

function validDigits(number: PhoneNumber | undefined): PhoneResult {
  if (!isUsable(number)) return refuse('The number is not a valid phone number.');
  return { ok: true, digits: number.number.slice(1) };
}

function countryCode(text: string): CountryCode | undefined {
  const upper = text.toUpperCase();
  return isSupportedCountry(upper) ? upper : undefined;
}

function refuse(reason: string): PhoneResult {
  return { ok: false, reason };
}
