import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import * as z from 'zod';
import type { OrderedReceipt } from '../connection/receipts.ts';
import { mediaMessage, pollMessage, sealedEdit } from '../phones/contents.ts';
import type { Phone } from '../phones/phone.ts';
import { numberJid } from '../wire/jid.ts';

const id = z.string().min(1).max(128);
/** One id, or several. */
const ids = z.union([id.transform((one): [string, ...string[]] => [one]), z.tuple([id], id)]);
const text = z.string().min(1).max(65_536);

const number = z.string().regex(/^\d{5,15}$/, 'A number has 5 to 15 digits and nothing else.');
const receiptKinds = ['retryFor', 'deliveredFor', 'readFor'] as const;

/**
 * An order to a phone to send one message or receipt, of exactly one kind. `addressing`: the message comes from the phone's number (`pn`) or its
 * hidden id (`lid`), with the other one beside it; `hidden`: from its hidden id alone. `corrupt`: it cannot be decrypted. `delete` means `revoke`.
 * `image` describes a picture without a file. `token` gives the account the phone's privacy token.
 * `retryFor`, `deliveredFor` and `readFor` are receipts, true or not. Only they take `group`, `participant` and `recipient`.
 */
export const Written = z
  .strictObject({
    to: number,
    hidden: z.boolean().optional(),
    addressing: z.enum(['pn', 'lid']).optional(),
    corrupt: z.boolean().optional(),
    text: text.optional(),
    media: z
      .strictObject({
        base64: z.base64().min(1),
        mimetype: z.string().regex(/^[a-z]+\/[\w.+-]+$/, 'A MIME type looks like image/jpeg.'),
        fileName: z.string().min(1).max(255).optional(),
        caption: text.optional(),
      })
      .optional(),
    poll: z
      .strictObject({
        name: text,
        options: z.array(z.string().min(1).max(100)).min(2).max(12),
        selectable: z.int().min(0).max(12).optional(),
      })
      .optional(),
    vote: z.strictObject({ id, choices: z.array(z.string().min(1)).max(12) }).optional(),
    revoke: z.strictObject({ id }).optional(),
    token: z.literal(true).optional(),
    image: z.strictObject({ caption: text.optional(), bytes: z.int().min(1).optional() }).optional(),
    location: z.strictObject({ latitude: z.number(), longitude: z.number(), name: z.string().optional() }).optional(),
    contact: z.strictObject({ name: z.string(), vcard: z.string() }).optional(),
    reaction: z.strictObject({ id, emoji: z.string().max(20) }).optional(),
    edit: z.strictObject({ id, text, encrypted: z.boolean().optional() }).optional(),
    delete: z.strictObject({ id }).optional(),
    retryFor: ids.optional(),
    deliveredFor: ids.optional(),
    readFor: ids.optional(),
    group: z.boolean().optional(),
    participant: number.optional(),
    recipient: number.optional(),
  })
  .refine(
    ({
      to: _to,
      hidden: _hidden,
      addressing: _addressing,
      corrupt: _corrupt,
      group: _group,
      participant: _participant,
      recipient: _recipient,
      ...kinds
    }) => Object.values(kinds).filter((kind) => kind !== undefined).length === 1,
    'Send exactly one of text, media, image, poll, vote, location, contact, reaction, edit, revoke, delete, token, retryFor, deliveredFor, readFor.',
  )
  .refine(
    (written) =>
      receiptKinds.some((kind) => written[kind] !== undefined) ||
      (written.group ?? written.participant ?? written.recipient) === undefined,
    'Only receipts have group, participant and recipient.',
  );

type Order = z.infer<typeof Written>;
type Kinds = Omit<Order, 'to' | 'hidden' | 'addressing' | 'corrupt'>;

/** Returns the receipt that was ordered; undefined for a message. */
export function receiptIn({ retryFor, deliveredFor, readFor, ...order }: Order): OrderedReceipt | undefined {
  if (retryFor) return { ...order, type: 'retry', ids: retryFor };
  if (deliveredFor) return { ...order, type: 'delivered', ids: deliveredFor };
  return readFor && { ...order, type: 'read', ids: readFor };
}

/** Returns the phone's message as clients encrypt it. A reaction names a message of the account; edits and revokes name one of the phone. */
export function messageOf(written: Kinds, to: string, phone: Phone, atMs: number): proto.IMessage {
  const key = (id: string, fromMe: boolean) => ({ remoteJid: numberJid(to), fromMe, id });
  const { ProtocolMessage } = proto.Message;
  if (written.image) {
    const { caption, bytes = 1024 } = written.image;
    return {
      imageMessage: {
        mimetype: 'image/jpeg',
        fileLength: bytes,
        width: 640,
        height: 480,
        ...(caption === undefined ? {} : { caption }),
      },
    };
  }
  if (written.location) {
    const { latitude, longitude, name } = written.location;
    return {
      locationMessage: {
        degreesLatitude: latitude,
        degreesLongitude: longitude,
        ...(name === undefined ? {} : { name }),
      },
    };
  }
  if (written.contact) return { contactMessage: { displayName: written.contact.name, vcard: written.contact.vcard } };
  if (written.reaction) {
    return { reactionMessage: { key: key(written.reaction.id, false), text: written.reaction.emoji } };
  }
  if (written.edit) {
    const { id, text, encrypted } = written.edit;
    if (encrypted) return sealedEdit(phone, key(id, true), text);
    const protocolMessage = {
      type: ProtocolMessage.Type.MESSAGE_EDIT,
      key: key(id, true),
      editedMessage: { conversation: text },
    };
    return { editedMessage: { message: { protocolMessage } } };
  }
  const taken = written.revoke ?? written.delete;
  if (taken) return { protocolMessage: { type: ProtocolMessage.Type.REVOKE, key: key(taken.id, true) } };
  if (written.media) {
    const { base64, ...file } = written.media;
    return mediaMessage({ ...file, atMs, bytes: Buffer.from(base64, 'base64') });
  }
  if (written.poll) return pollMessage({ ...written.poll, selectable: written.poll.selectable ?? 1 });
  return { conversation: written.text ?? '' };
}
