import type { Account } from '../accounts.ts';
import type { FaultOrder } from '../faults.ts';
import { contentIn, isShown } from '../phones/contents.ts';
import type { Phone } from '../phones/phone.ts';
import { parseJid } from '../wire/jid.ts';
import { bytesIn, child, children, type Stanza, stanza } from '../wire/stanza.ts';
import { stanzaTime, type World } from '../world.ts';
import type { Connection } from './connection.ts';
import { oweReceipts, oweRetry } from './receipts.ts';
import { deviceHash, devicesOf } from './usync.ts';

/** The number of times a phone asks again for a message that it cannot open, as official clients do. */
const MOST_RETRIES = 5;

/** Handles a message of an account: delivers it to the phones it is for, then acknowledges it. */
export function takeMessage(connection: Connection, message: Stanza): void {
  const { account, world } = connection;
  if (!account || message.attrs.id === undefined) return;
  const address = parseJid(message.attrs.to);
  const addressee = world.directory.at(address);
  const to = (address?.server === 's.whatsapp.net' ? address.user : addressee?.number) ?? message.attrs.to ?? '';
  const copies = copiesIn(message).map(({ jid }) => jid ?? '');
  world.wire.note(account.number, { id: message.attrs.id, to, copies, atMs: world.clock() });
  const fault = world.faults.take(account.number, 'error-ack', 'withhold-ack', 'delay-ack');
  if (fault?.kind === 'error-ack') {
    acknowledge(connection, message, { error: fault.code ?? 500 });
    return;
  }
  const malformed = malformation(message);
  if (malformed !== undefined) {
    acknowledge(connection, message, { error: malformed });
    return;
  }
  const toPerson = /@(s\.whatsapp\.net|lid)$/.test(message.attrs.to ?? '');
  if (toPerson && !addressee?.facts.behaviour.onWhatsApp) {
    acknowledge(connection, message, { error: 404 });
    return;
  }
  if (addressee) deliver(world, account, addressee, message);
  acknowledgeWith(connection, message, fault, addressee && participantHash(world, account, addressee, message));
}

const STANZA_TYPES = ['text', 'media', 'reaction', 'poll', 'event'];
const CIPHERTEXT_TYPES = ['pkmsg', 'msg', 'skmsg'];
const NEWSLETTER = /@newsletter$/;

/** Returns the error for a malformed message: 400 when a ciphertext is missing, 479 for an unknown type or a token on a peer message. */
function malformation(message: Stanza): 400 | 479 | undefined {
  const { attrs } = message;
  if (NEWSLETTER.test(attrs.to ?? '')) return undefined;
  const copies = [message, ...children(child(message, 'participants'), 'to')].flatMap((node) => children(node, 'enc'));
  if (copies.length === 0 || copies.some((enc) => bytesIn(enc) === undefined)) return 400;
  const known =
    STANZA_TYPES.includes(attrs.type ?? '') &&
    copies.every(({ attrs: { v, type = '' } }) => v === '2' && CIPHERTEXT_TYPES.includes(type));
  const token = attrs.category === 'peer' && child(message, 'tctoken') !== undefined;
  return known && !token ? undefined : 479;
}

function acknowledgeWith(
  connection: Connection,
  message: Stanza,
  fault: FaultOrder | undefined,
  phash: string | undefined,
): void {
  if (fault?.kind === 'withhold-ack') return;
  const say = () => acknowledge(connection, message, { phash });
  if (fault?.kind === 'delay-ack') connection.later(fault.ms ?? 1000, say);
  else say();
}

/** Returns the hash over all devices of both sides; undefined for a message to one device only. */
function participantHash(world: World, account: Account, addressee: Phone, message: Stanza): string | undefined {
  if (child(message, 'participants') === undefined) return undefined;
  const hidden = parseJid(message.attrs.to)?.server === 'lid';
  const sides = new Set([world.directory.phone(account.number), addressee]);
  const server = hidden ? 'lid' : 's.whatsapp.net';
  const devices = [...sides].flatMap((phone) => {
    const user = hidden ? phone.facts.lid : phone.address;
    return devicesOf(world, phone).map((device) => ({ user, device, server }));
  });
  return deviceHash(devices);
}

function acknowledge(
  connection: Connection,
  { attrs }: Stanza,
  { error, phash }: { error?: number | undefined; phash?: string | undefined } = {},
): void {
  connection.send(
    stanza('ack', {
      class: 'message',
      id: attrs.id,
      from: attrs.to,
      t: stanzaTime(connection.world.clock()),
      phash,
      error: error === undefined ? undefined : String(error),
    }),
  );
}

