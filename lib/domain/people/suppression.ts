import { addressesOf, type Person, personAt } from './person.ts';

/** Who put a person on the list: the person's own word, a call, or a file. */
export const suppressionSources = ['inbound', 'api', 'import'] as const;
export type SuppressionSource = (typeof suppressionSources)[number];

/** A person to whom the tenant sends no messages, by number, by LID, or by both. `at` is epoch milliseconds. */
export interface Suppression {
  tenantId: string;
  phoneNumber?: string;
  lid?: string;
  /** A sentence for the tenant's people. */
  reason: string;
  source: SuppressionSource;
  /** The account to which the person wrote the word, and the WhatsApp id of that message. */
  accountId?: string;
  inboundId?: string;
  at: number;
  /** Every address under which the person is on the list. Absent until it is stored, and in entries of earlier releases. */
  addresses?: string[];
}

/**
 * Returns the number and LID of an entry, then further pairs until every address of the entry is named: people change their number and keep their
 * LID. A file with all of these pairs puts the person on another list under every address.
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
