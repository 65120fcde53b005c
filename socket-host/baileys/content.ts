import { proto } from '@whiskeysockets/baileys';
import type { InboundContact, InboundContent, InboundMedia } from '../../lib/domain/inbound/inbound.ts';
import { cut } from '../../lib/domain/well-formed.ts';

const { MESSAGE_EDIT, REVOKE } = proto.Message.ProtocolMessage.Type;
const { SecretEncType } = proto.Message.SecretEncryptedMessage;

/** The limit that WhatsApp has for a text. Every message must fit into the table, or WhatsApp would deliver it again for ever. */
const longestText = 65_536;
const longestName = 255;
const longestId = 128;
/** Contact cards can carry pictures. A longer card is left out. */
const longestVcard = 4000;
const mostContacts = 20;

/** The kinds of messages that wrap another one. The inner message is the one that the person wrote. */
const wrappers = [
  'ephemeralMessage',
  'viewOnceMessage',
  'viewOnceMessageV2',
  'viewOnceMessageV2Extension',
  'documentWithCaptionMessage',
  'editedMessage',
  'lottieStickerMessage',
  'associatedChildMessage',
  'groupMentionedMessage',
  'botInvokeMessage',
  'botTaskMessage',
  'botForwardedMessage',
  'questionMessage',
  'questionReplyMessage',
  'limitSharingMessage',
  'pollCreationMessageV4',
  'pollCreationOptionImageMessage',
  'eventCoverImage',
  'statusAddYours',
  'groupStatusMessage',
  'groupStatusMessageV2',
] as const satisfies (keyof proto.IMessage)[];

/** Returns a message with its wrappers, outermost first. The last one is the message that the person wrote. A wrapper can be empty. */
export function layersOf(message: proto.IMessage): proto.IMessage[] {
  const layers: proto.IMessage[] = [];
  for (let layer: proto.IMessage | null | undefined = message; layer != null; ) {
    layers.push(layer);
    const at: proto.IMessage = layer;
    const wrapper = wrappers.find((name) => at[name] != null);
    layer = wrapper === undefined ? undefined : (at[wrapper]?.message ?? {});
  }
  return layers;
}

/**
 * Returns the content that a person wrote, by kind, cut to the limits of the table. Undefined for key distribution, settings and sync, which no
 * person has written. An encrypted edit is an `edit` without text; use `editOf` once it is decrypted.
 */
export function contentOf(wrapped: proto.IMessage): InboundContent | undefined {
  const message = layersOf(wrapped).at(-1) ?? {};
  if (message.protocolMessage) return changeOf(message.protocolMessage);
  if (isForClients(message)) return undefined;
  const text = textOf(message);
  if (text !== undefined) return { type: 'text', text: cut(text, longestText), ...aboutIn(message) };
  return mediaOf(message) ?? placeOf(message) ?? peopleOf(message) ?? reactionOf(message) ?? otherOf(message);
}

/** Returns the edit of a message with its new text or caption, if any. `edited` may be wrapped, and may be the whole edit message. */
export function editOf(edited: proto.IMessage | null | undefined, target: string | null | undefined): InboundContent {
  const message = edited == null ? {} : (layersOf(edited).at(-1) ?? {});
  const { protocolMessage } = message;
  if (protocolMessage?.type === MESSAGE_EDIT) return editOf(protocolMessage.editedMessage, target);
  const text = textOf(message) ?? captionOf(message);
  return { type: 'edit', ...(text === undefined ? {} : { text: cut(text, longestText) }), ...targetAt(target) };
}

/** Returns the text of a message. A choice from buttons, a list, a template or a native flow counts as text. */
function textOf(message: proto.IMessage): string | undefined {
  const { buttonsResponseMessage, templateButtonReplyMessage, listResponseMessage } = message;
  return (
    message.conversation ||
    message.extendedTextMessage?.text ||
    buttonsResponseMessage?.selectedDisplayText ||
    buttonsResponseMessage?.selectedButtonId ||
    templateButtonReplyMessage?.selectedDisplayText ||
    templateButtonReplyMessage?.selectedId ||
    listResponseMessage?.title ||
    listResponseMessage?.singleSelectReply?.selectedRowId ||
    chosenIn(message.interactiveResponseMessage) ||
    undefined
  );
}

/** Returns the choice in an interactive message: its shown text, else the title or id among the parameters of the answer. */
function chosenIn(answer: proto.Message.IInteractiveResponseMessage | null | undefined): string | undefined {
  if (answer?.body?.text) return answer.body.text;
  try {
    const chosen: unknown = JSON.parse(answer?.nativeFlowResponseMessage?.paramsJson ?? 'null');
    if (typeof chosen !== 'object' || chosen === null) return undefined;
    const named = ['display_text', 'title', 'id'].map((name): unknown => Reflect.get(chosen, name));
    return named.find((value): value is string => typeof value === 'string' && value !== '');
  } catch {
    // The client of the writer makes this JSON, so it can be damaged.
    return undefined;
  }
}

