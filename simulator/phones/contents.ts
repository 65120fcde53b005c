import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import { derive, mac } from '../signal/keys.ts';
import { lidJid } from '../wire/jid.ts';
import type { Phone } from './phone.ts';

/** The part of a message that a phone shows, as the control API lists it. */
export type Content = {
  readonly type: ContentType;
  /** The text, caption, name of a poll, or emoji of a reaction; empty when there is none. */
  readonly text: string;
  /** `sha256` (hex) and `size` are as the message states them. */
  readonly media?: { sha256: string; size: number; mimetype: string; fileName?: string };
  readonly poll?: { name: string; options: string[]; selectable: number };
  readonly location?: { latitude: number; longitude: number; name?: string };
  readonly contact?: { name: string; vcard: string };
  /** The id of the message that this one answers, edits, revokes, reacts to or votes in. */
  readonly replyTo?: string;
  /** Of a poll: the secret that encrypts its votes, base64. It is kept and not listed. */
  readonly secret?: string;
};

const MEDIA = ['image', 'video', 'audio', 'document', 'sticker'] as const;
type Media = (typeof MEDIA)[number];
export type ContentType =
  | 'text'
  | Media
  | 'location'
  | 'contact'
  | 'poll'
  | 'vote'
  | 'reaction'
  | 'edit'
  | 'revoke'
  | 'event'
  | 'unknown';

/** Whether a phone shows the content as a message of its own. Other contents change a message that is there. */
export const isShown = ({ type }: Content): boolean => !['vote', 'reaction', 'edit', 'revoke'].includes(type);

const { Type } = proto.Message.ProtocolMessage;
const { SecretEncType } = proto.Message.SecretEncryptedMessage;

/** Returns the bytes of a message to encrypt: its protobuf and 1 to 16 bytes of padding. */
export function padded(message: proto.IMessage): Buffer {
  const length = 1 + (randomBytes(1).readUInt8(0) & 0x0f);
  return Buffer.concat([proto.Message.encode(message).finish(), Buffer.alloc(length, length)]);
}

/** Returns the message in decrypted bytes; undefined when they are malformed. */
export function messageIn(plaintext: Buffer): proto.IMessage | undefined {
  try {
    return proto.Message.decode(plaintext.subarray(0, plaintext.length - (plaintext.at(-1) ?? 0)));
  } catch {
    return undefined;
  }
}

/** Returns the part of decrypted bytes that a phone shows; undefined for messages that only keep devices in step. */
export function contentIn(plaintext: Buffer): Content | undefined {
  const outer = messageIn(plaintext);
  if (!outer) return { type: 'unknown', text: '' };
  const message = unwrapped(outer);
  const secret = (outer.messageContextInfo ?? message.messageContextInfo)?.messageSecret;
  return contentOf(message, secret ? Buffer.from(secret).toString('base64') : undefined);
}

/** Returns the innermost of messages that only wrap another. */
function unwrapped(message: proto.IMessage): proto.IMessage {
  const inner =
    message.deviceSentMessage?.message ??
    message.ephemeralMessage?.message ??
    message.viewOnceMessage?.message ??
    message.viewOnceMessageV2?.message ??
    message.documentWithCaptionMessage?.message ??
    message.editedMessage?.message;
  return inner ? unwrapped(inner) : message;
}

