import type { InboundMessage } from '../../lib/domain/inbound/inbound.ts';
import { type Person, personAt } from '../../lib/domain/people/person.ts';
import type { AuthStore } from '../auth/store.ts';
import { knownAddress, knownLid } from './lookups.ts';

/** Keys of this type hold the people to whom WhatsApp refused a message with 463: by LID where it is known, with the time (epoch ms). */
const refusedType = 'refused';
/** Keys of this type hold the people who wrote from a linked device while there was no session with their phone, in the same form. */
const wroteType = 'wrote';
/** Trust tokens are good for four weeks, counted in weeks since 1970 (Baileys' tc-token-utils.js). */
const tokenWeeks = 4;
const weekSec = 7 * 24 * 3_600;

/**
 * Returns whether the account has a chat with this person, by the rule with which WhatsApp refuses first contacts. One of these makes a chat: the
 * person has sent a trust token, has written from any device, or has a session with the account. Such a session begins with the first message of
 * either side, unless WhatsApp refused that message.
 */
export function hasChat(store: AuthStore, address: string, nowMs: number): boolean {
  const { phoneNumber, lid } = whoIs(store, address);
  const refusedAt = refusalOf(store, lid ?? phoneNumber ?? '');
  const tokenSec = lid === undefined ? undefined : tokenTimeOf(store.get('tctoken', `${lid}@lid`));
  if (tokenSec !== undefined && isGood(tokenSec, nowMs) && tokenSec * 1000 > (refusedAt ?? 0)) return true;
  if (refusedAt !== undefined) return false;
  return hasSession(store, phoneNumber, lid) || [lid, phoneNumber].some((one) => hasWritten(store, one));
}

/** Notes that WhatsApp refused a message to this person with 463. The session that began with it is no chat. */
export function noteRefusal(store: AuthStore, address: string, nowMs: number): void {
  const { phoneNumber, lid } = whoIs(store, address);
  note(store, refusedType, lid ?? phoneNumber ?? '', nowMs);
}

/**
 * Notes that a person has written: there is a chat now, also after a refusal. `device` is the one that wrote. Messages of the phone itself (0)
 * leave a session, so they need no note.
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

/** Returns the person behind an address that messages carry: a number or `lid:<digits>`. */
function whoIs(store: AuthStore, address: string): Person {
  const person = personAt(address);
  if (person.phoneNumber === undefined) return person;
  const lid = knownLid(store, person.phoneNumber);
  // Messages go to the number that WhatsApp answered with, and replies come from it.
  return { phoneNumber: knownAddress(store, person.phoneNumber), ...(lid === undefined ? {} : { lid }) };
}

function note(store: AuthStore, type: string, address: string, at: number | undefined): void {
  // A later commit writes it. A next owner without it may try this person once more, or hold a message to a person with a chat.
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

/** Returns the names that Baileys gives to the sessions of a person's phone: by LID where it is known, else by number. */
const sessionNames = (number: string | undefined, lid: string | undefined): string[] => [
  ...(lid === undefined ? [] : [`${lid}_1.0`]),
  ...(number === undefined ? [] : [`${number}.0`]),
];

/** Returns the time of the person's token in seconds since 1970; undefined without a token. */
function tokenTimeOf(entry: unknown): number | undefined {
  if (typeof entry !== 'object' || entry === null || !('token' in entry) || !('timestamp' in entry)) return undefined;
  const has = entry.token instanceof Uint8Array && entry.token.length > 0;
  const sec = Number(entry.timestamp);
  return has && Number.isFinite(sec) ? sec : undefined;
}

const isGood = (sec: number, nowMs: number): boolean =>
  Math.floor(nowMs / 1000 / weekSec) - Math.floor(sec / weekSec) < tokenWeeks;
