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

function describe(connection: Connection, user: Stanza, asked: string[]): Stanza {
  const { directory } = connection.world;
  const typed = bytesIn(child(user, 'contact'))?.toString();
  const digits = typed?.replaceAll(/\D/g, '');
  const jid = user.attrs.jid ?? (digits ? numberJid(digits) : undefined);
  const address = parseJid(jid);
  const phone = directory.at(address);
  const known = phone?.facts.behaviour.onWhatsApp ? phone : undefined;
  const nodes: Stanza[] = [];
  if (asked.includes('contact')) nodes.push(stanza('contact', { type: known ? 'in' : 'out' }, typed ?? undefined));
  if (known && asked.includes('devices')) nodes.push(devices(connection, known));
  // Asked by its hidden address, the user keeps it: there is nothing to map.
  if (known && asked.includes('lid') && address?.server !== 'lid')
    nodes.push(stanza('lid', { val: lidJid(known.facts.lid) }));
  return stanza('user', { jid }, nodes);
}

/** Others have just their phone; the account's own number also has the device that asks. */
function devices({ account }: Connection, phone: Phone): Stanza {
  const list = [stanza('device', { id: '0' })];
  if (account && account.number === phone.number) {
    list.push(stanza('device', { id: String(account.device), 'key-index': String(account.device) }));
  }
  return stanza('devices', {}, [stanza('device-list', { hash: '2:simulator' }, list)]);
}