function contentOf(message: proto.IMessage, secret: string | undefined): Content | undefined {
  if (message.protocolMessage) return changeOf(message.protocolMessage);
  const media = mediaOf(message);
  if (media) return media;
  const { extendedTextMessage, locationMessage, contactMessage, reactionMessage, pollUpdateMessage } = message;
  if (message.conversation) return { type: 'text', text: message.conversation };
  if (extendedTextMessage) {
    return { type: 'text', text: extendedTextMessage.text ?? '', ...answering(extendedTextMessage.contextInfo) };
  }
  if (locationMessage) {
    const { degreesLatitude, degreesLongitude, name } = locationMessage;
    const location = { latitude: degreesLatitude ?? 0, longitude: degreesLongitude ?? 0, ...(name ? { name } : {}) };
    return { type: 'location', text: name ?? '', location, ...answering(locationMessage.contextInfo) };
  }
  const contact = contactMessage ?? message.contactsArrayMessage?.contacts?.[0];
  if (contact) {
    const { displayName, vcard } = contact;
    return { type: 'contact', text: displayName ?? '', contact: { name: displayName ?? '', vcard: vcard ?? '' } };
  }
  if (reactionMessage) return { type: 'reaction', text: reactionMessage.text ?? '', ...at(reactionMessage.key) };
  const poll = message.pollCreationMessage ?? message.pollCreationMessageV2 ?? message.pollCreationMessageV3;
  if (poll) {
    const options = (poll.options ?? []).map(({ optionName }) => optionName ?? '');
    const shown = { name: poll.name ?? '', options, selectable: poll.selectableOptionsCount ?? 0 };
    return { type: 'poll', text: shown.name, poll: shown, ...(secret === undefined ? {} : { secret }) };
  }
  if (pollUpdateMessage) return { type: 'vote', text: '', ...at(pollUpdateMessage.pollCreationMessageKey) };
  const { targetMessageKey, secretEncType } = message.secretEncryptedMessage ?? {};
  // The text of this edit is encrypted a second time.
  if (secretEncType === SecretEncType.MESSAGE_EDIT) return { type: 'edit', text: '', ...at(targetMessageKey) };
  if (message.eventMessage) return { type: 'event', text: message.eventMessage.name ?? '' };
  // Only keys of a group: nothing to show.
  if (message.senderKeyDistributionMessage) return undefined;
  return { type: 'unknown', text: '' };
}

function changeOf({ type, key, editedMessage }: proto.Message.IProtocolMessage): Content | undefined {
  if (type === Type.REVOKE) return { type: 'revoke', text: '', ...at(key) };
  if (type !== Type.MESSAGE_EDIT) return undefined;
  const edited = contentOf(unwrapped(editedMessage ?? {}), undefined);
  return { type: 'edit', text: edited?.text ?? '', ...at(key) };
}

function mediaOf(message: proto.IMessage): Content | undefined {
  for (const type of MEDIA) {
    const media = message[`${type}Message`];
    if (!media) continue;
    const caption = 'caption' in media ? media.caption : undefined;
    const fileName = 'fileName' in media ? media.fileName : undefined;
    return {
      type,
      text: caption ?? '',
      media: {
        sha256: Buffer.from(media.fileSha256 ?? []).toString('hex'),
        size: Number(media.fileLength ?? 0),
        mimetype: media.mimetype ?? '',
        ...(fileName ? { fileName } : {}),
      },
      ...answering(media.contextInfo),
    };
  }
  return undefined;
}

const at = (key: proto.IMessageKey | null | undefined) => (key?.id ? { replyTo: key.id } : {});
const answering = (context: proto.IContextInfo | null | undefined) =>
  context?.stanzaId ? { replyTo: context.stanzaId } : {};

/** The attributes of a message's stanza that are not encrypted. */
export type Shape = {
  readonly type: 'text' | 'media' | 'reaction' | 'poll' | 'event';
  readonly edit?: '1' | '7';
  readonly mediatype?: string;
  /** Makes a client that cannot open the message show nothing. */
  readonly hide?: true;
  readonly polltype?: 'creation' | 'vote';
};

/** The shape of a message, as official clients write it. */
export function shapeOf(message: proto.IMessage): Shape {
  const content = contentOf(unwrapped(message), undefined);
  switch (content?.type) {
    case 'image':
    case 'video':
    case 'audio':
    case 'document':
    case 'sticker':
      return { type: 'media', mediatype: content.type };
    case 'contact':
      return { type: 'media', mediatype: 'vcard' };
    case 'poll':
      return { type: 'poll', polltype: 'creation' };
    case 'vote':
      return { type: 'poll', polltype: 'vote', hide: true };
    case 'reaction':
      return { type: 'reaction', hide: true };
    case 'edit':
      return { type: 'text', edit: '1', hide: true };
    case 'revoke':
      return { type: 'text', edit: '7', hide: true };
    case 'event':
      return { type: 'event' };
    default:
      return { type: 'text' };
  }
}

const MEDIA_KEYS: Record<Media, string> = {
  image: 'WhatsApp Image Keys',
  sticker: 'WhatsApp Image Keys',
  video: 'WhatsApp Video Keys',
  audio: 'WhatsApp Audio Keys',
  document: 'WhatsApp Document Keys',
};
const NO_MEDIA_SERVER = 'https://127.0.0.1';