function changeOf({ type, key, editedMessage }: proto.Message.IProtocolMessage): InboundContent | undefined {
  if (type === REVOKE) return { type: 'delete', ...targetAt(key?.id) };
  return type === MESSAGE_EDIT ? editOf(editedMessage, key?.id) : undefined;
}

function captionOf(message: proto.IMessage): string | undefined {
  return (
    message.imageMessage?.caption ||
    message.videoMessage?.caption ||
    message.ptvMessage?.caption ||
    message.documentMessage?.caption ||
    message.liveLocationMessage?.caption ||
    undefined
  );
}

function mediaOf(message: proto.IMessage): InboundContent | undefined {
  const { imageMessage, videoMessage, ptvMessage, audioMessage, documentMessage, stickerMessage } = message;
  const video = videoMessage ?? ptvMessage;
  const caption = captionOf(message);
  const media = (type: InboundContent['type'], file: MediaFacts, more: InboundMedia = {}): InboundContent => ({
    type,
    ...(caption === undefined ? {} : { text: cut(caption, longestText) }),
    media: { ...factsOf(file), ...more },
    ...quotedBy(file.contextInfo),
  });
  if (imageMessage) return media('image', imageMessage);
  if (video) return media('video', video);
  if (audioMessage) return media('audio', audioMessage, audioMessage.ptt === true ? { voice: true } : {});
  if (documentMessage) {
    const fileName = documentMessage.fileName || documentMessage.title || undefined;
    return media('document', documentMessage, fileName === undefined ? {} : { fileName: cut(fileName, longestName) });
  }
  return stickerMessage ? media('sticker', stickerMessage) : undefined;
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
  const caption = liveLocationMessage?.caption;
  const { degreesLatitude, degreesLongitude } = place;
  const { name, address } = locationMessage ?? {};
  return {
    type: 'location',
    ...(caption ? { text: cut(caption, longestText) } : {}),
    location: {
      latitude: degreesIn(degreesLatitude, 90),
      longitude: degreesIn(degreesLongitude, 180),
      ...(name ? { name: cut(name, longestName) } : {}),
      ...(address ? { address: cut(address, longestName) } : {}),
    },
    ...quotedBy(place.contextInfo),
  };
}

/** Returns degrees that the table can hold. Clients can send infinity, and numbers too near to zero. A ten-millionth is a centimetre. */
function degreesIn(degrees: number | null | undefined, most: number): number {
  if (typeof degrees !== 'number' || !(Math.abs(degrees) <= most)) return 0;
  // `+ 0` makes a negative zero positive.
  return Math.round(degrees * 1e7) / 1e7 + 0;
}

function peopleOf({ contactMessage, contactsArrayMessage }: proto.IMessage): InboundContent | undefined {
  const cards = contactMessage ? [contactMessage] : contactsArrayMessage?.contacts;
  if (cards == null) return undefined;
  return {
    type: 'contact',
    contacts: cards.slice(0, mostContacts).map(contactOf),
    ...quotedBy((contactMessage ?? contactsArrayMessage)?.contextInfo),
  };
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
    ...targetAt(key?.id),
  };
}

/** Returns a kind without a name of its own (poll, vote, pin, event, product, invitation) with the message that it refers to. */
function otherOf(message: proto.IMessage): InboundContent {
  const { secretEncryptedMessage } = message;
  const edit = secretEncryptedMessage?.secretEncType === SecretEncType.MESSAGE_EDIT;
  return { type: edit ? 'edit' : 'other', ...aboutIn(message) };
}

/** The names under which messages hold the key of the message that they refer to. */
const keyNames = ['key', 'targetMessageKey', 'pollCreationMessageKey', 'eventCreationMessageKey'];

/** Returns the message that this one refers to or quotes. */
function aboutIn(message: proto.IMessage): { target?: string } {
  const parts = Object.values(message).filter((part): part is object => typeof part === 'object' && part !== null);
  for (const part of parts) {
    const ids = [...keyNames.map((name) => idIn(part, name, 'id')), idIn(part, 'contextInfo', 'stanzaId')];
    const id = ids.find((found) => found !== undefined);
    if (id !== undefined) return targetAt(id);
  }
  return {};
}

function idIn(part: object, name: string, field: string): string | undefined {
  const holder: unknown = Reflect.get(part, name);
  const id: unknown = typeof holder === 'object' && holder !== null ? Reflect.get(holder, field) : undefined;
  return typeof id === 'string' && id !== '' ? id : undefined;
}

function quotedBy(context: proto.IContextInfo | null | undefined): { target?: string } {
  return targetAt(context?.stanzaId);
}

function targetAt(id: string | null | undefined): { target?: string } {
  return id ? { target: cut(id, longestId) } : {};
}

function isForClients(message: proto.IMessage): boolean {
  const parts = Object.entries(message).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return parts.every(([name]) => name === 'senderKeyDistributionMessage' || name === 'messageContextInfo');
}
