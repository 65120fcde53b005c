import type { InboundMessage } from '../../lib/domain/inbound/inbound.ts';
import { type Person, personAt } from '../../lib/domain/people/person.ts';
import type { AuthStore } from '../auth/store.ts';
import { knownAddress, knownLid } from './lookups.ts';

/** Whom WhatsApp refused with 463, by LID where that is known, and when (epoch ms). */
const refusedType = 'refused';
/** Who has written from a linked device while there was no session with the phone, likewise, and when. */
const wroteType = 'wrote';
/** Trust tokens are good for four weeks, counted in weeks since 1970 (Baileys' tc-token-utils.js). */
const tokenWeeks = 4;
const weekSec = 7 * 24 * 3_600;

/**
 * Whether the account has a chat with this person, as WhatsApp sees it when it refuses first contacts: the person has sent a trust token, has
 * written from any device, or there is a session with the phone, which begins with the first message either of them sent, unless that message
 * was refused.
 */
export function hasChat(store: AuthStore, address: string, nowMs: number): boolean {
  const { phoneNumber, lid } = whoIs(store, address);
  const refusedAt = refusalOf(store, lid ?? phoneNumber ?? '');
  const tokenSec = lid === undefined ? undefined : tokenTimeOf(store.get('tctoken', `${lid}@lid`));
  if (tokenSec !== undefined && isGood(tokenSec, nowMs) && tokenSec * 1000 > (refusedAt ?? 0)) return true;
  if (refusedAt !== undefined) return false;
  return hasSession(store, phoneNumber, lid) || [lid, phoneNumber].some((one) => hasWritten(store, one));
}

/** WhatsApp has refused a message to this person with 463: the session that began with it is no chat. */
export function noteRefusal(store: AuthStore, address: string, nowMs: number): void {
  const { phoneNumber, lid } = whoIs(store, address);
  note(store, refusedType, lid ?? phoneNumber ?? '', nowMs);
}

/**
 * A person has written: there is a chat now, whether or not a message was refused before. `device`: which one it was; what the phone itself (0) has written
 * leaves a session.
 */
export function noteChat(
  store: AuthStore,
  { from, fromLid, at }: Pick<InboundMessage, 'from' | 'fromLid' | 'at'>,
  device: number,
): void {
  for (const address of [from, fromLid]) {
    if (address !== undefined && refusalOf(store, address) !== undefined) note(store, refusedType, address, undefined);
  }
  const address = fromLid ?? from;
  if (device === 0 || hasSession(store, from, fromLid) || hasWritten(store, address)) return;
  note(store, wroteType, address, at);
}

/** Who an address is that messages carry: a number or `lid:<digits>`. */
function whoIs(store: AuthStore, address: string): Person {
  const person = personAt(address);
  if (person.phoneNumber === undefined) return person;
  const lid = knownLid(store, person.phoneNumber);
  // Messages go to the number that WhatsApp answered with, and answers come from there.
  return { phoneNumber: knownAddress(store, person.phoneNumber), ...(lid === undefined ? {} : { lid }) };
}

function note(store: AuthStore, type: string, address: string, at: number | undefined): void {
  // It rides along with a later commit; without it a next owner may try this person once more, or hold a message to a person with a chat.
  store.set({ [type]: { [address]: at } }).catch(() => undefined);
}

function refusalOf(store: AuthStore, address: string): number | undefined {
  const at = store.get(refusedType, address);
  return typeof at === 'number' ? at : undefined;
}

const hasWritten = (store: AuthStore, address: string | undefined): boolean =>
  address !== undefined && store.get(wroteType, address) !== undefined;

const hasSession = (store: AuthStore, number: string | undefined, lid: string | undefined): boolean =>
  sessionNames(number, lid).some((name) => store.get('session', name) !== undefined);

/** As Baileys names the sessions of a person's phone: by LID since it knows those, by number before. */
const sessionNames = (number: string | undefined, lid: string | undefined): string[] => [
  ...(lid === undefined ? [] : [`${lid}_1.0`]),
  ...(number === undefined ? [] : [`${number}.0`]),
];

/** When the person's token was made, in seconds since 1970; undefined without one. */
function tokenTimeOf(entry: unknown): number | undefined {
  if (typeof entry !== 'object' || entry === null || !('token' in entry) || !('timestamp' in entry)) return undefined;
  const has = entry.token instanceof Uint8Array && entry.token.length > 0;
  const sec = Number(entry.timestamp);
  return has && Number.isFinite(sec) ? sec : undefined;
}

const isGood = (sec: number, nowMs: number): boolean =>
  Math.floor(nowMs / 1000 / weekSec) - Math.floor(sec / weekSec) < tokenWeeks;
