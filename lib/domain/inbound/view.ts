import { messageIdOf } from '../ids.ts';
import { isoOf } from '../times.ts';
import {
  type InboundBatch,
  type InboundContact,
  type InboundLocation,
  type InboundMedia,
  type InboundMessage,
  type InboundType,
  senderOf,
} from './inbound.ts';

/** An inbound message as the HTTP API and events show it. Fields that its type does not have are left out. */
export interface InboundView {
  /** WhatsApp's id. */
  id: string;
  type: InboundType;
  text: string | null;
  timestamp: string;
  media?: InboundMedia;
  location?: InboundLocation;
  contacts?: InboundContact[];
  emoji?: string | null;
  /** The message that it refers to: its WhatsApp id, and the `messageId` if we sent it. */
  target?: { id: string; messageId: string | null };
}

/** `data` of message.received. */
export interface ReceivedView {
  accountId: string;
  /** See `senderOf`. */
  from: string;
  fromLid: string | null;
  messages: InboundView[];
}

/** Returns an inbound message as the API shows it. Pure. */
export function inboundView({
  id,
  type,
  text,
  at,
  media,
  location,
  contacts,
  emoji,
  target,
}: InboundMessage): InboundView {
  return {
    id,
    type,
    text: text ?? null,
    timestamp: isoOf(at),
    ...(media === undefined ? {} : { media }),
    ...(location === undefined ? {} : { location }),
    ...(contacts === undefined ? {} : { contacts }),
    ...(emoji === undefined ? {} : { emoji }),
    ...(target === undefined ? {} : { target: { id: target, messageId: messageIdOf(target) ?? null } }),
  };
}

/** Pure: returns `data` of the event of a closed batch. */
export function receivedView({ accountId, from, fromLid, messages }: InboundBatch): ReceivedView {
  return {
    accountId,
    from: senderOf({ from, ...(fromLid === undefined ? {} : { fromLid }) }),
    fromLid: fromLid ?? null,
    messages: messages.map(inboundView),
  };
}

/** Pure: returns `data` of an event of any version. Earlier versions showed the bare digits of a LID as `from`. */
export function receivedAsPrinted(data: ReceivedView): ReceivedView {
  return data.from === data.fromLid ? { ...data, from: senderOf({ from: data.from, fromLid: data.fromLid }) } : data;
}
