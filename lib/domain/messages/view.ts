import { type Content, textOf } from '../content.ts';
import { whatsappId } from '../ids.ts';
import { isoOf, toIso } from '../times.ts';
import type { ContractMessage, Lane, MessageError, MessageState } from './message.ts';

/** A message as the HTTP API and events show it. Times are ISO 8601 UTC. */
export interface MessageView {
  id: string;
  whatsappId: string;
  accountId: string;
  contractId: string;
  source: 'contract';
  lane: Lane;
  to: string;
  /** The number under which WhatsApp knows the recipient; null until the message is sent. */
  sentTo: string | null;
  type: Content['type'];
  text: string | null;
  template: null;
  externalId: string | null;
  status: MessageState;
  reason: string | null;
  attempts: number;
  createdAt: string;
  queuedAt: string | null;
  sentAt: string | null;
  deliveredAt: string | null;
  readAt: string | null;
  expiresAt: string | null;
  error: MessageError | null;
}

/** Returns the fields of the view that show the content. `content` is undefined once its retention is over. */
export function contentView(content: Content | undefined): Pick<MessageView, 'type' | 'text'> {
  return { type: content?.type ?? 'text', text: content === undefined ? null : textOf(content) };
}

/** Returns a message as GET shows it. `content` is undefined once its retention is over. */
export function messageView(message: ContractMessage, content: Content | undefined): MessageView {
  return {
    id: message.id,
    whatsappId: whatsappId(message.id),
    accountId: message.accountId,
    contractId: message.contractId,
    source: message.source,
    lane: message.lane,
    to: message.to,
    sentTo: message.sentAt === undefined ? null : (message.sentTo ?? message.to),
    ...contentView(content),
    template: null,
    externalId: message.externalId ?? null,
    status: message.state,
    reason: message.error?.message ?? null,
    attempts: message.attempts,
    createdAt: isoOf(message.createdAt),
    queuedAt: toIso(message.queuedAt),
    sentAt: toIso(message.sentAt),
    deliveredAt: toIso(message.deliveredAt),
    readAt: toIso(message.readAt),
    expiresAt: null,
    error: message.error ?? null,
  };
}
