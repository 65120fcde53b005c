import { isUtf8 } from 'node:buffer';
import { kindBytes, markupKind, otherKind } from './kinds.ts';
import { maxLineLength, UnreadableFile } from './unreadable.ts';

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be';

const marks: { bytes: number[]; encoding: Encoding }[] = [
  { bytes: [0xef, 0xbb, 0xbf], encoding: 'utf-8' },
  { bytes: [0xff, 0xfe], encoding: 'utf-16le' },
  { bytes: [0xfe, 0xff], encoding: 'utf-16be' },
];

const encodingAdvice = {
  'utf-8': 'The line is not UTF-8, perhaps Windows-1252; save the file as "CSV UTF-8" and upload it again.',
  'utf-16le': 'The line is not UTF-16, as the file says; save the file as "CSV UTF-8" and upload it again.',
  'utf-16be': 'The line is not UTF-16, as the file says; save the file as "CSV UTF-8" and upload it again.',
};
const nulAdvice =
  'The line contains a NUL character, so the file is no plain text; save it as "CSV UTF-8" and upload it again.';

/**
 * Yields the text of a file in parts, without its byte order mark. Every line end (LF, CRLF, CR, also mixed) becomes `\n`. Encodings are UTF-8,
 * and UTF-16 with a byte order mark. Throws UnreadableFile for any other: with a guessed encoding people could get wrong characters.
 */
export async function* textOf(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new FileDecoder();
  for await (const chunk of body) {
    const text = decoder.push(chunk);
    if (text !== '') yield text;
  }
  const last = decoder.end();
  if (last !== '') yield last;
}

class FileDecoder {
  #encoding: Encoding | undefined;
  /** Bytes not decoded yet: the beginning of the file until its kind is known, later the beginning of a character. */
  #rest: Uint8Array = new Uint8Array(0);
  #line = 1;
  #begun = false;
  /** The last part ended with CR, which may be half of a CRLF. */
  #afterCr = false;

  push(chunk: Uint8Array): string {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (this.#encoding === undefined && bytes.length < kindBytes) {
      this.#rest = bytes;
      return '';
    }
    return this.#decode(bytes, false);
  }

  end(): string {
    return this.#decode(this.#rest, true);
  }

  #decode(given: Uint8Array, isEnd: boolean): string {
    const bytes = this.#encoding === undefined ? this.#begin(given) : given;
    const encoding = this.#encoding ?? 'utf-8';
    const end = isEnd ? bytes.length : endOfCharacters(bytes, encoding);
    this.#rest = bytes.subarray(end);
    const text = this.#decoded(bytes.subarray(0, end), encoding);
    if (text === '') return '';
    if (!this.#begun) {
      this.#begun = true;
      const markup = markupKind(text);
      if (markup !== undefined) throw new UnreadableFile(1, markup);
    }
    const lines = this.#withLineEnds(text);
    const nul = lines.indexOf('\0');
    if (nul >= 0) throw new UnreadableFile(this.#line + countLineEnds(lines.slice(0, nul)), nulAdvice);
    this.#line += countLineEnds(lines);
    return lines;
  }

  /** Finds the encoding. Returns the bytes after the byte order mark. */
  #begin(bytes: Uint8Array): Uint8Array {
    const mark = marks.find((one) => one.bytes.every((byte, at) => bytes[at] === byte));
    this.#encoding = mark?.encoding ?? 'utf-8';
    if (mark !== undefined) return bytes.subarray(mark.bytes.length);
    const other = otherKind(bytes);
    if (other !== undefined) throw new UnreadableFile(1, other);
    return bytes;
  }

  #decoded(bytes: Uint8Array, encoding: Encoding): string {
    if (encoding === 'utf-8') {
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (isUtf8(buffer)) return buffer.toString('utf8');
    } else {
      const text = soundUtf16(bytes, encoding);
      if (text !== undefined) return text;
    }
    throw new UnreadableFile(this.#lineOfFault(bytes, encoding), encodingAdvice[encoding]);
  }

  #lineOfFault(bytes: Uint8Array, encoding: Encoding): number {
    const sound = encoding === 'utf-8' ? isUtf8 : (part: Uint8Array) => soundUtf16(part, encoding) !== undefined;
    const unit = encoding === 'utf-8' ? 1 : 2;
    const low = encoding === 'utf-16be' ? 1 : 0;
    let goodEnd = 0;
    for (let at = 0; at + unit <= bytes.length; at += unit) {
      const isLineEnd =
        (bytes[at + low] === 0x0a || bytes[at + low] === 0x0d) && (unit === 1 || bytes[at + 1 - low] === 0);
      if (!isLineEnd) continue;
      if (!sound(bytes.subarray(goodEnd, at))) break;
      goodEnd = at + unit;
    }
    const good = new TextDecoder(encoding, { ignoreBOM: true }).decode(bytes.subarray(0, goodEnd));
    return this.#line + countLineEnds(this.#withLineEnds(good));
  }

  #withLineEnds(text: string): string {
    const start = this.#afterCr && text.startsWith('\n') ? 1 : 0;
    this.#afterCr = text.endsWith('\r');
    const own = start === 0 ? text : text.slice(start);
    return own.includes('\r') ? own.replace(/\r\n?/g, '\n') : own;
  }
}

/** Returns the end of the last complete character. */
function endOfCharacters(bytes: Uint8Array, encoding: Encoding): number {
  const { length } = bytes;
  if (encoding === 'utf-8') {
    // A character has at most four bytes, and its first byte tells how many.
    for (let back = 1; back <= Math.min(3, length); back += 1) {
      const byte = bytes[length - back] ?? 0;
      if (byte < 0x80) return length;
      if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? length - back : length;
    }
    return length;
  }
  const even = length - (length % 2);
  const high = bytes[encoding === 'utf-16le' ? even - 1 : even - 2] ?? 0;
  return even > 0 && high >= 0xd8 && high <= 0xdb ? even - 2 : even;
}

/** Returns the text; undefined if it contains half of a surrogate pair. */
function soundUtf16(bytes: Uint8Array, encoding: Encoding): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function countLineEnds(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

/** Yields the lines of a file without their ends, counted from 1. The last line may have no end. Throws UnreadableFile. */
export async function* linesOf(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<{ line: number; text: string }> {
  let line = 0;
  let rest = '';
  for await (const part of textOf(body)) {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) {
      line += 1;
      checkLength(line, text);
      yield { line, text };
    }
    checkLength(line + 1, rest);
  }
  if (rest !== '') yield { line: line + 1, text: rest };
}

function checkLength(line: number, text: string): void {
  if (text.length > maxLineLength) throw new UnreadableFile(line, 'The line is too long to be a recipient.');
}
