import { type BinaryNode, getBinaryNodeChildren, jidDecode } from '@whiskeysockets/baileys';
import { messageIdOf } from '../../lib/domain/ids.ts';
import type { Person } from '../../lib/domain/people/person.ts';
import type { TransportListener } from '../transport.ts';
import { type Identity, isIgnored, isOwn, jidOf, lidIn, millis, numberIn } from './stanzas.ts';

type Receipt = Parameters<TransportListener['onReceipt']>[0];

/** Every address under which the account may know a person: numbers as digits, LIDs as `lid:` and digits. */
export type KnownAddresses = (person: Person) => string[];

/** A request to send messages again, which is answered only if all of them were for the person with these addresses. */
export interface RetryRequest {
  /** WhatsApp ids. */
  ids: string[];
  recipient: string[];
  /** One of the account's own devices asks: it has got copies of what the account sent to others. */
  own: boolean;
  /** The stanza as Baileys is to answer it. */
  node: BinaryNode;
}

const kinds = new Map<string, Receipt['kind']>([
  ['', 'delivered'],
  ['read', 'read'],
  ['played', 'read'],
]);
/** Of messages to the account's own number, whose receipts come from its own devices. */
const ownKinds = new Map<string, Receipt['kind']>([
  ...kinds,
  ['sender', 'delivered'],
  ['read-self', 'read'],
  ['played-self', 'read'],
]);

/**
 * The receipts in a `<receipt>`, which may stand for several messages, with the addresses of their giver. None for retry requests, for those
 * of groups, and for those that tell of messages which our own devices have sent to others.
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

/** The retry request in a `<receipt>`; undefined when it is none, or one that nothing is sent again for. */
export function retryRequestIn(node: BinaryNode, me: Identity, known: KnownAddresses): RetryRequest | undefined {
  const giver = giverOf(node);
  if (giver === undefined || node.attrs.type !== 'retry') return undefined;
  const ids = idsIn(node);
  if (!isOwn(giver, me)) return { ids, recipient: addressesOf(node, giver, me, known), own: false, node };
  // Baileys needs to be told whose message it was; our own devices leave it out in the chat with ourselves.
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
