import { z } from '@hono/zod-openapi';
import { type EventDataKind, eventTypesWith, type PacelineEvent } from '../../../lib/domain/event-types.ts';
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

/**
 * Returns two schemas for a kind of data: an entry of the log, and the body of a delivery. The id of a delivered event is in the header `webhook-id`.
 */
function kind<D extends z.ZodType>(name: string, data: D, of: EventDataKind) {
  const body = { type: z.enum(eventTypesWith(of)), timestamp, data };
  return { entry: z.object({ id, ...body }).openapi(name), sent: z.object(body).openapi(`${name}Body`) };
}

/** `accountId` and `from` are equal for all messages of the event, so they are given once. */
const receivedMessage = inboundSchema.omit({ accountId: true, from: true, fromLid: true }).openapi('ReceivedMessage');

const accountCode = z.object({ accountId: z.string(), code: z.string(), attempt: z.int(), expiresAt: isoTime });

const received = z.object({
  accountId: z.string(),
  from: z
    .string()
    .openapi({ description: 'The number as digits, or `lid:` and the LID when WhatsApp gives no number.' }),
  fromLid: z.string().nullable(),
  messages: z.array(receivedMessage),
});

/** The schema of each kind of data that the list of event types names. */
const kinds = {
  account: kind('AccountEvent', z.object({ account: accountSchema }), 'account'),
  accountCode: kind('AccountCodeEvent', accountCode, 'accountCode'),
  message: kind('MessageEvent', z.object({ message: messageSchema }), 'message'),
  receivedMessages: kind('MessageReceivedEvent', received, 'receivedMessages'),
  contract: kind('ContractEvent', z.object({ contract: contractSchema }), 'contract'),
  suppression: kind('SuppressionEvent', z.object({ suppression: suppressionSchema }), 'suppression'),
  webhook: kind('WebhookEvent', z.object({ webhook: webhookSchema }), 'webhook'),
  webhookTest: kind(
    'WebhookTestEvent',
    z.object({ webhook: webhookSchema.pick({ id: true, name: true }) }),
    'webhookTest',
  ),
} satisfies Record<EventDataKind, unknown>;

/** One entry of the event log. */
export const eventSchema = z
  .union([
    kinds.account.entry,
    kinds.message.entry,
    kinds.receivedMessages.entry,
    kinds.contract.entry,
    kinds.suppression.entry,
    kinds.webhook.entry,
  ])
  .openapi('Event');

/** The body of a delivery. */
export const sentEventSchema = z
  .union([
    kinds.account.sent,
    kinds.accountCode.sent,
    kinds.message.sent,
    kinds.receivedMessages.sent,
    kinds.contract.sent,
    kinds.suppression.sent,
    kinds.webhook.sent,
    kinds.webhookTest.sent,
  ])
  .openapi('EventBody');

/** Returns the log entry of an event with its content. `data` fits `type`, because `eventsOf` makes only such events. */
export function eventView({ id, type, at, data }: PacelineEvent): z.infer<typeof eventSchema> {
  return { id, type, timestamp: isoOf(at), data } as z.infer<typeof eventSchema>;
}
