import { z } from '@hono/zod-openapi';
import { isSendableHeader } from '../../../lib/domain/egress/headers.ts';
import { eventTypes } from '../../../lib/domain/events/events.ts';
import { secretProblem } from '../../../lib/domain/webhooks/signature.ts';
import { eventSelector, nameOf } from '../http/input.ts';
import { isoTime, maybeTime } from '../http/openapi.ts';

const name = nameOf(100)
  .refine((text) => !/^whk_/.test(text), 'Must not begin like an id, with whk_.')
  .refine((text) => !/[/?#%]/.test(text), 'Must not contain / ? # or %: the name is used in paths.')
  .openapi({ description: 'Unique among your webhooks; usable in place of the id.', example: 'orders' });

const url = z.string().min(1).max(2048).openapi({
  description: 'https to a public host. Redirects are not followed.',
  example: 'https://example.com/hooks/paceline',
});

const events = z
  .array(eventSelector)
  .min(1)
  .max(60)
  .refine((list) => new Set(list).size === list.length, 'Name each group or type once.')
  .openapi({ description: 'Groups, exact types, or both.', example: ['message', 'account.qr'] });

/** Headers that only Paceline sets. `isSendableHeader` checks the others. */
const ownHeaders = /^(content-type|webhook-.*)$/i;

const headers = z
  .record(z.string(), z.string().max(1024))
  .superRefine((given, context) => {
    const names = Object.keys(given);
    const refuse = (header: string, message: string) => context.addIssue({ code: 'custom', path: [header], message });
    if (names.length > 20) context.addIssue({ code: 'custom', message: 'Must have at most 20 headers.' });
    if (new Set(names.map((header) => header.toLowerCase())).size < names.length) {
      context.addIssue({ code: 'custom', message: 'Name each header once; upper and lower case are the same.' });
    }
    for (const [header, value] of Object.entries(given)) {
      if (ownHeaders.test(header) || !isSendableHeader(header, value)) {
        refuse(header, 'This header, or its value, cannot be sent.');
      }
    }
  })
  .openapi({ description: 'Sent with each delivery. Later answers hide their values.' });

const accountIds = z
  .array(z.string().max(60))
  .min(1)
  .max(100)
  .refine((list) => new Set(list).size === list.length, 'Name each account once.')
  .openapi({ description: 'Only events of these accounts; events of no account are left out.' });

const rateLimitPerSec = z.number().min(0.1).max(1000).openapi({ description: 'Requests a second at most.' });

const secret = z
  .string()
  .superRefine((text, context) => {
    const message = secretProblem(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  })
  .openapi({
    description:
      '`whsec_` and the base64 of 24 to 64 bytes; any other text is used as its UTF-8 bytes, at least 24. One is made if you send none.',
  });

const settings = {
  name,
  url,
  events,
  accountIds: accountIds.nullable().optional(),
  headers: headers.nullable().optional(),
  rateLimitPerSec: rateLimitPerSec.nullable().optional(),
  ordered: z.boolean().optional().openapi({
    description: 'Events of one chat in their order: one that fails holds back the later ones of its chat.',
  }),
  active: z.boolean().optional(),
};

export const webhookInput = z.strictObject({ ...settings, secret: secret.optional() }).openapi('WebhookInput', {
  example: { name: 'orders', url: 'https://example.com/hooks/paceline', events: ['message', 'contract.completed'] },
});

export const webhookPatch = z.strictObject(settings).partial().openapi('WebhookPatch', {
  description: 'null removes accountIds, headers or rateLimitPerSec. `active: true` enables it again.',
});

export const rotateInput = z.strictObject({ secret: secret.optional() }).openapi('RotateSecretInput');

export const webhookSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    url: z.string(),
    events: z.array(z.string()).openapi({
      description: 'As given. Webhooks of earlier versions may name types that are not published yet.',
    }),
    accountIds: z.array(z.string()).nullable(),
    headers: z.record(z.string(), z.string()).openapi({ description: 'Names; the values are hidden.' }),
    rateLimitPerSec: z.number().nullable(),
    ordered: z.boolean(),
    active: z.boolean(),
    disabledReason: z
      .enum(['gone', 'failing'])
      .nullable()
      .openapi({ description: 'gone: it answered 410. failing: nothing but failures for five days.' }),
    disabledAt: maybeTime,
    createdAt: isoTime,
  })
  .openapi('Webhook');

const shownOnce = z.string().openapi({ description: 'Shown here and never again.' });

export const newWebhookSchema = webhookSchema
  .extend({
    secret: shownOnce,
    headers: z
      .record(z.string(), z.string())
      .openapi({ description: 'As given; their values are hidden from now on.' }),
  })
  .openapi('NewWebhook');

export const rotatedSchema = z
  .object({
    secret: shownOnce,
    previousUntil: isoTime.openapi({
      description: 'Until then deliveries also have a signature of the previous secret.',
    }),
  })
  .openapi('RotatedSecret');

export const deliverySchema = z
  .object({
    id: z.string(),
    eventId: z.string().openapi({ description: '`webhook-id` of each of its requests.' }),
    type: z.enum(eventTypes),
    status: z.enum(['pending', 'delivered', 'failed']),
    reason: z
      .enum(['given_up', 'gone', 'endpoint_disabled', 'content_gone'])
      .nullable()
      .openapi({ description: 'Why it failed for good.' }),
    replay: z.boolean(),
    attempts: z.array(
      z.object({
        at: isoTime,
        status: z.int().nullable().openapi({ description: 'null: no answer came.' }),
        durationMs: z.int(),
        response: z.string().nullable().openapi({ description: 'The first KB of the answer.' }),
        error: z.enum(['refused', 'dns', 'connect', 'tls', 'timeout', 'reset', 'too_large']).nullable(),
      }),
    ),
    nextAttemptAt: maybeTime,
    createdAt: isoTime,
  })
  .openapi('Delivery');

const time = z.iso.datetime({ offset: true });

export const replayInput = z
  .strictObject({
    since: time,
    until: time.optional().openapi({ description: 'Now, unless given.' }),
    onlyFailed: z
      .boolean()
      .optional()
      .openapi({ description: 'Deliveries that failed; otherwise every event of the log that the webhook wants.' }),
  })
  .openapi('ReplayInput', { example: { since: '2026-11-20T00:00:00Z', onlyFailed: true } });

export const replaySchema = z.object({ since: isoTime, until: isoTime, onlyFailed: z.boolean() }).openapi('Replay');