/**
 * Returns a message with a file. Keys and hashes are those of the file as it would be uploaded. There is no media server yet, so its address does not
 * work.
 */
export function mediaMessage(file: {
  readonly bytes: Buffer;
  readonly mimetype: string;
  readonly fileName?: string | undefined;
  readonly caption?: string | undefined;
  readonly atMs: number;
}): proto.IMessage {
  const { bytes, mimetype, fileName, caption, atMs } = file;
  const [family] = mimetype.split('/');
  const type = family === 'image' || family === 'video' || family === 'audio' ? family : 'document';
  const mediaKey = randomBytes(32);
  const keys = derive(mediaKey, MEDIA_KEYS[type], 112);
  const iv = keys.subarray(0, 16);
  const cipher = createCipheriv('aes-256-cbc', keys.subarray(16, 48), iv);
  const encrypted = Buffer.concat([cipher.update(bytes), cipher.final()]);
  const uploaded = Buffer.concat([encrypted, mac(keys.subarray(48, 80), iv, encrypted).subarray(0, 10)]);
  const fileEncSha256 = createHash('sha256').update(uploaded).digest();
  const directPath = `/v/t62.7118-24/${fileEncSha256.toString('hex').slice(0, 16)}.enc?ccb=11-4`;
  const about = {
    url: NO_MEDIA_SERVER + directPath,
    directPath,
    mediaKey,
    mediaKeyTimestamp: Math.floor(atMs / 1000),
    fileEncSha256,
    fileSha256: createHash('sha256').update(bytes).digest(),
    fileLength: bytes.length,
    mimetype,
    ...(caption === undefined || type === 'audio' ? {} : { caption }),
    ...(fileName === undefined || type !== 'document' ? {} : { fileName }),
  };
  return { [`${type}Message`]: about };
}

/** Returns an edit as clients send it since May 2026. Its key is derived from the secret of the edited message and the phone's hidden id. */
export function sealedEdit(phone: Phone, key: proto.IMessageKey, text: string): proto.IMessage {
  const id = key.id ?? '';
  const writer = lidJid(phone.facts.lid);
  const info = `${id}${writer}${writer}Message Edit`;
  const encIv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', derive(phone.messageSecret(id), info, 32), encIv);
  const protocolMessage = { type: Type.MESSAGE_EDIT, key, editedMessage: { conversation: text } };
  const plaintext = proto.Message.encode({ protocolMessage }).finish();
  const encPayload = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  const secretEncType = SecretEncType.MESSAGE_EDIT;
  return { secretEncryptedMessage: { targetMessageKey: key, encPayload, encIv, secretEncType } };
}

/** Returns a poll. Its votes are encrypted with the secret that each message of a phone carries. */
export const pollMessage = ({ name, options, selectable }: NonNullable<Content['poll']>): proto.IMessage => ({
  pollCreationMessageV3: {
    name,
    options: options.map((optionName) => ({ optionName })),
    selectableOptionsCount: selectable,
  },
});

/** Returns a vote in the poll of another user. Addresses are those of the chat, without device. `secret` is that of the poll, in base64. */
export function voteMessage(vote: {
  readonly pollId: string;
  readonly secret: string;
  readonly creator: string;
  readonly voter: string;
  readonly choices: readonly string[];
  readonly atMs: number;
}): proto.IMessage {
  const { pollId, secret, creator, voter, choices, atMs } = vote;
  const root = mac(Buffer.alloc(32), Buffer.from(secret, 'base64'));
  const key = mac(root, Buffer.from(`${pollId}${creator}${voter}Poll Vote`), Buffer.of(1));
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  cipher.setAAD(Buffer.from(`${pollId}\0${voter}`));
  const selectedOptions = choices.map((choice) => createHash('sha256').update(choice).digest());
  const plain = proto.Message.PollVoteMessage.encode({ selectedOptions }).finish();
  const encPayload = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return {
    pollUpdateMessage: {
      pollCreationMessageKey: { remoteJid: creator, fromMe: false, id: pollId },
      vote: { encPayload, encIv: iv },
      senderTimestampMs: atMs,
    },
  };
}
