import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkText, showsNothing } from '../../../lib/domain/messages/text.ts';

describe('a text that can be sent', () => {
  test.each([
    ['Hello', 'Hello'],
    ['  kept as it is \n', '  kept as it is \n'],
    ['one\r\ntwo\tthree\nfour', 'one\ntwo\tthree\nfour'],
    ['cafe\u0301', 'caf\u00e9'],
    ['👩\u200d👩\u200d👧 family', '👩\u200d👩\u200d👧 family'],
  ])('%j becomes %j', (input, text) => {
    expect(checkText(input)).toEqual({ ok: true, text, warnings: [] });
  });

  test('has up to 4,096 characters, an emoji being one', () => {
    expect(checkText('ab'.repeat(2048))).toMatchObject({ ok: true });
    expect(checkText('😀é'.repeat(2048))).toMatchObject({ ok: true });
    // Decomposed: 6,144 before NFC, 4,096 after.
    expect(checkText('e\u0301x'.repeat(2048))).toMatchObject({ ok: true });
  });
});

describe('a text that cannot', () => {
  test.each([
    ['', 'TEXT_EMPTY', 'The text is empty.'],
    [' \n\t ', 'TEXT_EMPTY', 'The text is empty.'],
    ['\u200b\u200d', 'TEXT_EMPTY', 'The text is empty.'],
    ['\u3164', 'TEXT_EMPTY', 'The text is empty.'],
    ['\u2800 \u2800', 'TEXT_EMPTY', 'The text is empty.'],
    [
      '\u115f\u1160\uffa0\u17b4\u17b5\u034f\u180e\u180b\ufe0f\u{e0100}\u{e0020}\u{1d159}',
      'TEXT_EMPTY',
      'The text is empty.',
    ],
    ['\u2061\u206a\ufeff\u00ad\u061c\u2028\u00a0\u3000', 'TEXT_EMPTY', 'The text is empty.'],
    ['x'.repeat(40_000), 'TEXT_TOO_LONG', 'The text has 40000 characters; 4096 are allowed.'],
    [`${'ab'.repeat(2048)}c`, 'TEXT_TOO_LONG', 'The text has 4097 characters; 4096 are allowed.'],
    ['a\u0000b', 'TEXT_CONTROL_CHARACTERS', 'The text contains the control character U+0000.'],
    ['bell\u0007', 'TEXT_CONTROL_CHARACTERS', 'The text contains the control character U+0007.'],
    ['lone\rreturn', 'TEXT_CONTROL_CHARACTERS', 'The text contains the control character U+000D.'],
    ['\u007f', 'TEXT_CONTROL_CHARACTERS', 'The text contains the control character U+007F.'],
    ['next\u0085line', 'TEXT_CONTROL_CHARACTERS', 'The text contains the control character U+0085.'],
    ['half \ud83d', 'TEXT_CONTROL_CHARACTERS', 'The text contains half of a character.'],
  ])('%j is refused as %s', (input, code, message) => {
    expect(checkText(input)).toEqual({ ok: false, code, message });
  });
});

test.each([
  ['\u3164\u2800', true],
  ['\u200d', true],
  ['', true],
  ['\u3164a', false],
  ['\u2801', false],
  ['❤\ufe0f', false],
  ['\ufffc', false],
])('of %j a reader sees nothing: %j', (text, nothing) => {
  expect(showsNothing(text)).toBe(nothing);
});

test('long runs of marks stay in their order, everything around them is NFC', () => {
  const marks = '\u0301\u0316'.repeat(20);
  expect(checkText(`e\u0301 a${marks} e\u0301`)).toMatchObject({ ok: true, text: `\u00e9 a${marks} \u00e9` });
});

describe('warnings', () => {
  const repeated = 'A character is repeated more than ten times in a row.';
  const link = 'The text contains a link.';
  test.each([
    ['aaaaaaaaaa', []],
    ['aaaaaaaaaaa', [repeated]],
    ['😀'.repeat(11), [repeated]],
    ['see https://example.com/pay', [link]],
    ['see www.example.com', [link]],
    ['chat: wa.me/79991234567', [link]],
    ['!!!!!!!!!!! HTTP://X.Y', [repeated, link]],
    ['example.co.uk/x', [link]],
    ['my-shop.com/a', [link]],
    ['.com/a', []],
    ['a.com/ x', []],
    ['I owe 3.50 and/or more. Ok.No', []],
  ])('%j warns %j', (input, warnings) => {
    expect(checkText(input)).toMatchObject({ ok: true, warnings });
  });
});

test('what was accepted is accepted unchanged again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (input) => {
      const first = checkText(input);
      if (!first.ok) return;
      expect(checkText(first.text)).toEqual(first);
    }),
  );
});
