import {
  areJidsSameUser,
  type BinaryNode,
  getBinaryNodeChildren,
  isJidBroadcast,
  isJidGroup,
  isJidNewsletter,
  isLidUser,
  isPnUser,
  jidDecode,
  normalizeMessageContent,
  proto,
  unpadRandomMax16,
} from '@whiskeysockets/baileys';
import { messageIdOf } from '../../lib/domain/ids.ts';
import type { InboundMessage, TransportListener } from '../transport.ts';

type Receipt = Parameters<TransportListener['onReceipt']>[0];
const { MESSAGE_EDIT, REVOKE } = proto.Message.ProtocolMessage.Type;

/** The account's own addresses. */
export interface Identity {
  id: string;
  lid?: string | undefined;
}

/** Groups, status and newsletters: acknowledged by Baileys, and neither decrypted nor told. */
export function isIgnored(jid: string): boolean {
  return Boolean(isJidGroup(jid) || isJidBroadcast(jid) || isJidNewsletter(jid));
}

/** The receipts of our messages in a `<receipt>`, which may stand for several; none for retries and for our own devices. */
export function receiptsOf({ attrs, content }: BinaryNode, me: Identity): Receipt[] {
  const kind = receiptKinds.get(attrs.type ?? '');
  if (kind === undefined || attrs.from === undefined || isIgnored(attrs.from) || isOwn(attrs.from, me)) return [];
  const [list] = Array.isArray(content) ? content : [];
  const ids = [attrs.id, ...getBinaryNodeChildren(list, 'item').map((item) => item.attrs.id)];
  return ids.flatMap((id) => {
    const messageId = id === undefined ? undefined : messageIdOf(id);
    return messageId === undefined ? [] : [{ messageId, kind, at: millis(attrs.t) }];
  });
}

const receiptKinds = new Map<string, Receipt['kind']>([
  ['', 'delivered'],
  ['read', 'read'],
  ['played', 'read'],
]);

/** The ciphertexts of a 1:1 `<message>` as Baileys will hand them to `decryptMessage`: the same objects. */
export function ciphertextsOf({ tag, attrs, content }: BinaryNode): Uint8Array[] {
  if (tag !== 'message' || attrs.from === undefined || isIgnored(attrs.from) || !Array.isArray(content)) return [];
  return content.flatMap((child) => {
    const readable = child.tag === 'enc' && (child.attrs.type === 'msg' || child.attrs.type === 'pkmsg');
    return readable && child.content instanceof Uint8Array ? [child.content] : [];
  });
}

/**
 * The user's message in a decrypted stanza; undefined for our own devices' messages and for those only clients see. `numberOf` knows
 * the phone number behind a LID, as digits. Without one, `from` is the LID too.
 */
export function inboundOf(
  { attrs }: BinaryNode,
  padded: Uint8Array,
  me: Identity,
  numberOf: (lid: string) => string | undefined,
): InboundMessage | undefined {
  const { from, id } = attrs;
  if (from === undefined || id === undefined || attrs.category === 'peer' || isOwn(from, me)) return undefined;
  const message = normalizeMessageContent(proto.Message.decode(unpadRandomMax16(padded)));
  if (message === undefined || isForClients(message)) return undefined;
  const text = message.conversation || message.extendedTextMessage?.text || undefined;
  const pn = isPnUser(from) ? from : attrs.sender_pn;
  const lid = isLidUser(from) ? from : attrs.sender_lid;
  const lidUser = jidDecode(lid)?.user;
  const number = jidDecode(pn)?.user ?? (lidUser === undefined ? undefined : numberOf(lidUser));
  return {
    id,
    from: number ?? lidUser ?? '',
    ...(lidUser === undefined ? {} : { fromLid: lidUser }),
    ...(text === undefined ? { type: 'other' } : { type: 'text', text }),
    at: millis(attrs.t),
  };
}

/** Key distribution, settings and sync: nothing a person has written. Edits and revocations are. */
function isForClients(message: proto.IMessage): boolean {
  const type = message.protocolMessage?.type;
  if (message.protocolMessage) return type !== MESSAGE_EDIT && type !== REVOKE;
  const parts = Object.entries(message).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return parts.every(([name]) => name === 'senderKeyDistributionMessage' || name === 'messageContextInfo');
}

function isOwn(jid: string, me: Identity): boolean {
  return areJidsSameUser(jid, me.id) || (me.lid !== undefined && areJidsSameUser(jid, me.lid));
}

function millis(seconds: string | undefined): number {
  return Number(seconds ?? 0) * 1000;
}
