/** A file that cannot be taken as a whole. `line` counts from 1, as an editor does; `message` is a sentence for the caller that says what to do. */
export class UnreadableFile extends Error {
  override name = 'UnreadableFile';
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** The longest line or CSV record, in characters. A text has at most 4,096 of them, so a longer line holds no recipient. */
export const maxLineLength = 128 * 1024;
