/** The longest text of a message, in Unicode code points after NFC (an emoji outside the basic plane is one). */
export const maxTextLength = 4096;

export type TextErrorCode = 'TEXT_EMPTY' | 'TEXT_TOO_LONG' | 'TEXT_CONTROL_CHARACTERS';

export type TextResult =
  | { ok: true; text: string; warnings: string[] }
  | { ok: false; code: TextErrorCode; message: string };

const nothingVisible = /^[\s\p{Cf}]*$/u;
const controlCharacter = /(?![\t\n])\p{Cc}/u;
const repeated = /(\S)\1{10,}/u;
const link =
  /\b(?:https?:\/\/|www\.)\S|\b(?:[a-z0-9-]+\.)+(?:com|net|org|info|biz|io|me|ly|app|ru|de|uk|fr|br|in)\/\S/i;

/**
 * The text as it will be sent: NFC, `\r\n` as `\n`. Refused: nothing visible in it, above `maxTextLength`, control
 * characters other than tab and newline, halves of a character, and U+FFFD, which is what is left of text read in a wrong encoding.
 * What recipients tend to report is only warned about.
 */
export function checkText(text: string): TextResult {
  if (!text.isWellFormed()) return refuse('TEXT_CONTROL_CHARACTERS', 'The text contains half of a character.');
  if (text.includes('\ufffd')) {
    return refuse(
      'TEXT_CONTROL_CHARACTERS',
      'The text has lost characters (U+FFFD) to a wrong encoding; send it as UTF-8.',
    );
  }
  const clean = text.normalize('NFC').replaceAll('\r\n', '\n');
  const control = controlCharacter.exec(clean)?.[0];
  if (control !== undefined) {
    const name = (control.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return refuse('TEXT_CONTROL_CHARACTERS', `The text contains the control character U+${name}.`);
  }
  if (nothingVisible.test(clean)) return refuse('TEXT_EMPTY', 'The text is empty.');
  const length = clean.length <= maxTextLength ? clean.length : lengthOf(clean);
  if (length > maxTextLength) {
    return refuse('TEXT_TOO_LONG', `The text has ${length} characters; ${maxTextLength} are allowed.`);
  }
  const warnings: string[] = [];
  if (repeated.test(clean)) warnings.push('A character is repeated more than ten times in a row.');
  if (link.test(clean)) warnings.push('The text contains a link.');
  return { ok: true, text: clean, warnings };
}

function lengthOf(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function refuse(code: TextErrorCode, message: string): TextResult {
  return { ok: false, code, message };
}
