import { addressesOf, type Person, personAt } from './person.ts';

/** The source of an entry: an opt-out word, an API call, or a file. */
export const suppressionSources = ['inbound', 'api', 'import'] as const;
export type SuppressionSource = (typeof suppressionSources)[number];

/** A person to whom the tenant sends no messages, by number, by LID, or by both. `at` is epoch milliseconds. */
export interface Suppression {
  tenantId: string;
  phoneNumber?: string;
  lid?: string;
  /** A sentence that the tenant reads. */
  reason: string;
  source: SuppressionSource;
  /** The account to which the person wrote the opt-out word. */
  accountId?: string;
  /** The WhatsApp id of that message. */
  inboundId?: string;
  at: number;
  /** Every address under which the person is on the list. Absent before the entry is stored, and in entries of earlier releases. */
  addresses?: string[];
}

/**
 * Returns pairs of number and LID that together name every address of an entry, first its own pair. There can be several, because people change
 * their number and keep their LID. A file with all pairs puts the person on another list under every address.
 */
export function peopleOf({ phoneNumber, lid, addresses = [] }: Suppression): Person[] {
  const first = { ...(phoneNumber === undefined ? {} : { phoneNumber }), ...(lid === undefined ? {} : { lid }) };
  const people: Person[] = [first];
  const named = new Set(addressesOf(first));
  for (const address of addresses) {
    if (named.has(address)) continue;
    const person = { ...first, ...personAt(address) };
    for (const one of addressesOf(person)) named.add(one);
    people.push(person);
  }
  return people;
}

/** The reason for a person who opted out. */
export const ownWord = 'The person asked for no more messages.';

/** Returns the reason for a person whose entry is gone. */
export function earlierReason(source: SuppressionSource): string {
  return source === 'inbound' ? ownWord : 'Put on the list earlier.';
}
