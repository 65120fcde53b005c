import { createHash } from 'node:crypto';
import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import type { Phone } from '../phones/phone.ts';
import { type Jid, lidJid, numberJid, parseJid } from '../wire/jid.ts';
import { bytesIn, child, children, type Stanza, stanza } from '../wire/stanza.ts';
import { stanzaTime, type World } from '../world.ts';
import type { Connection } from './connection.ts';

/** Answers a lookup of users: whether they are on WhatsApp, their hidden addresses, their devices. */
export function lookUp(connection: Connection, usync: Stanza | undefined): Stanza[] {
  const asked = children(child(usync, 'query'));
  const users = children(child(usync, 'list'), 'user').map((user) => describe(connection, user, asked));
  const { attrs } = usync ?? stanza('usync');
  const result = stanza(
    'result',
    {},
    asked.map(({ tag }) => stanza(tag)),
  );
  const about = { context: attrs.context, mode: attrs.mode, sid: attrs.sid, last: 'true', index: '0' };
  return [stanza('usync', about, [result, stanza('list', {}, users)])];
}

/** The "about" text of all phones. */
const ABOUT = 'Hey there! I am using WhatsApp.';

function describe(connection: Connection, user: Stanza, protocols: readonly Stanza[]): Stanza {
  const { directory } = connection.world;
  const typed = bytesIn(child(user, 'contact'))?.toString();
  const digits = typed?.replaceAll(/\D/g, '');
  const asked = user.attrs.jid ?? (digits ? numberJid(digits) : undefined);
  const address = parseJid(asked);
  const phone = directory.at(address);
  const known = phone?.facts.behaviour.onWhatsApp ? phone : undefined;
  const contact = protocols.find(({ tag }) => tag === 'contact');
  const hidden = known && contact?.attrs.addressing_mode === 'lid' && digits !== undefined;
  // An answer to a lookup by number names the person by the address that WhatsApp knows.
  const named = known && address?.server === 's.whatsapp.net' ? numberJid(known.address) : asked;
  const nodes = protocols.flatMap(({ tag }) => answerProtocol(connection, tag, known, { address, typed }) ?? []);
  const about = hidden ? { jid: lidJid(known.facts.lid), pn_jid: named } : { jid: named };
  return stanza('user', about, nodes);
}

/**
 * Returns the reply to one part of a lookup. `typed` is the number as the client wrote it. For a number that is not on WhatsApp, only `contact` has a
 * reply.
 */
function answerProtocol(
  connection: Connection,
  protocol: string,
  phone: Phone | undefined,
  { address, typed }: { address: Jid | undefined; typed: string | undefined },
): Stanza | undefined {
  if (protocol === 'contact') return stanza('contact', { type: phone ? 'in' : 'out' }, typed);
  if (!phone) return undefined;
  switch (protocol) {
    case 'devices':
      return devices(connection, phone);
    case 'lid':
      // A lookup by the hidden address has nothing to map.
      return address?.server === 'lid' ? undefined : stanza('lid', { val: lidJid(phone.facts.lid) });
    case 'status':
      return stanza('status', { t: stanzaTime(connection.world.clock()) }, Buffer.from(ABOUT));
    case 'disappearing_mode':
      return stanza('disappearing_mode', { duration: '0', t: '0' });
    // No phone has a picture, a business or a user name: the empty element says so.
    case 'picture':
    case 'business':
    case 'username':
      return stanza(protocol);
    default:
      return undefined;
  }
}

/** All devices of a phone: itself, those that are linked accounts, and its simulated ones. */
export function devicesOf(world: World, phone: Phone): number[] {
  const linked = world.accounts.list(phone.number).filter(({ state }) => state !== 'unlinked');
  return [0, ...linked.map(({ device }) => device), ...phone.companions];
}

/** The hash by which WhatsApp compares two lists of devices. */
export function deviceHash(devices: readonly Jid[]): string {
  const names = devices.map(({ user, device, server }) => `${user}.0:${device}@${server}`);
  const digest = createHash('sha256').update(names.toSorted().join('')).digest();
  return `2:${digest.subarray(0, 6).toString('base64')}`;
}

const KEY_INDEX_SIGNATURE = Buffer.of(6, 2);

function devices({ world }: Connection, phone: Phone): Stanza {
  const all = devicesOf(world, phone);
  const hash = deviceHash(all.map((device) => ({ user: phone.address, device, server: 's.whatsapp.net' })));
  const list = all.map((device) =>
    stanza('device', { id: String(device), 'key-index': device === 0 ? undefined : String(device) }),
  );
  return stanza('devices', {}, [
    stanza('device-list', { hash }, list),
    ...(all.length > 1 ? [keyIndexList(world, phone, all)] : []),
  ]);
}

/** Returns the phone's signed list of its valid devices. */
function keyIndexList(world: World, phone: Phone, all: number[]): Stanza {
  const timestamp = Math.floor(world.clock() / 1000);
  const details = proto.ADVKeyIndexList.encode({
    rawId: phone.rawId,
    timestamp,
    currentIndex: Math.max(...all),
    validIndexes: all,
  }).finish();
  const accountSignature = phone.identity.sign(Buffer.concat([KEY_INDEX_SIGNATURE, details]));
  const list = proto.ADVSignedKeyIndexList.encode({ details, accountSignature }).finish();
  return stanza('key-index-list', { ts: String(timestamp) }, list);
}
