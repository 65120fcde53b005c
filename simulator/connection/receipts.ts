import type { Account } from '../accounts.ts';
import type { Owed } from '../outbox.ts';
import { messageIn, shapeOf } from '../phones/contents.ts';
import type { DeviceBundle, Phone } from '../phones/phone.ts';
import { messageStanza, sealFor } from '../phones/writing.ts';
import { typed, verifySignature } from '../signal/keys.ts';
import { lidJid, numberJid } from '../wire/jid.ts';
import { bigEndian, bytesIn, child, children, numberIn, type Stanza, stanza } from '../wire/stanza.ts';
import { stanzaTime, type World } from '../world.ts';
import type { Connection } from './connection.ts';

/** Minimum time between a message and its receipts. Clients merge earlier receipts into the message. */
const LEAST_DELAY_MS = 150;
const MOST_RETRIES = 5;
/** The error code by which a client says that it could not process a message and asks for it again. */
const RETRYING = '500';

/** A message as its receipts name it: its id, and the address it was sent to. */
export type Copy = { readonly id: string; readonly chat: string };

const receipt = (copy: Copy, atMs: number, type: string | undefined, content?: Stanza[]) =>
  stanza('receipt', { id: copy.id, from: copy.chat, type, t: stanzaTime(atMs) }, content);

/** Adds the phone's receipts of a message to the account's outbox. `readHere`: the message is read on the device that has this copy. */
export function oweReceipts(world: World, account: Account, phone: Phone, copy: Copy, readHere: boolean): void {
  const { deliver, read, delayMs, readDelayMs = 0 } = phone.facts.behaviour;
  if (!deliver) return;
  const deliveredMs = world.clock() + Math.max(LEAST_DELAY_MS, delayMs);
  world.outbox.add(account.jid, 'receipt', receipt(copy, deliveredMs, undefined), deliveredMs);
  if (!read || !readHere) return;
  const readMs = deliveredMs + Math.max(LEAST_DELAY_MS, readDelayMs);
  world.outbox.add(account.jid, 'receipt', receipt(copy, readMs, 'read'), readMs);
}

/** Adds to the account's outbox a phone's request to send a message again that it could not open. */
export function oweRetry(world: World, account: Account, phone: Phone, copy: Copy, count: number): void {
  const atMs = world.clock() + Math.max(LEAST_DELAY_MS, phone.facts.behaviour.delayMs);
  const content = [
    stanza('retry', { count: String(count), id: copy.id, t: stanzaTime(atMs), v: '1' }),
    stanza('registration', {}, bigEndian(phone.registrationId, 4)),
  ];
  // From the second request on, the phone adds its keys, in case the account used wrong ones.
  if (count > 1) content.push(keysOf(phone));
  world.outbox.add(account.jid, 'receipt', receipt(copy, atMs, 'retry', content), atMs);
}

/**
 * A receipt or retry request that a test orders, true or not. Several ids become one stanza with a list. `hidden`: it comes from the phone's hidden
 * id; `group`: from a group of the phone. `participant` and `recipient` (numbers) become the attributes of these names.
 */
export type OrderedReceipt = {
  readonly ids: readonly [string, ...string[]];
  readonly type: 'delivered' | 'read' | 'retry';
  readonly hidden?: boolean | undefined;
  readonly group?: boolean | undefined;
  readonly participant?: string | undefined;
  readonly recipient?: string | undefined;
};

const GROUP = '120363000000000001@g.us';

/** Adds an ordered receipt or retry request to the account's outbox, due at once. */
export function oweOrdered(world: World, account: Account, phone: Phone, order: OrderedReceipt): void {
  const atMs = world.clock();
  const [id, ...others] = order.ids;
  const jid = order.hidden ? lidJid(phone.facts.lid) : numberJid(phone.address);
  const content = [];
  if (others.length > 0)
    content.push(
      stanza(
        'list',
        {},
        others.map((other) => stanza('item', { id: other })),
      ),
    );
  if (order.type === 'retry') {
    // With the phone's keys, as in a second request: a client that takes them begins a new session.
    content.push(stanza('retry', { count: '2', id, t: stanzaTime(atMs), v: '1' }));
    content.push(stanza('registration', {}, bigEndian(phone.registrationId, 4)), keysOf(phone));
  }
  const participant = order.participant === undefined ? undefined : numberJid(order.participant);
  const attrs = {
    id,
    from: order.group ? GROUP : jid,
    participant: participant ?? (order.group ? jid : undefined),
    recipient: order.recipient === undefined ? undefined : numberJid(order.recipient),
    type: order.type === 'delivered' ? undefined : order.type,
    t: stanzaTime(atMs),
  };
  world.outbox.add(account.jid, 'receipt', stanza('receipt', attrs, content.length > 0 ? content : undefined), atMs);
}

