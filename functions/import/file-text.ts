import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';

/** A file that is not what it should be as a whole, with the line that shows it. */
export class UnreadableFile extends Error {
  override name = 'UnreadableFile';
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** Longer lines are no recipients: a text has at most 4,096 characters. */
export const maxLineBytes = 128 * 1024;

/**
 * The text of a file in UTF-8, or in UTF-16 with a byte order mark, without that mark, in parts that end with a line (the last one where the
 * file does). Throws UnreadableFile for any other encoding: guessing would send people other characters than were meant.
 */
export async function* textOf(body: Readable): AsyncGenerator<string> {
  let line = 1;
  let decode = decodeUtf8;
  let rest: Uint8Array = new Uint8Array(0);
  let begun = false;
  const lines = (bytes: Uint8Array): string => {
    const text = decode(bytes, line);
    line += countLines(text);
    return text;
  };
  for await (const chunk of body) {
    rest = rest.length === 0 ? (chunk as Uint8Array) : Buffer.concat([rest, chunk as Uint8Array]);
    if (!begun) {
      // The longest mark has three bytes.
      if (rest.length < 3) continue;
      begun = true;
      ({ decode, rest } = withoutMark(rest));
    }
    const end = endOfLines(rest, decode === decodeUtf8 ? 1 : 2);
    if (end > 0) yield lines(rest.subarray(0, end));
    rest = rest.subarray(end);
    if (rest.length > maxLineBytes) throw new UnreadableFile(line, 'The line is too long to be a recipient.');
  }
  if (!begun) ({ decode, rest } = withoutMark(rest));
  if (rest.length > 0) yield lines(rest);
}

type Decode = (bytes: Uint8Array, firstLine: number) => string;

function withoutMark(bytes: Uint8Array): { decode: Decode; rest: Uint8Array } {
  const [first, second, third] = bytes;
  if (first === 0xef && second === 0xbb && third === 0xbf) return { decode: decodeUtf8, rest: bytes.subarray(3) };
  if (first === 0xff && second === 0xfe) return { decode: decodeUtf16('utf-16le'), rest: bytes.subarray(2) };
  if (first === 0xfe && second === 0xff) return { decode: decodeUtf16('utf-16be'), rest: bytes.subarray(2) };
  return { decode: decodeUtf8, rest: bytes };
}

/** Behind the last whole line, in bytes. CR alone counts only where there is nothing else for long: it may be half of a CRLF. */
function endOfLines(bytes: Uint8Array, unit: 1 | 2): number {
  if (unit === 1) {
    const end = bytes.lastIndexOf(0x0a) + 1;
    return end > 0 || bytes.length <= maxLineBytes ? end : bytes.lastIndexOf(0x0d) + 1;
  }
  for (let at = bytes.length - (bytes.length % 2) - 2; at >= 0; at -= 2) {
    const high = bytes[at];
    const low = bytes[at + 1];
    if ((high === 0 && low === 0x0a) || (high === 0x0a && low === 0)) return at + 2;
  }
  return 0;
}

function decodeUtf8(bytes: Uint8Array, firstLine: number): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) return buffer.toString('utf8');
  let good = 0;
  for (let end = 0; end < buffer.length; good = end) {
    const next = buffer.indexOf(0x0a, end);
    end = next < 0 ? buffer.length : next + 1;
    if (!isUtf8(buffer.subarray(good, end))) break;
  }
  const line = firstLine + countLines(buffer.subarray(0, good).toString('utf8'));
  throw new UnreadableFile(line, 'The line is not UTF-8; save the file as UTF-8 and upload it again.');
}

function decodeUtf16(encoding: 'utf-16le' | 'utf-16be'): Decode {
  return (bytes, firstLine) => {
    try {
      return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      const text = new TextDecoder(encoding, { ignoreBOM: true }).decode(bytes);
      const line = firstLine + countLines(text.slice(0, Math.max(0, text.indexOf('\ufffd'))));
      const message = 'The line is not UTF-16, as the file says it is; save the file as UTF-8 and upload it again.';
      throw Object.assign(new UnreadableFile(line, message), { cause });
    }
  };
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}
