import type { LaneEntry } from '../../lib/aws/accounts/lanes.ts';
import type { Table } from '../../lib/aws/client/table.ts';
import { type ForSend, readForSend } from '../../lib/aws/messages/messages.ts';
import type { Person } from '../../lib/domain/people/person.ts';
import type { Recipients } from '../../lib/sending/admission.ts';
import type { TransportSession } from '../transport.ts';

/** Entries that are read at once: as many as one SQS receive returns. */
const atOnce = 10;

/** The message of a lane entry with its content and contract. `stops`: the account's number of stops, known before the read. */
export type Read = ForSend & { stops: number };

/**
 * Reads messages, contents and contracts together for lane entries that were taken together. If they change before an entry is sent, its claim
 * is refused.
 */
export class ReadAhead {
  private readonly table: Table;
  private readonly known = new Map<string, Read>();

  constructor(table: Table) {
    this.table = table;
  }

  clear(): void {
    this.known.clear();
  }

  /** Returns the recipient of a message to `to`. With `all`, `next` returns the recipients of the messages read ahead. */
  recipients(to: string, session: Pick<TransportSession, 'personAt'>, all: boolean): Recipients {
    const person = (address: string): Person => session.personAt(address);
    const others = () => (all ? [...this.known.values()] : []).flatMap(({ message }) => message?.to ?? []);
    return { own: person(to), next: () => others().map(person) };
  }

  /** Returns the message behind `entry`. `upcoming`: the entries to be read next. `stops`: the account's number of stops as known now. */
  async read(entry: LaneEntry, upcoming: LaneEntry[], stops: number): Promise<Read> {
    const known = this.known.get(entry.m);
    this.known.delete(entry.m);
    if (known !== undefined && known.message?.feedSeq === entry.seq) return known;
    const [first, ...others] = await readForSend(this.table, [entry, ...upcoming].slice(0, atOnce));
    this.known.clear();
    for (const read of others) if (read.message !== undefined) this.known.set(read.message.id, { ...read, stops });
    if (first === undefined) throw new Error('a read returned nothing');
    return { ...first, stops };
  }
}
