import { textOf } from './file-text.ts';
import { maxLineLength, UnreadableFile } from './unreadable.ts';

/** One record of a CSV file. `line` is the line in which it begins, counted from 1 as in an editor. */
export interface CsvRecord {
  line: number;
  fields: string[];
}

/** The delimiters, the most common one first. */
const delimiters = [',', ';', '\t', '|'];
/** A first line `sep=;`, by which Excel names the delimiter. */
const excelHint = /^"?sep=(.)"?[\s,;|]*$/i;
/** The beginning of JSON: a list or an object. NDJSON begins so, too. */
const json = /^\s*(?:\[\s*[[{\]"]|\{\s*["}])/;
const isDelimiter = (text: string): boolean => delimiters.includes(text);

/**
 * Yields the records of a CSV file (RFC 4180), first the header. Blank records (`;;`) are left out. Line ends may be mixed; inside quotes they
 * become `\n`. Quotes may stand only at both ends of a field; white space around them and the form `="text"` are allowed.
 *
 * `suits` rates the fields of the first record. The delimiter with the highest rating is used, unless the file names one with `sep=`. Throws
 * UnreadableFile, also at a misplaced or unclosed quote, because the records after it would be uncertain.
 */
export async function* csvRecords(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  suits: (fields: string[]) => number,
): AsyncGenerator<CsvRecord> {
  let start = '';
  let reader: CsvReader | undefined;
  for await (const part of textOf(body)) {
    if (reader !== undefined) {
      yield* reader.push(part);
      continue;
    }
    start += part;
    // The delimiter is chosen by the first record. This much of the file contains all of it.
    if (start.length <= maxLineLength) continue;
    const begun = begin(start, suits);
    reader = begun.reader;
    yield* reader.push(begun.text);
  }
  if (reader === undefined) {
    const begun = begin(start, suits);
    reader = begun.reader;
    yield* reader.push(begun.text);
  }
  yield* reader.end();
}

function begin(start: string, suits: (fields: string[]) => number): { reader: CsvReader; text: string } {
  if (json.test(start)) {
    const message =
      'The file is JSON, not CSV. For a contract ask for the import with format "ndjson" and write one object a line; else write a CSV file.';
    throw new UnreadableFile(1, message);
  }
  const lineEnd = start.indexOf('\n');
  const hint = excelHint.exec(lineEnd < 0 ? start : start.slice(0, lineEnd))?.[1];
  if (hint !== undefined) {
    if (!isDelimiter(hint)) {
      throw new UnreadableFile(1, 'The first line names an unknown delimiter; use a comma, a semicolon, a tab or |.');
    }
    return { reader: new CsvReader(hint, 2), text: lineEnd < 0 ? '' : start.slice(lineEnd + 1) };
  }
  let best: { delimiter: string; suits: number; fields: number } | undefined;
  for (const delimiter of delimiters) {
    const fields = firstFields(start, delimiter);
    if (fields === undefined) continue;
    const found = { delimiter, suits: suits(fields), fields: fields.length };
    if (best === undefined || found.suits > best.suits || (found.suits === best.suits && found.fields > best.fields))
      best = found;
  }
  return { reader: new CsvReader(best?.delimiter ?? ',', 1), text: start };
}

function firstFields(start: string, delimiter: string): string[] | undefined {
  const reader = new CsvReader(delimiter, 1);
  try {
    for (const { fields } of reader.push(start)) return fields;
    for (const { fields } of reader.end()) return fields;
  } catch (error) {
    // The quotes do not fit this delimiter.
    if (!(error instanceof UnreadableFile)) throw error;
  }
  return undefined;
}

/**
 * The state of the reader between two characters:
 *
 *   start -> plain | quoted                        a field begins
 *   quoted -> quote                                a quote inside quotes: the end, or the first half of a doubled one
 *   quote -> quoted | closed                       doubled | white space after the end
 *   plain | quote | closed -> start                delimiter or line end
 */
type Place = 'start' | 'plain' | 'quoted' | 'quote' | 'closed';

/** Reads records from text with `\n` as the only line end, in parts of any length. */
class CsvReader {
  readonly #delimiter: string;
  #place: Place = 'start';
  #fields: string[] = [];
  #field = '';
  #line: number;
  #recordLine: number;
  #quoteLine = 0;
  #recordLength = 0;

  constructor(delimiter: string, firstLine: number) {
    this.#delimiter = delimiter;
    this.#line = firstLine;
    this.#recordLine = firstLine;
  }

  *push(text: string): Generator<CsvRecord> {
    let at = 0;
    while (at < text.length) {
      const end = this.#runEnd(text, at);
      if (end > at) {
        this.#takeRun(text.slice(at, end));
        at = end;
        continue;
      }
      const char = text[at] ?? '';
      at += 1;
      this.#recordLength += 1;
      if (this.#place === 'quoted') {
        if (char === '"') this.#place = 'quote';
        else this.#takeQuoted(char);
      } else if (char === '"') {
        this.#takeQuote();
      } else if (char === '\n') {
        const record = this.#endRecord();
        if (record !== undefined) yield record;
      } else {
        this.#endField();
      }
      this.#checkLength();
    }
  }

  *end(): Generator<CsvRecord> {
    if (this.#place === 'quoted') throw this.#unclosed();
    const record = this.#endRecord();
    if (record !== undefined) yield record;
  }

  /** Returns the end of the run of ordinary characters that begins at `at`. */
  #runEnd(text: string, at: number): number {
    let end = at;
    if (this.#place === 'quoted') {
      while (end < text.length && text[end] !== '"' && text[end] !== '\n') end += 1;
    } else {
      while (end < text.length && text[end] !== '"' && text[end] !== '\n' && text[end] !== this.#delimiter) end += 1;
    }
    return end;
  }

  #takeRun(run: string): void {
    this.#recordLength += run.length;
    this.#checkLength();
    if (this.#place === 'quote' || this.#place === 'closed') {
      if (run.trim() !== '') {
        throw new UnreadableFile(
          this.#line,
          `The quote that opens in line ${this.#quoteLine} closes in the middle of a field; double the quotes inside a quoted field.`,
        );
      }
      this.#place = 'closed';
      return;
    }
    if (this.#place === 'start') this.#place = 'plain';
    this.#field += run;
  }

  #takeQuoted(char: string): void {
    this.#field += char;
    if (char === '\n') this.#line += 1;
  }

  #takeQuote(): void {
    if (this.#place === 'quote') {
      this.#field += '"';
      this.#place = 'quoted';
      return;
    }
    // White space before the first quote is ignored, and so is the = of `="79991234567"`, with which spreadsheets keep a number as text.
    const before = this.#field.trim();
    if (this.#place === 'closed' || (before !== '' && before !== '=')) {
      const advice = 'put the whole field into quotes and double the quotes inside.';
      throw new UnreadableFile(this.#line, `A quote stands in the middle of a field; ${advice}`);
    }
    this.#field = '';
    this.#place = 'quoted';
    this.#quoteLine = this.#line;
  }

  #endField(): void {
    this.#fields.push(this.#field);
    this.#field = '';
    this.#place = 'start';
  }

  #endRecord(): CsvRecord | undefined {
    this.#endField();
    const record = { line: this.#recordLine, fields: this.#fields };
    this.#fields = [];
    this.#line += 1;
    this.#recordLine = this.#line;
    this.#recordLength = 0;
    return isBlank(record.fields) ? undefined : record;
  }

  #checkLength(): void {
    if (this.#recordLength <= maxLineLength) return;
    throw this.#place === 'quoted'
      ? this.#unclosed()
      : new UnreadableFile(this.#recordLine, 'The line is too long to be a recipient.');
  }

  #unclosed(): UnreadableFile {
    const advice = 'close it, or double the quotes inside a quoted field.';
    return new UnreadableFile(
      this.#quoteLine,
      `The quote that opens in line ${this.#quoteLine} does not close; ${advice}`,
    );
  }
}

/** Returns whether a record has no content. One field of delimiters alone is blank, too: spreadsheets write such rows at the end of a file. */
function isBlank(fields: string[]): boolean {
  const [only = ''] = fields;
  if (fields.length === 1) return /^[\s,;|]*$/.test(only);
  return fields.every((field) => field.trim() === '');
}