function keysOf(phone: Phone): Stanza {
  const bundle = phone.bundle();
  return stanza('keys', {}, [
    stanza('type', {}, Buffer.of(5)),
    stanza('identity', {}, bundle.identityKey),
    stanza('key', {}, [stanza('id', {}, bigEndian(bundle.preKey.id, 3)), stanza('value', {}, bundle.preKey.public)]),
    stanza('skey', {}, [
      stanza('id', {}, bigEndian(bundle.signedPreKey.id, 3)),
      stanza('value', {}, bundle.signedPreKey.public),
      stanza('signature', {}, bundle.signedPreKey.signature),
    ]),
  ]);
}

/** Handles a client's receipt: acknowledges its messages or sends one again. Passes it on to an account that sent the message. */
export function takeReceipt(connection: Connection, received: Stanza): void {
  const { attrs, content } = received;
  const { account, world } = connection;
  if (!account || attrs.id === undefined) return;
  connection.send(stanza('ack', { class: 'receipt', id: attrs.id, from: attrs.to, type: attrs.type }));
  const listed = Array.isArray(content) ? content.flatMap((list) => children(list, 'item')) : [];
  const ids = attrs.type === 'retry' ? [attrs.id] : [attrs.id, ...listed.map((item) => item.attrs.id ?? '')];
  for (const id of ids) {
    const owed = world.outbox.findMessage(account.jid, id);
    if (!owed) continue;
    if (attrs.type !== 'retry') world.outbox.acknowledge(owed);
    if (!owed.written) continue;
    if ('account' in owed.written) notifySender(world, account, owed, owed.written.account, received);
    else if (attrs.type === 'retry') writeAgain(world, account, owed, owed.written, received);
  }
}

/** Passes a receipt or retry request on to the account that has sent the message. */
function notifySender(
  world: World,
  account: Account,
  { id, stanza: message }: Owed,
  sender: string,
  { attrs, content }: Stanza,
): void {
  const hidden = message.attrs.addressing_mode === 'lid';
  const forwarded = stanza(
    'receipt',
    {
      id,
      from: hidden ? account.lidJid : account.jid,
      recipient: message.attrs.recipient,
      type: attrs.type,
      t: stanzaTime(world.clock()),
    },
    attrs.type === 'retry' && Array.isArray(content) ? content : undefined,
  );
  world.outbox.add(sender, 'receipt', forwarded, world.clock() + LEAST_DELAY_MS);
}

/** Handles a client's ack of a receipt or message. */
export function takeAck({ account, world }: Connection, { attrs }: Stanza): void {
  if (!account || attrs.id === undefined) return;
  const kind = attrs.class === 'message' ? 'message' : 'receipt';
  const sameType = (stanza: Stanza) => kind === 'message' || stanza.attrs.type === attrs.type;
  const owed = world.outbox.find(account.jid, kind, attrs.id, (entry) => sameType(entry.stanza));
  if (!owed) return;
  // The message stays until its sender has encrypted it again. One that cannot be encrypted again is acknowledged.
  if (kind === 'message' && attrs.error === RETRYING && owed.written) return;
  if (kind === 'message') world.outbox.acknowledge(owed);
  else world.outbox.remove(owed);
}

/** Encrypts a phone's message again under a new session, with the keys in the request or those on the server. */
function writeAgain(
  world: World,
  account: Account,
  owed: Owed,
  written: { readonly phone: string; readonly plaintext: Buffer },
  request: Stanza,
): void {
  const count = Number(child(request, 'retry')?.attrs.count ?? 1);
  if (count > MOST_RETRIES) {
    world.outbox.remove(owed);
    return;
  }
  const phone = world.directory.phone(written.phone);
  const keys = deviceKeysIn(account, child(request, 'keys')) ?? account.takeBundle();
  const sealed = sealFor(phone, account, written.plaintext, keys);
  if (!sealed) return;
  world.outbox.replace(
    owed,
    messageStanza(world, phone, owed.id, sealed, shapeOf(messageIn(written.plaintext) ?? {}), owed.stanza.attrs, count),
  );
}

function deviceKeysIn(account: Account, keys: Stanza | undefined): DeviceBundle | undefined {
  const identityKey = bytesIn(keys, 'identity');
  const signed = child(keys, 'skey');
  const signedPreKey = { id: numberIn(signed, 'id') ?? 0, public: bytesIn(signed, 'value') ?? Buffer.alloc(0) };
  const signature = bytesIn(signed, 'signature');
  if (!identityKey?.equals(account.keys.identityKey) || !signature || signedPreKey.public.length !== 32)
    return undefined;
  if (!verifySignature(identityKey, typed(signedPreKey.public), signature)) return undefined;
  const key = child(keys, 'key');
  const value = bytesIn(key, 'value');
  const oneTime = value?.length === 32 ? { id: numberIn(key, 'id') ?? 0, public: value } : undefined;
  return { identityKey, signedPreKey, oneTime };
}
