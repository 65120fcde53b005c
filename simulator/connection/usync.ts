import type { Account } from '../accounts.ts';
import type { Phone } from '../phones/phone.ts';
import { lidJid, numberJid, parseJid } from '../wire/jid.ts';
import { bytesIn, child, children, type Stanza, stanza } from '../wire/stanza.ts';
import type { Connection } from './connection.ts';

/** Answers a lookup of users: whether they are on WhatsApp, their hidden addresses, their devices. */
export function lookUp(connection: Connection, usync: Stanza | undefined): Stanza[] {
  const asked = children(child(usync, 'query')).map((node) => node.tag);
  const users = children(child(usync, 'list'), 'user').map((user) => describe(connection, user, asked));
  const { attrs } = usync ?? stanza('usync');
  const result = stanza(
    'result',
    {},
    asked.map((tag) => stanza(tag)),
  );
  const about = { context: attrs.context, mode: attrs.mode, sid: attrs.sid, last: 'true', index: '0' };
  return [stanza('usync', about, [result, stanza('list', {}, users)])];
}

function describe(connection: Connection, user: Stanza, protocols: string[]): Stanza {
  const { directory } = connection.world;
  const typed = bytesIn(child(user, 'contact'))?.toString();
  const digits = typed?.replaceAll(/\D/g, '');
  const asked = user.attrs.jid ?? (digits ? numberJid(digits) : undefined);
  const address = parseJid(asked);
  const phone = directory.at(address);
  const known = phone?.facts.behaviour.onWhatsApp ? phone : undefined;
  // Asked by number, a person is named by the address that WhatsApp knows.
  const jid = known && address?.server === 's.whatsapp.net' ? numberJid(known.address) : asked;
  const nodes: Stanza[] = [];
  if (protocols.includes('contact')) nodes.push(stanza('contact', { type: known ? 'in' : 'out' }, typed ?? undefined));
  if (known && protocols.includes('devices')) nodes.push(devices(connection, known));
  // Asked by its hidden address, the user keeps it: there is nothing to map.
  if (known && protocols.includes('lid') && address?.server !== 'lid')
    nodes.push(stanza('lid', { val: lidJid(known.facts.lid) }));
  return stanza('user', { jid }, nodes);
}

/** The devices of a phone as an account is told of them: others have just their phone, its own number also the device that asks. */
export function devicesOf(account: Account | undefined, phone: Phone): number[] {
  return account?.number === phone.number ? [0, account.device] : [0];
}

function devices({ account }: Connection, phone: Phone): Stanza {
  const list = devicesOf(account, phone).map((device) =>
    stanza('device', { id: String(device), 'key-index': device === 0 ? undefined : String(device) }),
  );
  return stanza('devices', {}, [stanza('device-list', { hash: '2:simulator' }, list)]);
}
