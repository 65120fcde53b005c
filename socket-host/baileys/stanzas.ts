import {
  areJidsSameUser,
  type BinaryNode,
  isHostedLidUser,
  isHostedPnUser,
  isJidBroadcast,
  isJidGroup,
  isJidNewsletter,
  isLidUser,
  isPnUser,
  jidDecode,
  jidEncode,
  proto,
  unpadRandomMax16,
} from '@whiskeysockets/baileys';
import type { InboundContent, InboundMessage } from '../../lib/domain/inbound/inbound.ts';
import { cut } from '../../lib/domain/well-formed.ts';

/** The account's own addresses. */
export interface Identity {
  id: string;
  lid?: string | undefined;
}

export function isNode(frame: unknown): frame is BinaryNode {
  return typeof frame === 'object' && frame !== null && 'tag' in frame && 'attrs' in frame;
}

/** Returns true for groups, status and newsletters. Baileys acks them; they are neither decrypted nor stored. */
export function isIgnored(jid: string): boolean {
  return Boolean(isJidGroup(jid) || isJidBroadcast(jid) || isJidNewsletter(jid));
}

const longestId = 128;

/** The id under which an inbound message is stored. The writer's client chooses the id; official clients take 32 characters at most. */
export const inboundId = (id: string): string => cut(id, longestId);

/** The year 2100. A later time is none. */
const latestMs = Date.UTC(2100, 0, 1);

/** Returns the ciphertexts of a 1:1 `<message>`: the same objects that Baileys hands to `decryptMessage`. */
export function ciphertextsOf({ tag, attrs, content }: BinaryNode): Uint8Array[] {
  if (tag !== 'message' || attrs.from === undefined || isIgnored(attrs.from) || !Array.isArray(content)) return [];
  return content.flatMap((child) => {
    const readable = child.tag === 'enc' && (child.attrs.type === 'msg' || child.attrs.type === 'pkmsg');
    return readable && child.content instanceof Uint8Array ? [child.content] : [];
  });
}

/**
 * Returns the 1:1 stanza without ciphertexts of kinds that are not read here, such as a group's. Baileys would ask the sender for them again, which
 * cannot help. A stanza without any is acked. `msmsg` (a bot's) stays, because Baileys acks it in its own way.
 */
export function withoutUnknownKinds(stanza: BinaryNode): BinaryNode {
  const { content } = stanza;
  if (!Array.isArray(content)) return stanza;
  const known = content.filter(
    ({ tag, attrs }) => tag !== 'enc' || ['msg', 'pkmsg', 'msmsg'].includes(attrs.type ?? ''),
  );
  return known.length === content.length ? stanza : { ...stanza, content: known };
}

/** Returns the name under which unreadable messages of a person count: the LID where the stanza has it, else the number. */
export function senderOf({ attrs }: BinaryNode): string {
  return jidDecode(attrs.sender_lid ?? attrs.from)?.user ?? '';
}

/** Returns whether a person wrote this 1:1 stanza: not a device of the account itself, and not the server. */
export function isFromOthers({ attrs }: BinaryNode, me: Identity): boolean {
  return attrs.from !== undefined && attrs.category !== 'peer' && !isOwn(attrs.from, me);
}

/** Returns the message in a decrypted ciphertext. Clients can encrypt anything, so it may be `unreadable`. */
export function messageIn(padded: Uint8Array): proto.IMessage | 'unreadable' {
  try {
    return proto.Message.decode(unpadRandomMax16(padded));
  } catch {
    return 'unreadable';
  }
}

/** Returns the address of a number. */
export function jidOf(number: string): string {
  return jidEncode(number, 's.whatsapp.net');
}

/**
 * Returns the inbound message of a stanza and its content; undefined for messages of the account's own devices. `numberOf` returns the phone number
 * behind a LID, as digits. Without a number, `from` is the LID too.
 */
export function inboundOf(
  stanza: BinaryNode,
  content: InboundContent,
  me: Identity,
  numberOf: (lid: string) => string | undefined,
): InboundMessage | undefined {
  const { from, id, t } = stanza.attrs;
  if (from === undefined || id === undefined || !isFromOthers(stanza, me)) return undefined;
  const { number, lid } = writerOf(stanza, numberOf);
  return {
    id: inboundId(id),
    from: number ?? lid ?? '',
    ...(lid === undefined ? {} : { fromLid: lid }),
    ...content,
    at: millis(t),
  };
}

/** Returns the number (digits) in an address; undefined where the address has none. Hosted addresses are those of businesses on the Cloud API. */
export function numberIn(jid: string | undefined): string | undefined {
  return isPnUser(jid) || isHostedPnUser(jid) ? jidDecode(jid)?.user : undefined;
}

/** Returns the LID (digits) in an address; undefined where the address has none. */
export function lidIn(jid: string | undefined): string | undefined {
  return isLidUser(jid) || isHostedLidUser(jid) ? jidDecode(jid)?.user : undefined;
}

/** Returns number and LID of the writer of a 1:1 stanza, as far as they are known. */
function writerOf(
  { attrs: { from, sender_pn, sender_lid } }: BinaryNode,
  numberOf: (lid: string) => string | undefined,
): { number: string | undefined; lid: string | undefined } {
  const lid = lidIn(from) ?? jidDecode(sender_lid)?.user;
  const number = numberIn(from) ?? jidDecode(sender_pn)?.user;
  return { number: number ?? (lid === undefined ? undefined : numberOf(lid)), lid };
}

/** Returns the addresses, without devices, from which the writer of a stanza may have made the key of an edit. */
export function addressesOf(stanza: BinaryNode, numberOf: (lid: string) => string | undefined): string[] {
  const { number, lid } = writerOf(stanza, numberOf);
  return [...(lid === undefined ? [] : [jidEncode(lid, 'lid')]), ...(number === undefined ? [] : [jidOf(number)])];
}

/** Returns true for a message that WhatsApp shows on phones only: a view-once picture, film or voice message. */
export function isForPhoneOnly({ content }: BinaryNode): boolean {
  const children = Array.isArray(content) ? content : [];
  return children.some(({ tag, attrs }) => tag === 'unavailable' && attrs.type?.startsWith('view_once'));
}

/** Returns whether an address is the account's own, with any device. */
export function isOwn(jid: string, me: Identity): boolean {
  return areJidsSameUser(jid, me.id) || (me.lid !== undefined && areJidsSameUser(jid, me.lid));
}

/** Returns the time of a stanza (seconds) as epoch ms; 0 where it is no time. */
export function millis(seconds: string | undefined): number {
  const ms = Number(seconds ?? 0) * 1000;
  return ms >= 0 && ms <= latestMs ? ms : 0;
}
