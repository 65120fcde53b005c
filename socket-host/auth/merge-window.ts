import type { KeyRecord } from './encoding.ts';

/** The number of segments that become a run. */
export const runSegments = 64;
/** The most key names, several times the usual number of 64 segments. Beyond it the window begins anew, which bounds memory. */
const maxNames = 2048;

export interface KeyName {
  type: string;
  id: string;
}

/**
 * The segments that the next run will cover: those since the last run, snapshot or reset. It holds the names of the keys changed in them; the
 * values are in the cache.
 */
export class MergeWindow {
  private first: number;
  private last: number;
  private size = 0;
  private changed = new Map<string, KeyName>();

  /** Creates an empty window. `from` is the number of its first segment. */
  constructor(from: number) {
    this.first = from;
    this.last = from - 1;
  }

  get from(): number {
    return this.first;
  }

  get to(): number {
    return this.last;
  }

  /** The bytes of its segments in S3. */
  get bytes(): number {
    return this.size;
  }

  /** Adds segment `number` with its records and its size in bytes. */
  add(number: number, records: Iterable<KeyRecord>, bytes: number): void {
    if (this.changed.size > maxNames) this.restart(number);
    this.last = number;
    this.size += bytes;
    for (const { type, id } of records) this.changed.set(`${type}\0${id}`, { type, id });
  }

  restart(from: number): void {
    this.first = from;
    this.last = from - 1;
    this.size = 0;
    this.changed = new Map();
  }

  due(): boolean {
    return this.last - this.first + 1 >= runSegments && this.changed.size <= maxNames;
  }

  names(): IterableIterator<KeyName> {
    return this.changed.values();
  }
}
