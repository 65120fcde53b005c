import { proto } from '@whiskeysockets/baileys';
import type { InboundContact, InboundContent, InboundMedia } from '../../lib/domain/inbound.ts';
import { cut } from '../../lib/domain/well-formed.ts';

const { MESSAGE_EDIT, REVOKE } = proto.Message.ProtocolMessage.Type;

/** WhatsApp's own limit of a text. Whatever a person's client sends must fit into the table, or it would come again for ever. */
const longestText = 65_536;
const longestName = 255;
const longestId = 128;
/** Contact cards carry pictures; what is longer is left out. */
const longestVcard = 4000;
const mostContacts = 20;

/**
 * What a person wrote, by kind, cut to what the table takes; `message` is unwrapped. Undefined for key distribution, settings and sync:
 * nothing a person has written.
 */
export function contentOf(message: proto.IMessage): InboundContent | undefined {
  if (message.protocolMessage) return changeOf(message.protocolMessage);
  if (isForClients(message)) return undefined;
  const text = textOf(message);
  if (text !== undefined)
    return { type: 'text', text: cut(text, longestText), ...quotedBy(message.extendedTextMessage?.contextInfo) };
  return mediaOf(message) ?? placeOf(message) ?? peopleOf(message) ?? reactionOf(message) ?? { type: 'other' };
}

/** Also what somebody chose from buttons or a list: it reads like a text. */
function textOf(message: proto.IMessage): string | undefined {
  return (
    message.conversation ||
    message.extendedTextMessage?.text ||
    message.buttonsResponseMessage?.selectedDisplayText ||
    message.templateButtonReplyMessage?.selectedDisplayText ||
    message.listResponseMessage?.title ||
    undefined
  );
}

function changeOf({ type, key, editedMessage }: proto.Message.IProtocolMessage): InboundContent | undefined {
  const about = key?.id == null ? {} : { target: cut(key.id, longestId) };
  if (type === REVOKE) return { type: 'delete', ...about };
  if (type !== MESSAGE_EDIT) return undefined;
  const text = editedMessage == null ? undefined : (textOf(editedMessage) ?? captionOf(editedMessage));
  return { type: 'edit', ...(text === undefined ? {} : { text: cut(text, longestText) }), ...about };
}

function captionOf(message: proto.IMessage): string | undefined {
  return (
    message.imageMessage?.caption || message.videoMessage?.caption || message.documentMessage?.caption || undefined
  );
}

function mediaOf(message: proto.IMessage): InboundContent | undefined {
  const { imageMessage, videoMessage, ptvMessage, audioMessage, documentMessage, stickerMessage } = message;
  const video = videoMessage ?? ptvMessage;
  const caption = captionOf(message);
  const told = (type: InboundContent['type'], file: MediaFacts, more: InboundMedia = {}): InboundContent => ({
    type,
    ...(caption === undefined ? {} : { text: cut(caption, longestText) }),
    media: { ...factsOf(file), ...more },
    ...quotedBy(file.contextInfo),
  });
  if (imageMessage) return told('image', imageMessage);
  if (video) return told('video', video);
  if (audioMessage) return told('audio', audioMessage, audioMessage.ptt === true ? { voice: true } : {});
  if (documentMessage) {
    const fileName = documentMessage.fileName || documentMessage.title || undefined;
    return told('document', documentMessage, fileName === undefined ? {} : { fileName: cut(fileName, longestName) });
  }
  return stickerMessage ? told('sticker', stickerMessage) : undefined;
}

interface MediaFacts {
  mimetype?: string | null;
  fileLength?: number | { toNumber(): number } | null;
  seconds?: number | null;
  width?: number | null;
  height?: number | null;
  contextInfo?: proto.IContextInfo | null;
}

function factsOf({ mimetype, fileLength, seconds, width, height }: MediaFacts): InboundMedia {
  const sizeBytes = typeof fileLength === 'object' ? fileLength?.toNumber() : fileLength;
  return {
    ...(mimetype ? { mimeType: cut(mimetype, longestName) } : {}),
    ...(sizeBytes && Number.isSafeInteger(sizeBytes) ? { sizeBytes } : {}),
    ...(seconds ? { durationSec: seconds } : {}),
    ...(width ? { width } : {}),
    ...(height ? { height } : {}),
  };
}

function placeOf({ locationMessage, liveLocationMessage }: proto.IMessage): InboundContent | undefined {
  const place = locationMessage ?? liveLocationMessage;
  if (place == null) return undefined;
  const { degreesLatitude, degreesLongitude } = place;
  const { name, address } = locationMessage ?? {};
  return {
    type: 'location',
    location: {
      latitude: degreesIn(degreesLatitude, 90),
      longitude: degreesIn(degreesLongitude, 180),
      ...(name ? { name: cut(name, longestName) } : {}),
      ...(address ? { address: cut(address, longestName) } : {}),
    },
    ...quotedBy(place.contextInfo),
  };
}

/** Clients can send anything: infinity, and what is nearer to zero than the table's numbers. A ten-millionth is a centimetre. */
function degreesIn(degrees: number | null | undefined, most: number): number {
  if (typeof degrees !== 'number' || !(Math.abs(degrees) <= most)) return 0;
  // `+ 0`: no negative zero.
  return Math.round(degrees * 1e7) / 1e7 + 0;
}

function peopleOf({ contactMessage, contactsArrayMessage }: proto.IMessage): InboundContent | undefined {
  const cards = contactMessage ? [contactMessage] : contactsArrayMessage?.contacts;
  if (cards == null) return undefined;
  return { type: 'contact', contacts: cards.slice(0, mostContacts).map(contactOf) };
}

function contactOf({ displayName, vcard }: proto.Message.IContactMessage): InboundContact {
  return {
    name: cut(displayName ?? '', longestName),
    ...(vcard && vcard.length <= longestVcard ? { vcard: cut(vcard, longestVcard) } : {}),
  };
}

function reactionOf({ reactionMessage }: proto.IMessage): InboundContent | undefined {
  if (reactionMessage == null) return undefined;
  const { key, text } = reactionMessage;
  return {
    type: 'reaction',
    emoji: text ? cut(text, longestName) : null,
    ...(key?.id == null ? {} : { target: cut(key.id, longestId) }),
  };
}

function quotedBy(context: proto.IContextInfo | null | undefined): { target?: string } {
  return context?.stanzaId ? { target: cut(context.stanzaId, longestId) } : {};
}

function isForClients(message: proto.IMessage): boolean {
  const parts = Object.entries(message).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return parts.every(([name]) => name === 'senderKeyDistributionMessage' || name === 'messageContextInfo');
}
