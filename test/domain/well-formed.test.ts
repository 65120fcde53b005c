import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cut, findIllFormed, mended } from '../../lib/domain/well-formed.ts';

describe('a cut', () => {
  test.each([
    ['abc', 3, 'abc'],
    ['abcd', 3, 'abc'],
    ['ab\u{1f600}', 3, 'ab'],
    ['ab\u{1f600}', 4, 'ab\u{1f600}'],
    ['\u{1f600}\u{1f600}', 3, '\u{1f600}'],
    ['a\ud800b', 3, 'a\ufffdb'],
    ['ab\ud83d', 3, 'ab\ufffd'],
    ['\udc00ab', 2, '\ufffda'],
    ['', 3, ''],
  ])('of %j at %i is %j', (text, most, expected) => {
    expect(cut(text, most)).toBe(expected);
  });

  test('is well-formed, and a beginning of what was well-formed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(12), (text, most) => {
        const kept = cut(text, most);
        expect(kept.isWellFormed()).toBe(true);
        expect(kept.length).toBeLessThanOrEqual(most);
        if (text.isWellFormed()) expect(text.startsWith(kept)).toBe(true);
      }),
    );
  });
});

describe('ill-formed strings of a value', () => {
  test('are found in lists, objects and names of fields', () => {
    const value = { a: 'x\ud800', b: [{ c: '\udc00' }, 'fine \u{1f600}'], 'd\ud83d': 1, e: null };
    expect(findIllFormed(value)).toEqual([
      { path: ['a'], kind: 'value' },
      { path: ['b', 0, 'c'], kind: 'value' },
      { path: ['d\ud83d'], kind: 'name' },
    ]);
  });

  test('are found at any depth', () => {
    const depth = 100_000;
    const value: unknown = JSON.parse(`${'['.repeat(depth)}"\\ud800"${']'.repeat(depth)}`);
    expect(findIllFormed(value)[0]?.path).toHaveLength(depth);
  });

  test('are mended, and what is whole stays the same object', () => {
    const bytes = Uint8Array.of(1);
    expect(mended({ a: 'x\ud800', 'd\ud83d': ['\udc00', 1, null, bytes] })).toEqual({
      a: 'x\ufffd',
      'd\ufffd': ['\ufffd', 1, null, bytes],
    });
    const whole = { a: ['\u{1f600}', { b: 1 }], c: new Set(['x']), d: bytes };
    expect(mended(whole)).toBe(whole);
  });
});
