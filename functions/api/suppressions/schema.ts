import { z } from '@hono/zod-openapi';
import { suppressionSources } from '../../../lib/domain/people/suppression.ts';
import { nameOf, numberDescription } from '../http/input.ts';
import { isoTime } from '../http/openapi.ts';

export const suppressionInput = z
  .strictObject({
    phoneNumber: z
      .string()
      .max(64)
      .optional()
      .openapi({ description: `${numberDescription} Or \`lid:\` and the LID.` }),
    to: z.string().max(64).optional().openapi({ description: 'Another name of phoneNumber.' }),
    reason: nameOf(200).optional(),
  })
  .openapi('SuppressionInput', { example: { phoneNumber: '79991234567', reason: 'Asked by phone.' } });

export const suppressionSchema = z
  .object({
    phoneNumber: z.string().openapi({ description: 'Digits, or `lid:` and the LID of a person known by LID alone.' }),
    lid: z.string().nullable().openapi({ description: "WhatsApp's hidden id of the person, where it is known." }),
    reason: z.string(),
    source: z.enum(suppressionSources).openapi({ description: '`inbound`: the person has opted out.' }),
    accountId: z.string().nullable().openapi({ description: 'The account that received the opt-out.' }),
    createdAt: isoTime,
    warnings: z.array(z.string()).optional().openapi({
      description:
        'In the answer that put it on the list, when the number was in doubt: AMBIGUOUS_NUMBER or FOREIGN_NUMBER.',
    }),
  })
  .openapi('Suppression');

export const suppressionImportSchema = z
  .object({
    added: z.int(),
    existing: z.int().openapi({ description: 'Numbers that were on the list, or came twice.' }),
    invalid: z.int().openapi({ description: 'Rows without a valid number; they are left out.' }),
    errors: z.array(z.object({ line: z.int(), code: z.string(), message: z.string() })).openapi({
      description: 'The first 1,000 of them.',
    }),
    warnings: z.array(z.string()).optional().openapi({
      description: 'How many numbers were in doubt: AMBIGUOUS_NUMBER and FOREIGN_NUMBER, with countries and counts.',
    }),
  })
  .openapi('SuppressionImport');
