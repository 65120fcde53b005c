import { z } from '@hono/zod-openapi';
import { contractStates, maxInlineRows } from '../../../lib/domain/contracts/contract.ts';
import { nameOf, notBuilt, numberDescription } from '../http/input.ts';
import { isoTime, maybeTime } from '../http/openapi.ts';

export const visibleStates = contractStates.filter((state) => state !== 'DELETED');

const recipientInput = z
  .strictObject({
    phoneNumber: z.string().optional().openapi({ description: numberDescription }),
    to: z.string().optional().openapi({ description: 'Another name of phoneNumber.' }),
    message: z.string().optional(),
    text: z.string().optional().openapi({ description: 'Another name of message.' }),
    externalId: z.string().optional(),
    email: notBuilt('Email is not built yet; leave email out.'),
    data: notBuilt('Templates are not built yet: leave data out and send the finished message.'),
  })
  .openapi('Recipient', { example: { phoneNumber: '79991234567', message: 'Your order has been shipped.' } });

export const recipientsSchema = z
  .array(recipientInput)
  .max(maxInlineRows, `A request carries at most ${maxInlineRows} recipients; send more with /recipients or /import.`);

export const contractInput = z
  .strictObject({
    accountId: z.string().max(60).optional(),
    accountIds: z.array(z.string().max(60)).optional(),
    name: nameOf(200),
    recipients: recipientsSchema,
    message: z.string().optional().openapi({ description: 'For recipients without a message of their own.' }),
    text: z.string().optional().openapi({ description: 'Another name of message.' }),
    template: notBuilt('Templates are not built yet; leave template out and send message.'),
    templateData: notBuilt('Templates are not built yet; leave templateData out and send message.'),
    lane: z.enum(['express', 'bulk']).optional(),
    skipInvalid: z
      .boolean()
      .optional()
      .openapi({ description: 'Record invalid numbers as failed and accept the rest.' }),
    requirePlus: z
      .boolean()
      .optional()
      .openapi({
        description:
          'Refuse numbers whose country is in doubt without +: those that can be national or foreign (AMBIGUOUS_NUMBER) and those that are foreign ' +
          '(FOREIGN_NUMBER). Holds for added recipients and files too. Without it they are accepted with a warning.',
      }),
    startAt: z.iso
      .datetime({ offset: true })
      .optional()
      .openapi({ description: 'A time in the future. The contract starts within a minute after it.' }),
    start: z.boolean().optional(),
  })
  .openapi('ContractInput', {
    example: {
      accountId: 'acc_01KAFXQ8E4WZ8M7D9T2B6R3V5N',
      name: 'Shipping notes',
      recipients: [{ phoneNumber: '79991234567', message: 'Your order has been shipped.' }],
      start: true,
    },
  });

export const recipientsInput = z
  .strictObject({ recipients: recipientsSchema.min(1), message: z.string().optional(), text: z.string().optional() })
  .openapi('RecipientsInput');

const count = z.int().min(0);

const importSchema = z
  .object({
    status: z.enum(['awaiting_upload', 'reading', 'completed', 'failed']),
    format: z.enum(['csv', 'ndjson']),
    rowsRead: z.int(),
    errorCount: z.int(),
    errors: z.array(z.object({ line: z.int(), code: z.string(), message: z.string() })),
  })
  .openapi('ContractImport');

export const contractSchema = z
  .object({
    id: z.string().openapi({ example: 'con_01KAFXR2M6B8V4N3T7Q9Z5W1HC' }),
    name: z.string(),
    accountIds: z.array(z.string()),
    lane: z.enum(['express', 'bulk']),
    status: z.enum(visibleStates),
    reason: z.string().nullable().openapi({ description: 'Why the contract was stopped, or why a running one waits.' }),
    totalCount: count,
    counts: z
      .object({
        pending: count,
        queued: count,
        sending: count,
        sent: count,
        delivered: count,
        read: count,
        failed: count,
        canceled: count,
        suppressed: count,
        expired: count,
      })
      .openapi('ContractCounts', { description: 'By present state; the sum is totalCount.' }),
    template: z.null(),
    startAt: maybeTime,
    createdAt: isoTime,
    startedAt: maybeTime,
    completedAt: maybeTime,
    estimatedEndAt: maybeTime,
    import: importSchema.optional(),
    warnings: z.array(z.string()).optional().openapi({
      description: 'Doubts about recipients. Only in the answer that added them; after an import in every answer.',
    }),
  })
  .openapi('Contract');
