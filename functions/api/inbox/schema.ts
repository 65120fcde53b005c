import { z } from '@hono/zod-openapi';
import { inboundTypes } from '../../../lib/domain/inbound/inbound.ts';
import { isoTime } from '../http/openapi.ts';

const media = z
  .object({
    mimeType: z.string().optional(),
    fileName: z.string().optional(),
    sizeBytes: z.int().optional(),
    durationSec: z.int().optional(),
    width: z.int().optional(),
    height: z.int().optional(),
    voice: z.boolean().optional(),
  })
  .openapi('InboundMedia', { description: 'Metadata from WhatsApp; the file itself is not fetched.' });

export const inboundSchema = z
  .object({
    id: z.string().openapi({ description: "WhatsApp's id." }),
    accountId: z.string(),
    from: z
      .string()
      .openapi({ description: 'The number as digits, or `lid:` and the LID when WhatsApp gives no number.' }),
    fromLid: z.string().nullable(),
    type: z.enum(inboundTypes),
    text: z.string().nullable(),
    timestamp: isoTime,
    media: media.optional(),
    location: z
      .object({
        latitude: z.number(),
        longitude: z.number(),
        name: z.string().optional(),
        address: z.string().optional(),
      })
      .optional(),
    contacts: z.array(z.object({ name: z.string(), vcard: z.string().optional() })).optional(),
    emoji: z
      .string()
      .nullable()
      .optional()
      .openapi({ description: 'The emoji of a reaction; null removes the reaction.' }),
    target: z
      .object({ id: z.string(), messageId: z.string().nullable() })
      .optional()
      .openapi({ description: 'The message that this one is about; `messageId` if you sent it.' }),
  })
  .openapi('InboundMessage');
