import { cut } from '../well-formed.ts';

const csvAdvice = 'save it as "CSV UTF-8" and upload that file';

/** The first bytes of unsupported kinds of files, each with a sentence that says what to do. */
const kinds: { starts: number[][]; sentence: string }[] = [
  {
    // PK: ZIP. XLSX, ODS and Numbers files are ZIP archives.
    starts: [
      [0x50, 0x4b, 0x03, 0x04],
      [0x50, 0x4b, 0x05, 0x06],
    ],
    sentence: `The file is an Excel workbook (XLSX) or another ZIP archive; open it in the spreadsheet program, ${csvAdvice}.`,
  },
  {
    // OLE compound file: XLS of Excel 97 to 2003.
    starts: [[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]],
    sentence: `The file is an old Excel workbook (XLS); open it in the spreadsheet program, ${csvAdvice}.`,
  },
  { starts: [[0x1f, 0x8b]], sentence: 'The file is compressed with gzip; unpack it and upload the file inside.' },
  {
    starts: [
      [0x42, 0x5a, 0x68],
      [0x28, 0xb5, 0x2f, 0xfd],
      [0xfd, 0x37, 0x7a, 0x58, 0x5a],
      [0x37, 0x7a, 0xbc, 0xaf],
      [0x52, 0x61, 0x72, 0x21],
    ],
    sentence: 'The file is a compressed archive; unpack it and upload the file inside.',
  },
  {
    starts: [[0x25, 0x50, 0x44, 0x46, 0x2d]],
    sentence: `The file is a PDF; take the table it was made from, ${csvAdvice}.`,
  },
  {
    // {\rtf
    starts: [[0x7b, 0x5c, 0x72, 0x74, 0x66]],
    sentence: `The file is a text document (RTF); put its table into a spreadsheet program, ${csvAdvice}.`,
  },
  {
    // PNG, JPEG, GIF
    starts: [
      [0x89, 0x50, 0x4e, 0x47],
      [0xff, 0xd8, 0xff],
      [0x47, 0x49, 0x46, 0x38],
    ],
    sentence: `The file is a picture; take the table it shows, ${csvAdvice}.`,
  },
];

/** The number of bytes at the beginning of a file that show its kind. */
export const kindBytes = 512;

/** Returns a sentence for the caller about a file that is no text, by its first bytes; undefined where the file may be text. */
export function otherKind(bytes: Uint8Array): string | undefined {
  const kind = kinds.find(({ starts }) => starts.some((start) => start.every((byte, at) => bytes[at] === byte)));
  return kind?.sentence ?? unmarkedUtf16(bytes);
}

/** Returns the sentence for UTF-16 without a mark. ASCII in UTF-16 has a NUL as every second byte; UTF-8 text has none. */
function unmarkedUtf16(bytes: Uint8Array): string | undefined {
  const start = bytes.subarray(0, kindBytes);
  const zeros = [0, 0];
  start.forEach((byte, at) => {
    if (byte === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1;
  });
  const [even = 0, odd = 0] = zeros;
  const most = Math.max(even, odd);
  // At least a quarter of the characters are ASCII: digits, titles of columns, delimiters, line ends.
  if (most === 0 || most < start.length / 8 || Math.min(even, odd) > most / 8) return undefined;
  return 'The file is UTF-16 without a byte order mark; save it as UTF-8, or as UTF-16 with the mark, and upload it again.';
}

/** Returns a sentence for the caller about a web page, XML (spreadsheet programs save it under other names) or vCards, as phones export them. */
export function markupKind(start: string): string | undefined {
  const head = cut(start, kindBytes).trimStart().toLowerCase();
  if (head.startsWith('<?xml')) return `The file is XML; open it in the spreadsheet program, ${csvAdvice}.`;
  if (head.startsWith('begin:vcard')) {
    return 'The file holds contacts (vCard); export them as CSV and upload that file.';
  }
  if (/^<(?:!doctype|html|head|body|table|meta|!--)/.test(head)) {
    return `The file is a web page (HTML); open it in the spreadsheet program, ${csvAdvice}.`;
  }
  return undefined;
}
