import { z } from '@hono/zod-openapi';
import { lanes, messageErrorCodes, messageStates } from '../../../lib/domain/messages/message.ts';
import { isoTime, maybeTime } from '../http/openapi.ts';

export const messageSchema = z
  .object({
    id: z.string().openapi({ example: 'msg_0123456789ABCDEF01' }),
    whatsappId: z.string(),
    accountId: z.string(),
    contractId: z.string(),
    source: z.literal('contract'),
    lane: z.enum(lanes),
    to: z.string(),
    sentTo: z.string().nullable().openapi({
      description:
        'The number that WhatsApp knows the recipient by, which may be another spelling of `to`: in Brazil without the ninth digit, in Mexico with a 1, in Argentina without the 9. Null until the message was sent.',
    }),
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
