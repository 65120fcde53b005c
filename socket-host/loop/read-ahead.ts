import type { LaneEntry } from '../../lib/aws/accounts/lanes.ts';
import type { Table } from '../../lib/aws/client/table.ts';
import { type ForSend, readForSend } from '../../lib/aws/messages/messages.ts';
import type { Person } from '../../lib/domain/people/person.ts';
import type { Recipients } from '../../lib/sending/admission.ts';
import type { TransportSession } from '../transport.ts';

/** So many entries are read at once: as many as one receive gives. */
const atOnce = 10;

/** The message of a lane entry with its content and contract. `stops`: the account's number of stops, as known before they were read. */
export type Read = ForSend & { stops: number };

/**
 * Messages, contents and contracts of lane entries, read together for those that were taken together. What has changed by the time an entry
 * is sent refuses its claim.
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

  /** Returns the recipient of a message to `to`; with `all`, `next` has the recipients of messages that were read and not asked for. */
  recipients(to: string, session: Pick<TransportSession, 'personAt'>, all: boolean): Recipients {
    const person = (address: string): Person => session.personAt(address);
    const others = () => (all ? [...this.known.values()] : []).flatMap(({ message }) => message?.to ?? []);
    return { own: person(to), next: () => others().map(person) };
  }

  /** Returns what stands behind `entry`. `upcoming`: the entries that will be asked for next; `stops`: the account's number of stops, as known now. */
  async read(entry: LaneEntry, upcoming: LaneEntry[], stops: number): Promise<Read> {
    const known = this.known.get(entry.m);
    this.known.delete(entry.m);
    if (known !== undefined && known.message?.feedSeq === entry.seq) return known;
    const [first, ...others] = await readForSend(this.table, [entry, ...upcoming].slice(0, atOnce));
    this.known.clear();
    for (const read of others) if (read.message !== undefined) this.known.set(read.message.id, { ...read, stops });
    if (first === undefined) throw new Error('a read answered nothing');
    return { ...first, stops };
  }
}
