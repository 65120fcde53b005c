import { z } from '@hono/zod-openapi';
import type { EventType, PacelineEvent } from '../../../lib/domain/events/events.ts';
import { isoOf } from '../../../lib/domain/times.ts';
import { accountSchema } from '../accounts/schema.ts';
import { contractSchema } from '../contracts/schema.ts';
import { isoTime } from '../http/openapi.ts';
import { inboundSchema } from '../inbox/schema.ts';
import { messageSchema } from '../messages/schema.ts';
import { suppressionSchema } from '../suppressions/schema.ts';
import { webhookSchema } from './schema.ts';

const id = z.string().openapi({ example: 'evt_4H8QW2ZK6T0R9XN3B7M5JCDAFG' });
const timestamp = isoTime.openapi({ description: 'When it was recorded.' });

/** Types whose data have one shape: as an entry of the log, and as the body of a delivery, whose header `webhook-id` is the id. */
function kind<T extends EventType, D extends z.ZodType>(name: string, types: readonly [T, ...T[]], data: D) {
  const body = { type: z.enum(types), timestamp, data };
  return { entry: z.object({ id, ...body }).openapi(name), sent: z.object(body).openapi(`${name}Body`) };
}

const account = kind(
  'AccountEvent',
  [
    'account.created',
    'account.connected',
    'account.disconnected',
    'account.logged_out',
    'account.restricted',
    'account.banned',
    'account.deleted',
  ],
  z.object({ account: accountSchema }),
);

/** Told and not kept. */
const code = kind(
  'AccountCodeEvent',
  ['account.qr', 'account.pairing_code'],
  z.object({ accountId: z.string(), code: z.string(), attempt: z.int(), expiresAt: isoTime }),
);

const message = kind(
  'MessageEvent',
  [
    'message.queued',
    'message.sent',
    'message.delivered',
    'message.read',
    'message.failed',
    'message.suppressed',
    'message.canceled',
  ],
  z.object({ message: messageSchema }),
);

/** Of all of them `accountId` and `from` are said once. */
const receivedMessage = inboundSchema.omit({ accountId: true, from: true, fromLid: true }).openapi('ReceivedMessage');

const received = kind(
  'MessageReceivedEvent',
  ['message.received'],
  z.object({
    accountId: z.string(),
    from: z
      .string()
      .openapi({ description: 'The number as digits, or `lid:` and the LID where WhatsApp tells no number.' }),
    fromLid: z.string().nullable(),
    messages: z.array(receivedMessage),
  }),
);

const contract = kind(
  'ContractEvent',
  [
    'contract.started',
    'contract.progress',
    'contract.paused',
    'contract.resumed',
    'contract.completed',
    'contract.canceled',
    'contract.failed',
    'import.completed',
    'import.failed',
  ],
  z.object({ contract: contractSchema }),
);

const suppression = kind(
  'SuppressionEvent',
  ['suppression.created', 'suppression.deleted'],
  z.object({ suppression: suppressionSchema }),
);

const webhook = kind('WebhookEvent', ['webhook.disabled'], z.object({ webhook: webhookSchema }));

/** Sent by POST .../test and not kept. */
const test = kind(
  'WebhookTestEvent',
  ['webhook.test'],
  z.object({ webhook: webhookSchema.pick({ id: true, name: true }) }),
);

/** One entry of the event log. */
export const eventSchema = z
  .union([account.entry, message.entry, received.entry, contract.entry, suppression.entry, webhook.entry])
  .openapi('Event');

/** The body of a delivery. */
export const sentEventSchema = z
  .union([
    account.sent,
    code.sent,
    message.sent,
    received.sent,
    contract.sent,
    suppression.sent,
    webhook.sent,
    test.sent,
  ])
  .openapi('EventBody');

/** An entry of the log with its content. What `data` is follows from `type`: eventsOf makes no other. */
export function eventView({ id, type, at, data }: PacelineEvent): z.infer<typeof eventSchema> {
  return { id, type, timestamp: isoOf(at), data } as z.infer<typeof eventSchema>;
}
