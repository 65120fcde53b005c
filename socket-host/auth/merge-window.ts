import type { KeyRecord } from './encoding.ts';

/** This many segments become a run. */
export const runSegments = 64;
/** Several times what 64 segments usually change; beyond it the window begins anew and its segments stay unmerged, to bound memory. */
const maxNames = 2048;

export interface KeyName {
  type: string;
  id: string;
}

/**
 * The segments since the last run, snapshot or reset, and the names of the keys changed in them: what the next run will cover. Names
 * only; the values are in the cache.
 */
export class MergeWindow {
  private first: number;
  private last: number;
  private size = 0;
  private changed = new Map<string, KeyName>();

  /** Empty; `from` is the number of the first segment that will be in it. */
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

  /** What its segments take in S3. */
  get bytes(): number {
    return this.size;
  }

  /** Segment `number` follows, with what it changed and its size in bytes. */
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
