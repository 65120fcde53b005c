import { z } from '@hono/zod-openapi';
import { whatsappId } from '../../../lib/domain/ids.ts';
import { lanes, type Message, messageErrorCodes, messageStates } from '../../../lib/domain/message.ts';
import { isoTime, maybeTime, toIso } from '../openapi.ts';

export const messageSchema = z
  .object({
    id: z.string().openapi({ example: 'msg_0123456789ABCDEF01' }),
    whatsappId: z.string(),
    accountId: z.string(),
    contractId: z.string(),
    source: z.literal('contract'),
    lane: z.enum(lanes),
    to: z.string(),
    type: z.literal('text'),
    text: z.string().nullable().openapi({ description: 'Null once its retention is over.' }),
    template: z.null(),
    externalId: z.string().nullable(),
    status: z.enum(messageStates),
    reason: z.string().nullable(),
    attempts: z.int(),
    createdAt: isoTime,
    queuedAt: maybeTime,
    sentAt: maybeTime,
    deliveredAt: maybeTime,
    readAt: maybeTime,
    expiresAt: maybeTime,
    error: z.object({ code: z.enum(messageErrorCodes), message: z.string() }).nullable(),
  })
  .openapi('Message');

export function messageView(message: Message, text: string | undefined): z.infer<typeof messageSchema> {
  return {
    id: message.id,
    whatsappId: whatsappId(message.id),
    accountId: message.accountId,
    contractId: message.contractId,
    source: 'contract',
    lane: message.lane,
    to: message.to,
    type: 'text',
    text: text ?? null,
    template: null,
    externalId: message.externalId ?? null,
    status: message.state,
    reason: message.error?.message ?? null,
    attempts: message.attempts,
    createdAt: new Date(message.createdAt).toISOString(),
    queuedAt: toIso(message.queuedAt),
    sentAt: toIso(message.sentAt),
    deliveredAt: toIso(message.deliveredAt),
    readAt: toIso(message.readAt),
    expiresAt: null,
    error: message.error ?? null,
  };
}
