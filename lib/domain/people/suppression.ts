import { addressesOf, type Person, personAt } from './person.ts';

/** Who put a person on the list: the person's own word, a call, or a file. */
export const suppressionSources = ['inbound', 'api', 'import'] as const;
export type SuppressionSource = (typeof suppressionSources)[number];

/** A person this tenant does not write to, by number, by LID, or by both. `at` is epoch milliseconds. */
export interface Suppression {
  tenantId: string;
  phoneNumber?: string;
  lid?: string;
  /** A sentence for people. */
  reason: string;
  source: SuppressionSource;
  /** The account the word came to, and the WhatsApp id of the message it was in. */
  accountId?: string;
  inboundId?: string;
  at: number;
  /** Every address under which the person is on the list. Absent until it is stored, and in entries of earlier versions. */
  addresses?: string[];
}

/**
 * Pure: the number and LID of an entry, then those that complete its addresses: people change their number and keep their LID. A file with
 * all of them puts the person on another list under every address.
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

/** The reason of those whose own word it was. */
export const ownWord = 'The person asked for no more messages.';

/** The reason where the entry that had it is gone. */
export function earlierReason(source: SuppressionSource): string {
  return source === 'inbound' ? ownWord : 'Put on the list earlier.';
}
