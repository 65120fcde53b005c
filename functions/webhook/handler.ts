import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { z } from 'zod';
import { createClients } from '../../lib/aws/client/clients.ts';
import { Table } from '../../lib/aws/client/table.ts';
import { sendingKey } from '../../lib/aws/webhooks/deliveries.ts';
import { type DeliveryMessage, deliveryQueue, type ReplayMessage } from '../../lib/aws/webhooks/delivery-queue.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { webhookConfig } from '../../lib/runtime/config.ts';
import { createEgress } from '../../lib/runtime/egress/egress.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { countInto } from '../../lib/runtime/metrics.ts';
import { systemRandom } from '../../lib/runtime/random.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { deliverBatch, type Received } from './batch.ts';
import type { WebhookDeps } from './deps.ts';
import { replay } from './replay.ts';

const delivery = z.object({
  t: z.string(),
  w: z.string(),
  id: z.string(),
  at: z.number(),
  e: z.string(),
  ea: z.number(),
  due: z.number(),
  group: z.string(),
  tries: z.number().optional(),
});
const replayRequest = z.object({
  replay: z.string(),
  t: z.string(),
  w: z.string(),
  since: z.number(),
  until: z.number(),
  onlyFailed: z.boolean(),
  at: z.number(),
  after: z.string().optional(),
});

/** The time that is left after the last attempt to store its outcome. */
const reserveMs = 10_000;

/** Consumes the delivery queue, and the queue of deliveries that wait for their time. */
export const handler = lambda<SQSEvent, ReturnType<typeof setUp>, SQSBatchResponse>(
  'webhook',
  setUp,
  async (event, kept, { logger, metrics, context }) => {
    const deps: WebhookDeps = {
      ...kept,
      count: countInto(metrics),
      failed: (what, { error, ...fields }) => logger.error(what, { ...fields, error: error as Error }),
    };
    const remainingMs = context.getRemainingTimeInMillis();
    return await serveDeliveries(event, deps, deps.clock.nowMs() + remainingMs - deps.timeoutMs - reserveMs);
  },
);

function setUp(env: NodeJS.ProcessEnv): Omit<WebhookDeps, 'count' | 'failed'> {
  const config = webhookConfig(env);
  const clients = createClients();
  return {
    table: new Table(clients.dynamodb, config.TABLE_NAME),
    deliveries: deliveryQueue(clients.sqs, {
      dueUrl: config.WEBHOOK_QUEUE_URL,
      laterUrl: config.WEBHOOK_LATER_QUEUE_URL,
    }),
    egress: createEgress({ allowLoopback: config.STAGE === 'local' }),
    clock: systemClock,
    random: systemRandom.number,
    scheduleSec: config.WEBHOOK_SCHEDULE_SEC,
    timeoutMs: config.WEBHOOK_TIMEOUT_SEC * 1000,
    userAgent: `Paceline/${packageJson.version}`,
  };
}

/** Handles one batch of either queue. No request begins after `lastStartMs`. */
export async function serveDeliveries(
  event: SQSEvent,
  deps: WebhookDeps,
  lastStartMs: number,
): Promise<SQSBatchResponse> {
  const failed: string[] = [];
  const due: Received[] = [];
  const others: Promise<void>[] = [];
  const attempt = async (record: SQSRecord, run: () => Promise<void>): Promise<void> => {
    try {
      await run();
    } catch (error) {
      deps.failed('a message of the delivery queues failed and will be repeated', { error });
      failed.push(record.messageId);
    }
  };
  for (const record of event.Records) {
    const message = parse(record, deps);
    if (message === undefined) continue;
    if ('replay' in message) others.push(attempt(record, () => replay(deps, message, lastStartMs)));
    else if (record.attributes.MessageGroupId === undefined) others.push(attempt(record, () => forward(deps, message)));
    else due.push({ message, messageId: record.messageId, receiptHandle: record.receiptHandle });
  }
  const delivered = due.length === 0 ? [] : deliverBatch(deps, due, lastStartMs, others);
  await Promise.all([delivered, ...others]);
  failed.push(...(await delivered));
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}

/** Moves a message from the waiting queue to the due one. A message whose time is still to come waits again. */
async function forward(deps: WebhookDeps, message: DeliveryMessage): Promise<void> {
  const waitMs = message.due - deps.clock.nowMs();
  if (waitMs > 1_000) await deps.deliveries.later(message, waitMs);
  else await deps.deliveries.send([{ message, key: sendingKey(message) }]);
}

/** Returns undefined for a message of unknown form. It is dropped, because a repeat would hold up its group. */
function parse(record: SQSRecord, deps: WebhookDeps): DeliveryMessage | ReplayMessage | undefined {
  try {
    const body: unknown = JSON.parse(record.body);
    const isReplay = typeof body === 'object' && body !== null && 'replay' in body;
    if (!isReplay) {
      const { tries, ...rest } = delivery.parse(body);
      return tries === undefined ? rest : { ...rest, tries };
    }
    const { after, ...rest } = replayRequest.parse(body);
    return after === undefined ? rest : { ...rest, after };
  } catch (error) {
    deps.failed('a message of the delivery queues has an unknown form and is dropped', { error });
    return undefined;
  }
}
