import { USyncQuery, USyncUser, type WASocket } from '@whiskeysockets/baileys';
import type { Person } from '../../lib/domain/person.ts';
import type { AuthStore } from '../auth/store.ts';

const dayMs = 24 * 3_600_000;
/** Somebody may join any day, so a "no" is asked again soon; who has left shows by messages that are not delivered. */
const noIsGoodForMs = dayMs;
const yesIsGoodForMs = 90 * dayMs;

/** The LID behind a number, as far as WhatsApp has told. */
export function knownLid(store: AuthStore, number: string): string | undefined {
  const lid = store.get('lid-mapping', number);
  return typeof lid === 'string' ? lid : undefined;
}

/** The number behind a LID, likewise. */
export function knownNumber(store: AuthStore, lid: string): string | undefined {
  const number = store.get('lid-mapping', `${lid}_reverse`);
  return typeof number === 'string' ? number : undefined;
}

/** Every address under which the account may know a person, from one or both: numbers as digits, LIDs as `lid:` and digits. */
export function addressesKnown(store: AuthStore, { phoneNumber, lid }: Person): string[] {
  const numbers = [phoneNumber, lid === undefined ? undefined : knownNumber(store, lid)].flatMap((one) => one ?? []);
  const lids = [lid, ...numbers.map((number) => knownLid(store, number))].flatMap((one) => one ?? []);
  return [...new Set([...numbers, ...lids.map((one) => `lid:${one}`)])];
}

/** What is known without asking WhatsApp: a LID mapping proves the account, answers are kept with the keys. */
export function knownLookup(store: AuthStore, number: string, nowMs: number): boolean | undefined {
  if (knownLid(store, number) !== undefined) return true;
  const answer = store.getLookup(number);
  if (answer === undefined) return undefined;
  const goodForMs = answer.onWhatsApp ? yesIsGoodForMs : noIsGoodForMs;
  return nowMs - answer.at < goodForMs ? answer.onWhatsApp : undefined;
}

/**
 * Asks WhatsApp about one number, never about several: looking numbers up in bulk gets accounts banned. Undefined, and nothing kept,
 * when the server does not answer for this number. Baileys' own `onWhatsApp` cannot tell that from a "no".
 */
export async function askLookup(sock: WASocket, store: AuthStore, number: string): Promise<boolean | undefined> {
  const query = new USyncQuery().withContactProtocol().withUser(new USyncUser().withPhone(`+${number}`));
  const [answer] = (await sock.executeUSyncQuery(query))?.list ?? [];
  const onWhatsApp = answer?.contact;
  if (typeof onWhatsApp !== 'boolean') return undefined;
  store.setLookup(number, onWhatsApp);
  return onWhatsApp;
}
