import { type BinaryNode, getBinaryNodeChildren, jidDecode } from '@whiskeysockets/baileys';
import { messageIdOf } from '../../lib/domain/ids.ts';
import type { Person } from '../../lib/domain/people/person.ts';
import type { TransportListener } from '../transport.ts';
import { type Identity, isIgnored, isOwn, jidOf, lidIn, millis, numberIn } from './stanzas.ts';

type Receipt = Parameters<TransportListener['onReceipt']>[0];

/** Returns every address under which the account may know a person: numbers as digits, LIDs as `lid:` and digits. */
export type KnownAddresses = (person: Person) => string[];

/** A request to send messages again. It is answered only if all of them were for the person with these addresses. */
export interface RetryRequest {
  /** WhatsApp ids. */
  ids: string[];
  recipient: string[];
  /** True when a device of the account itself asks. It gets copies of messages that the account sends to others. */
  own: boolean;
  /** The stanza for Baileys to answer. */
  node: BinaryNode;
}

const kinds = new Map<string, Receipt['kind']>([
  ['', 'delivered'],
  ['read', 'read'],
  ['played', 'read'],
]);
/** The kinds of receipts for messages to the account's own number, which come from its own devices. */
const ownKinds = new Map<string, Receipt['kind']>([
  ...kinds,
  ['sender', 'delivered'],
  ['read-self', 'read'],
  ['played-self', 'read'],
]);

/**
 * Returns the receipts in a `<receipt>` with the addresses of their giver; one stanza may stand for several messages. Returns none for retry
 * requests, for groups, and for messages that other devices of the account have sent.
 */
export function receiptsOf(node: BinaryNode, me: Identity, known: KnownAddresses): Receipt[] {
  const giver = giverOf(node);
  if (giver === undefined) return [];
  const { attrs } = node;
  const own = isOwn(giver, me);
  const kind = (own ? ownKinds : kinds).get(attrs.type ?? '');
  if (kind === undefined) return [];
  if (own && attrs.recipient !== undefined && !isOwn(attrs.recipient, me)) return [];
  const from = addressesOf(node, giver, me, known);
  return idsIn(node).flatMap((id) => {
    const messageId = messageIdOf(id);
    return messageId === undefined ? [] : [{ messageId, kind, at: millis(attrs.t), from }];
  });
}

/** Returns the retry request in a `<receipt>`; undefined when there is none, or one that must not be answered. */
export function retryRequestIn(node: BinaryNode, me: Identity, known: KnownAddresses): RetryRequest | undefined {
  const giver = giverOf(node);
  if (giver === undefined || node.attrs.type !== 'retry') return undefined;
  const ids = idsIn(node);
  if (!isOwn(giver, me)) return { ids, recipient: addressesOf(node, giver, me, known), own: false, node };
  // Baileys needs the recipient. The account's own devices leave it out in their chat with themselves.
  const recipient = node.attrs.recipient ?? jidOf(jidDecode(me.id)?.user ?? '');
  return {
    ids,
    recipient: addressesOf(node, recipient, me, known),
    own: true,
    node: { ...node, attrs: { ...node.attrs, recipient } },
  };
}

/** Returns the giver; undefined in groups, and where the receipt names another participant than its sender: Baileys would act for that one. */
function giverOf({ attrs: { from, participant } }: BinaryNode): string | undefined {
  if (from === undefined || isIgnored(from)) return undefined;
  return participant === undefined || participant === from ? from : undefined;
}

function addressesOf({ attrs }: BinaryNode, jid: string, me: Identity, known: KnownAddresses): string[] {
  if (isOwn(jid, me)) return known({ ...byNumber(me.id), ...byLid(me.lid) });
  const isGiver = jid === attrs.from;
  return known({
    ...byNumber(isGiver ? attrs.sender_pn : undefined),
    ...byLid(isGiver ? attrs.sender_lid : undefined),
    ...byNumber(jid),
    ...byLid(jid),
  });
}

function byNumber(jid: string | undefined): Person {
  const phoneNumber = numberIn(jid);
  return phoneNumber === undefined ? {} : { phoneNumber };
}

function byLid(jid: string | undefined): Person {
  const lid = lidIn(jid);
  return lid === undefined ? {} : { lid };
}

function idsIn({ attrs, content }: BinaryNode): string[] {
  const [list] = Array.isArray(content) ? content : [];
  return [attrs.id, ...getBinaryNodeChildren(list, 'item').map((item) => item.attrs.id)].flatMap((id) => id ?? []);
}
