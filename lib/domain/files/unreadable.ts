/** Thrown for a file that cannot be accepted. `line` counts from 1, as in an editor. `message` is a sentence for the caller and says what to do. */
export class UnreadableFile extends Error {
  override name = 'UnreadableFile';
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** The longest line or CSV record, in characters. A message has at most 4,096, so a longer line cannot be a recipient. */
export const maxLineLength = 128 * 1024;
