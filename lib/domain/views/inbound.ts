import { messageIdOf } from '../ids.ts';
import type {
  InboundBatch,
  InboundContact,
  InboundLocation,
  InboundMedia,
  InboundMessage,
  InboundType,
} from '../inbound.ts';
import { isoOf } from './times.ts';

/** A message somebody sent, as the HTTP surface and its events show it; what its type does not have is left out. */
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
  /** The message it is about, by its WhatsApp id; `messageId` where that is one of ours. */
  target?: { id: string; messageId: string | null };
}

/** `data` of message.received. */
export interface ReceivedView {
  accountId: string;
  /** The number as digits, or the LID's digits where WhatsApp tells no number. */
  from: string;
  fromLid: string | null;
  messages: InboundView[];
}

/** Pure. */
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

/** Pure: what a closed batch tells. */
export function receivedView({ accountId, from, fromLid, messages }: InboundBatch): ReceivedView {
  return { accountId, from, fromLid: fromLid ?? null, messages: messages.map(inboundView) };
}