/** Returns each ciphertext of a message with the address of its device. */
function copiesIn(message: Stanza): { jid: string | undefined; enc: Stanza | undefined }[] {
  const participants = child(message, 'participants');
  return participants
    ? children(participants, 'to').map((to) => ({ jid: to.attrs.jid, enc: child(to, 'enc') }))
    : [{ jid: message.attrs.to, enc: child(message, 'enc') }];
}

/** A copy of a message, encrypted for one device of a phone. */
type Copy = {
  readonly id: string;
  /** The address that the message names, which its receipts come from. */
  readonly chat: string;
  readonly phone: Phone;
  readonly device: number;
  readonly enc: Stanza;
};

/** Delivers each copy to the device it was encrypted for. A copy for a device that does not exist is lost, as on WhatsApp. */
function deliver(world: World, account: Account, addressee: Phone, message: Stanza): void {
  for (const { jid, enc } of copiesIn(message)) {
    const address = parseJid(jid);
    const phone = world.directory.at(address);
    if (!phone || !enc || !address) continue;
    const { device } = address;
    const copy = { id: message.attrs.id ?? '', chat: message.attrs.to ?? '', phone, device, enc };
    // A copy for the account's own devices only keeps them in step with its messages to others. It is no message to them.
    const foreign = addressee !== phone || message.attrs.category === 'peer' || message.attrs.recipient !== undefined;
    const own = phone.number === account.number && foreign;
    const linked = world.accounts.get(phone.number, device);
    if (linked && linked.state !== 'unlinked') {
      if (linked !== account) forward(world, account, linked, message, copy);
    } else if (device === 0) receive(world, account, phone, copy, own);
    else {
      const companion = world.directory.companion(phone, device);
      if (companion) receive(world, account, companion, copy, own);
    }
  }
}

/** Puts a copy into the outbox of a linked device. A copy that the sender encrypts again replaces the first one. */
function forward(world: World, account: Account, to: Account, message: Stanza, copy: Copy): void {
  const { attrs } = message;
  const hidden = parseJid(attrs.to)?.server === 'lid';
  const own = to.number === account.number;
  const kept = ['device-identity', 'meta'].flatMap((tag) => child(message, tag) ?? []);
  const forwarded = stanza(
    'message',
    {
      id: copy.id,
      from: hidden ? account.lidJid : account.jid,
      type: attrs.type,
      edit: attrs.edit,
      category: attrs.category,
      t: stanzaTime(world.clock()),
      notify: world.directory.phone(account.number).facts.name,
      sender_lid: hidden ? undefined : account.lidJid,
      sender_pn: hidden ? account.jid : undefined,
      addressing_mode: hidden ? 'lid' : 'pn',
      recipient: own ? (attrs.recipient ?? attrs.to) : undefined,
    },
    [copy.enc, ...kept],
  );
  const first = world.outbox.findMessage(to.jid, copy.id);
  if (first?.written && 'account' in first.written && first.written.account === account.jid) {
    world.outbox.replace(first, forwarded);
  } else world.outbox.add(to.jid, 'message', forwarded, world.clock(), { account: account.jid });
}

/** Opens a copy on a simulated device. The device then shows it and sends receipts, or asks for it again. */
function receive(world: World, account: Account, device: Phone, copy: Copy, own: boolean): void {
  const { id, enc } = copy;
  const opened = device.open(account.lidJid, enc.attrs.type ?? '', bytesIn(enc) ?? Buffer.alloc(0));
  const from = { id, chat: addressOf(copy) };
  const receiver = own ? `${copy.phone.number}:${copy.device}` : device.number;
  switch (opened.result) {
    case 'used-counter':
      if (!own) world.counts.add('usedCounters');
      break;
    case 'no-match': {
      if (own) break;
      const attempts = world.received.fail(receiver, id);
      if (attempts <= MOST_RETRIES) oweRetry(world, account, device, from, attempts);
      break;
    }
    case 'opened': {
      // The account's own phone shows the account's messages to others as sent, not as received.
      if (own && copy.device === 0) break;
      const content = contentIn(opened.plaintext);
      if (content === undefined) break;
      world.received.receive(receiver, { id, from: account.number, content, receivedAtMs: world.clock() });
      if (!own) oweReceipts(world, account, copy.phone, from, copy.device === 0 && isShown(content));
      break;
    }
    default:
      opened satisfies never;
  }
}

/** Returns the address that a copy's receipts come from: the message's `to`, with the device unless it is the phone. */
function addressOf({ chat, device }: Copy): string {
  const address = parseJid(chat);
  return device === 0 || !address ? chat : `${address.user}:${device}@${address.server}`;
}
