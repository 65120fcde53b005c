import { z } from '@hono/zod-openapi';
import { accountStatuses } from '../../../lib/domain/accounts/account.ts';
import { idleWarning, slowWarning } from '../../../lib/domain/accounts/connection-check.ts';
import { checkPolicy, defaultPolicy } from '../../../lib/domain/accounts/pacing.ts';
import { nameOf, notBuilt, numberDescription } from '../http/input.ts';
import { defined, isoTime, maybeTime } from '../http/openapi.ts';

const range = z.tuple([z.number(), z.number()]);

const policy = {
  perMinute: z.number().nullable(),
  gapMs: range,
  restEvery: z.number().nullable(),
  restMs: range,
  dayCap: z.number().nullable(),
  warmUp: z.boolean(),
  delayMs: range,
};

export const pacingSchema = z.object(policy).openapi('Pacing', {
  description: 'The pace of sends. Gaps are from wire to wire; null: no such cap. See docs for the defaults.',
  example: defaultPolicy,
});

/** Each given field replaces its default; the rest of an earlier setting is dropped. */
const pacingInput = z
  .strictObject({
    perMinute: policy.perMinute.optional(),
    gapMs: policy.gapMs.optional(),
    restEvery: policy.restEvery.optional(),
    restMs: policy.restMs.optional(),
    dayCap: policy.dayCap.optional(),
    warmUp: policy.warmUp.optional(),
    delayMs: policy.delayMs.optional(),
    quietHours: notBuilt('Quiet hours are not built yet; leave quietHours out.'),
    perRecipient: notBuilt('Limits for each recipient are not built yet; leave perRecipient out.'),
  })
  .transform(({ quietHours: _quietHours, perRecipient: _perRecipient, ...value }) => defined(value))
  .superRefine((value, context) => {
    for (const { field, message } of checkPolicy(value)) {
      context.addIssue({
        code: 'custom',
        path: [field],
        message: `Must be ${message}.`,
        params: { code: 'OUT_OF_RANGE' },
      });
    }
  })
  .openapi('PacingInput', {
    description:
      'Fields left out have their defaults. PATCH replaces the whole object, so send all that differ from the defaults.',
  });

/** Proxies come with a later release; until then an account has none. */
const proxyInput = z
  .string()
  .nullable()
  .optional()
  .superRefine((value, context) => {
    if (value === undefined || value === null || value === 'none') return;
    context.addIssue({
      code: 'custom',
      message: 'Proxies are not built yet; leave proxy out or send "none".',
      params: { code: 'NOT_SUPPORTED' },
    });
  })
  .openapi({ type: ['string', 'null'], example: 'none' });

const settings = {
  name: nameOf(100),
  phoneNumber: z.string().max(64).optional().openapi({ description: numberDescription }),
  priority: z.int().min(1).max(999_999).optional(),
  weight: z.int().min(1).max(1000).optional().openapi({
    description: 'Kept for groups of accounts, which are not built yet; it changes nothing in this version.',
  }),
  useLimits: z.boolean().optional(),
  pacing: pacingInput.optional(),
  link: z.enum(['qr', 'pairing_code']).optional(),
  optOutReply: z
    .boolean()
    .optional()
    .openapi({ description: 'Whether a person who writes STOP to the account gets one confirmation; default true.' }),
  proxy: proxyInput,
};

export const accountInput = z.strictObject({ ...settings, connect: z.boolean().optional() }).openapi('AccountInput', {
  example: { name: 'Billing', priority: 1, link: 'qr' },
});

export const accountPatch = z
  .strictObject({ ...settings, name: settings.name.optional() })
  .openapi('AccountPatch', { example: { name: 'Billing', useLimits: true } });

export const accountSchema = z
  .object({
    id: z.string().openapi({ example: 'acc_01KAFXQ8E4WZ8M7D9T2B6R3V5N' }),
    name: z.string(),
    phoneNumber: z.string().nullable(),
    linkedNumber: z.string().nullable().openapi({
      description:
        'The number of the linked phone, while it differs from phoneNumber and waits for POST /v1/accounts/:id/confirm-number.',
    }),
    transport: z.literal('baileys'),
    status: z.enum(accountStatuses),
    statusReason: z.string().nullable(),
    statusSince: isoTime,
    restrictedUntil: maybeTime,
    firstContactsHeldUntil: maybeTime.openapi({
      description:
        'Until then WhatsApp refuses messages to people without a chat with this account (463). They wait as PENDING and are tried again.',
    }),
    desired: z.enum(['connected', 'disconnected', 'logged_out']),
    isPrimary: z.boolean(),
    priority: z.int(),
    weight: z.int(),
    messageCount: z.int(),
    errorCount: z.int(),
    lastActivity: maybeTime,
    useLimits: z.boolean(),
    pacing: pacingSchema,
    link: z.enum(['qr', 'pairing_code']),
    optOutReply: z.boolean(),
    proxy: z.null(),
    paused: z.boolean().openapi({ description: 'POST /v1/accounts/:id/pause holds all sending, /resume ends that.' }),
    lanes: z.object({ express: z.int(), bulk: z.int() }).openapi({ description: 'Messages waiting in each lane.' }),
    warnings: z.array(z.string()).openapi({
      description:
        'Current findings of the connection checks, each a sentence. They disappear by themselves and stop nothing: ' +
        `"${slowWarning}", "${idleWarning}". ` +
        'The answer to a call that set phoneNumber adds AMBIGUOUS_NUMBER or FOREIGN_NUMBER, each with a sentence, when the number was in doubt.',
    }),
    createdAt: isoTime,
  })
  .openapi('Account');
