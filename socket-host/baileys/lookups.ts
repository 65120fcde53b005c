import { isPnUser, jidDecode, USyncQuery, USyncUser, type WASocket } from '@whiskeysockets/baileys';
import { isSameNumber, type Person, personAt, spellingsOf } from '../../lib/domain/people/person.ts';
import type { AuthStore } from '../auth/store.ts';
import type { AccountCaches } from './caches.ts';
import { keepAnswers } from './device-lists.ts';

const dayMs = 24 * 3_600_000;
/** A "no" is asked again after this, because a person may join any day. A person who has left shows by messages that are not delivered. */
const noIsGoodForMs = dayMs;
const yesIsGoodForMs = 90 * dayMs;
/** Keys of this type map a number that WhatsApp answered with to the number asked, where the two are spellings of one number. */
const askedType = 'asked';

/** Returns the number (digits) under which WhatsApp knows a number: for most the number itself. Messages go to the returned one. */
export function knownAddress(store: AuthStore, number: string): string {
  return store.getLookup(number)?.address ?? number;
}

/** Returns the LID behind a number; undefined until WhatsApp has given it. */
export function knownLid(store: AuthStore, number: string): string | undefined {
  return mappedLid(store, number) ?? mappedLid(store, knownAddress(store, number));
}

function mappedLid(store: AuthStore, number: string): string | undefined {
  const lid = store.get('lid-mapping', number);
  return typeof lid === 'string' ? lid : undefined;
}

/** Returns the number behind a LID; undefined until WhatsApp has given it. */
export function knownNumber(store: AuthStore, lid: string): string | undefined {
  const number = store.get('lid-mapping', `${lid}_reverse`);
  return typeof number === 'string' ? number : undefined;
}

/** Returns the person behind a number, as far as the account knows. */
export function knownPerson(store: AuthStore, phoneNumber: string): Person & { phoneNumber: string } {
  const address = knownAddress(store, phoneNumber);
  const lid = knownLid(store, phoneNumber);
  return {
    phoneNumber,
    ...(isSameNumber(address, phoneNumber) ? {} : { otherNumber: address }),
    ...(lid === undefined ? {} : { lid }),
  };
}

/** Returns the person behind an address that messages carry (a number, or `lid:` and a LID), as far as the account knows. */
export function personBehind(store: AuthStore, address: string): Person {
  const person = personAt(address);
  return person.phoneNumber === undefined ? person : knownPerson(store, person.phoneNumber);
}

/**
 * Returns every address under which the account may know a person, from number, LID or both: numbers as digits, LIDs as `lid:` and digits. Numbers
 * for which messages were ordered are among them, if WhatsApp has answered them with the person's number.
 */
export function addressesKnown(store: AuthStore, { phoneNumber, lid }: Person): string[] {
  const own = [phoneNumber, lid === undefined ? undefined : knownNumber(store, lid)].flatMap((one) => one ?? []);
  const asked = own.map((number) => store.get(askedType, number)).filter((one) => typeof one === 'string');
  const lids = [lid, ...own.map((number) => knownLid(store, number))].flatMap((one) => one ?? []);
  return [...new Set([...own, ...asked, ...lids.map((one) => `lid:${one}`)])];
}

/** Returns whether a number is on WhatsApp, without asking; undefined when WhatsApp must be asked. A LID proves it, and answers are kept. */
export function knownLookup(store: AuthStore, number: string, nowMs: number): boolean | undefined {
  if (mappedLid(store, number) !== undefined) return true;
  const answer = store.getLookup(number);
  if (answer === undefined) return undefined;
  // Answers that an earlier version kept do not say which spelling WhatsApp knows.
  if (answer.onWhatsApp && answer.address === undefined && spellingsOf(number).length > 1) return undefined;
  const goodForMs = answer.onWhatsApp ? yesIsGoodForMs : noIsGoodForMs;
  return nowMs - answer.at < goodForMs ? answer.onWhatsApp : undefined;
}

/**
 * Asks WhatsApp about one number, never about several: accounts that look numbers up in bulk get banned. One query gives everything that a first
 * message needs: whether the number is on WhatsApp, the address to send to, the LID, the devices. Returns undefined and keeps nothing when the
 * server does not answer for this number. Baileys' own `onWhatsApp` would answer "no" then.
 */
export async function askLookup(
  sock: WASocket,
  store: AuthStore,
  caches: AccountCaches,
  number: string,
): Promise<boolean | undefined> {
  const user = new USyncUser().withPhone(`+${number}`);
  const query = new USyncQuery().withContactProtocol().withDeviceProtocol().withLIDProtocol().withUser(user);
  const list = (await sock.executeUSyncQuery(query))?.list ?? [];
  const [answer] = list;
  if (typeof answer?.contact !== 'boolean') return undefined;
  if (!answer.contact) {
    store.setLookup(number, false);
    return false;
  }
  await keepAnswers(sock, store, caches, list);
  keepAddress(store, number, (isPnUser(answer.id) ? jidDecode(answer.id)?.user : undefined) ?? number);
  return true;
}

/** Notes that a number is on WhatsApp, under this address (digits). */
export function keepAddress(store: AuthStore, number: string, address: string): void {
  store.setLookup(number, true, address);
  if (isSameNumber(address, number)) return;
  // A later commit writes it. A host that has lost the account writes nothing.
  store.set({ [askedType]: { [address]: number } }).catch(() => undefined);
}
