import type { LaneEntry } from '../lib/aws/lanes.ts';
import { type ForSend, readForSend } from '../lib/aws/messages.ts';
import type { Table } from '../lib/aws/table.ts';

/** Entries read at once: as many as one receive gives. */
const atOnce = 10;

/**
 * Messages, texts and contracts of lane entries, read together for those that were taken together. What has changed by the time an entry's
 * turn comes refuses its claim; whether its contract runs is asked apart, right before.
 */
export class ReadAhead {
  private readonly table: Table;
  private readonly known = new Map<string, ForSend>();

  constructor(table: Table) {
    this.table = table;
  }

  clear(): void {
    this.known.clear();
  }

  /** What stands behind `entry`; `upcoming` are those that will be asked for next. */
  async read(entry: LaneEntry, upcoming: LaneEntry[]): Promise<ForSend> {
    const known = this.known.get(entry.m);
    this.known.delete(entry.m);
    if (known !== undefined && known.message?.feedSeq === entry.seq) return known;
    const [first, ...others] = await readForSend(this.table, entry.t, [entry, ...upcoming].slice(0, atOnce));
    this.known.clear();
    for (const read of others) if (read.message !== undefined) this.known.set(read.message.id, read);
    if (first === undefined) throw new Error('a read answered nothing');
    return first;
  }
}
