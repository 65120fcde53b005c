import { randomBytes } from 'node:crypto';
import type { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import type { Account } from '../accounts.ts';
import { keyPair } from '../signal/keys.ts';
import { lidJid, numberJid } from '../wire/jid.ts';
import { SERVER, type Stanza, stanza } from '../wire/stanza.ts';
import { stanzaTime, type World } from '../world.ts';
import { padded, type Shape, shapeOf } from './contents.ts';
import type { DeviceBundle, Phone } from './phone.ts';

/** Further attributes of a message's stanza. `addressing_mode` `lid`: it comes from the hidden id; `sender_pn`: with the number beside it. */
type StanzaAttributes = { category?: string; addressing_mode?: string; sender_pn?: string };

type Sealed = { readonly type: 'pkmsg' | 'msg'; readonly body: Buffer };

/** With fewer prekeys left, the device is asked for more. */
const FEW_PRE_KEYS = 5;

const newKey = () => keyPair(randomBytes(32));

/** Encrypts for a linked device. Begins a new session with the keys in `begin`, or with keys from the server when there is no session. */
export function sealFor(phone: Phone, account: Account, plaintext: Buffer, begin?: DeviceBundle): Sealed | undefined {
  const keys = begin ?? (phone.knows(account.lidJid) ? undefined : account.takeBundle());
  return phone.seal(account.lidJid, plaintext, newKey, keys);
}

/** Returns the stanza of a phone's message to an account. `count` is the number of times it was requested again. */
export function messageStanza(
  world: World,
  phone: Phone,
  id: string,
  sealed: Sealed,
  shape: Shape,
  attributes: StanzaAttributes,
  count?: number,
): Stanza {
  const hidden = attributes.addressing_mode === 'lid';
  const enc = {
    v: '2',
    type: sealed.type,
    count: count === undefined ? undefined : String(count),
    mediatype: shape.mediatype,
    'decrypt-fail': shape.hide ? 'hide' : undefined,
  };
  const meta = shape.polltype === undefined ? [] : [stanza('meta', { polltype: shape.polltype })];
  return stanza(
    'message',
    {
      id,
      from: hidden ? lidJid(phone.facts.lid) : numberJid(phone.address),
      type: shape.type,
      edit: shape.edit,
      t: stanzaTime(world.clock()),
      notify: phone.facts.name,
      sender_lid: hidden ? undefined : lidJid(phone.facts.lid),
      sender_pn: hidden && attributes.sender_pn !== undefined ? numberJid(phone.address) : undefined,
      addressing_mode: hidden ? 'lid' : 'pn',
      category: attributes.category,
    },
    [stanza('enc', enc, sealed.body), ...meta],
  );
}

/**
 * Writes a message from a phone to all accounts of a number. Returns its id, or undefined when no account is linked. `addressing`: it comes from the
 * phone's number with the hidden id beside it, or the reverse; `hidden`: from the hidden id alone. `corrupt`: it cannot be decrypted, and the phone
 * does not send it again.
 */
export function writeMessage(
  world: World,
  phone: Phone,
  number: string,
  message: proto.IMessage,
  how: { addressing?: 'pn' | 'lid' | undefined; hidden?: boolean | undefined; corrupt?: boolean | undefined } = {},
): string | undefined {
  const accounts = world.accounts.list(number).filter((account) => account.state !== 'unlinked');
  if (accounts.length === 0) return undefined;
  const id = `3A${randomBytes(9).toString('hex').toUpperCase()}`;
  const whole = { ...message, messageContextInfo: { messageSecret: phone.messageSecret(id) } };
  const named = how.addressing === 'lid' ? { addressing_mode: 'lid', sender_pn: numberJid(phone.address) } : {};
  const attributes = how.hidden ? { addressing_mode: 'lid' } : named;
  for (const account of accounts) write(world, phone, account, id, whole, attributes, how.corrupt);
  return id;
}

/** Warns a device once that few of its prekeys are left, so that it uploads new ones. */
function warnOfFewPreKeys(world: World, account: Account): void {
  if (account.preKeysLeft >= FEW_PRE_KEYS || account.warnedOfFewPreKeys) return;
  const connection = world.connections.of(account.jid);
  // At its login each device asks for the count itself.
  if (connection?.state !== 'live') return;
  account.warnedOfFewPreKeys = true;
  connection.send(
    stanza('notification', { from: SERVER, type: 'encrypt', id: connection.newId(), t: stanzaTime(world.clock()) }, [
      stanza('count', { value: String(account.preKeysLeft) }),
    ]),
  );
}

/** Returns the message with one byte of its MAC changed. In both envelopes the eighth byte from the end is part of the MAC. */
function spoilt({ type, body }: Sealed): Sealed {
  const bytes = Buffer.from(body);
  const at = bytes.length - 8;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return { type, body: bytes };
}

/** Encrypts a message for one account and adds it to the account's outbox. */
export function write(
  world: World,
  phone: Phone,
  account: Account,
  id: string,
  message: proto.IMessage,
  attributes: StanzaAttributes,
  corrupt = false,
): void {
  const plaintext = padded(message);
  const sealed = sealFor(phone, account, plaintext);
  if (!sealed) return;
  warnOfFewPreKeys(world, account);
  const stanza = messageStanza(world, phone, id, corrupt ? spoilt(sealed) : sealed, shapeOf(message), attributes);
  const written = corrupt ? undefined : { phone: phone.number, plaintext };
  world.outbox.add(account.jid, 'message', stanza, world.clock(), written);
}
