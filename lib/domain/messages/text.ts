/** The longest text of a message, in Unicode code points after NFC (an emoji outside the basic plane is one). */
export const maxTextLength = 4096;

export type TextErrorCode = 'TEXT_EMPTY' | 'TEXT_TOO_LONG' | 'TEXT_CONTROL_CHARACTERS';

export type TextResult =
  | { ok: true; text: string; warnings: string[] }
  | { ok: false; code: TextErrorCode; message: string };

/**
 * No text within `maxTextLength` is longer, in UTF-16 units: NFC joins at most four code points into one, and each has at most two units. Longer
 * texts are refused before their characters are looked at.
 */
const mostUnits = maxTextLength * 4 * 2;

/** Text of white space, controls, and characters that show nothing: Hangul fillers, the empty Braille cell, empty notes and glyphs. */
const nothingVisible = /^[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800\u{13441}\u{13442}\u{16fe4}\u{1d159}]*$/u;
const controlCharacter = /(?![\t\n])\p{Cc}/u;
const repeated = /(\S)\1{10}/u;
// It takes linear time: before the dot it matches only one character, so that no part can match in two ways.
const link = /\b(?:https?:\/\/|www\.)\S|[a-z0-9]\.(?:com|net|org|info|biz|io|me|ly|app|ru|de|uk|fr|br|in)\/\S/i;
/** More marks on one character than any language uses; UAX 15, Stream-Safe Text Format, allows 30. */
const manyMarks = /(\p{M}{31,})/u;

/** Returns whether a text shows nothing to a reader. Such a text counts as empty. */
export function showsNothing(text: string): boolean {
  return nothingVisible.test(text);
}

/**
 * Returns the text as it will be sent: in NFC, with `\r\n` as `\n`. It refuses text that shows nothing or is longer than `maxTextLength`. It also
 * refuses control characters other than tab and newline, half characters, and U+FFFD, which remains after decoding with a wrong encoding. For
 * links and repeated characters, which recipients often report, it only warns.
 */
export function checkText(text: string): TextResult {
  if (text.length > mostUnits) return tooLong(lengthOf(text));
  if (!text.isWellFormed()) return refuse('TEXT_CONTROL_CHARACTERS', 'The text contains half of a character.');
  if (text.includes('\ufffd')) {
    return refuse(
      'TEXT_CONTROL_CHARACTERS',
      'The text has lost characters (U+FFFD) to a wrong encoding; send it as UTF-8.',
    );
  }
  const clean = normalised(text).replaceAll('\r\n', '\n');
  const control = controlCharacter.exec(clean)?.[0];
  if (control !== undefined) {
    const name = (control.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return refuse('TEXT_CONTROL_CHARACTERS', `The text contains the control character U+${name}.`);
  }
  if (showsNothing(clean)) return refuse('TEXT_EMPTY', 'The text is empty.');
  const length = clean.length <= maxTextLength ? clean.length : lengthOf(clean);
  if (length > maxTextLength) return tooLong(length);
  const warnings: string[] = [];
  if (repeated.test(clean)) warnings.push('A character is repeated more than ten times in a row.');
  if (link.test(clean)) warnings.push('The text contains a link.');
  return { ok: true, text: clean, warnings };
}

/** Returns the text in NFC. Runs of many marks stay as they are, because sorting them takes quadratic time. */
function normalised(text: string): string {
  if (!manyMarks.test(text)) return text.normalize('NFC');
  return text
    .split(manyMarks)
    .map((part, at) => (at % 2 === 0 ? part.normalize('NFC') : part))
    .join('');
}

function tooLong(length: number): TextResult {
  return refuse('TEXT_TOO_LONG', `The text has ${length} characters; ${maxTextLength} are allowed.`);
}

function lengthOf(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function refuse(code: TextErrorCode, message: string): TextResult {
  return { ok: false, code, message };
}
