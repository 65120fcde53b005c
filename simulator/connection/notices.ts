import type { Account } from '../accounts.ts';
import type { Phone } from '../phones/phone.ts';
import { lidJid, numberJid } from '../wire/jid.ts';
import { SERVER, type Stanza, stanza } from '../wire/stanza.ts';
import { stanzaTime, type World } from '../world.ts';
import type { Connection } from './connection.ts';
import { deviceHash, devicesOf } from './usync.ts';

/** A notice that WhatsApp sends to a device unasked, about the device itself or another user (`about`). */
const notice = (connection: Connection, type: string, content: Stanza, about: Record<string, string> = {}): Stanza => {
  const t = stanzaTime(connection.world.clock());
  return stanza('notification', { from: SERVER, id: connection.newId(), type, t, ...about }, [content]);
};

/** Notifies the phone's other devices and the accounts that know it, if connected, that a device was added or removed. */
export function notifyOfDevice(
  world: World,
  { number, device, jid, lidJid: hidden }: Account,
  change: 'add' | 'remove',
): void {
  const phone = world.directory.phone(number);
  const about = { from: numberJid(phone.address) };
  const device_hash = deviceHash(
    devicesOf(world, phone).map((one) => ({ user: phone.address, device: one, server: 's.whatsapp.net' })),
  );
  const content = stanza(change, { device_hash }, [
    stanza('device', { jid, lid: hidden, 'key-index': String(device) }),
  ]);
  const known = new Set(phone.peers());
  for (const connection of world.connections.loggedIn()) {
    const { account } = connection;
    if (!account || account.jid === jid || connection.state !== 'live') continue;
    if (account.number === number || known.has(account.lidJid))
      connection.send(notice(connection, 'devices', content, about));
  }
}

/** Notifies the connected accounts in `peers` that a phone was set up again, with new keys. */
export function notifyOfIdentity(world: World, phone: Phone, peers: readonly string[]): void {
  const about = { from: numberJid(phone.address), lid: lidJid(phone.facts.lid) };
  for (const connection of world.connections.loggedIn()) {
    if (connection.state !== 'live' || !peers.includes(connection.account?.lidJid ?? '')) continue;
    connection.send(notice(connection, 'encrypt', stanza('identity'), about));
  }
}

/** Returns the notice that gives an account a phone's privacy token. The account's messages to the phone then carry the token. */
export function tokenNotice(connection: Connection, account: Account, phone: Phone, token: Buffer): Stanza {
  const { world } = connection;
  const about = { from: numberJid(phone.address), sender_lid: lidJid(phone.facts.lid) };
  const attrs = { jid: numberJid(account.number), t: stanzaTime(world.clock()), type: 'trusted_contact' };
  return notice(connection, 'privacy_token', stanza('tokens', {}, [stanza('token', attrs, token)]), about);
}

/** Returns the notice that makes a device which waits to be linked show its QR code with a new secret and the same reference. */
export const registrationNotice = (connection: Connection): Stanza =>
  notice(connection, 'companion_reg_refresh', stanza('pair-device-rotate-qr'));

/** Returns the notice that asks a device for a passkey, after the phone has used its code. */
export const passkeyNotice = (connection: Connection): Stanza =>
  notice(connection, 'passkey_prologue_request', stanza('passkey_prologue_request'));

/** Tells an account that it may not write to strangers until `untilMs` (epoch ms). With 0 it may. */
export function timelockNotice(connection: Connection, untilMs: number): Stanza {
  const xwa2_notify_account_reachout_timelock = {
    is_active: untilMs > 0,
    ...(untilMs > 0 ? { time_enforcement_ends: stanzaTime(untilMs), enforcement_type: 'DEFAULT' } : {}),
  };
  const body = Buffer.from(JSON.stringify({ data: { xwa2_notify_account_reachout_timelock } }));
  return notice(connection, 'mex', stanza('update', { op_name: 'NotificationUserReachoutTimelockUpdate' }, body));
}
