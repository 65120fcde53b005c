import type { Item } from '../../lib/aws/client/table.ts';
import { eventOf, withContent } from '../../lib/aws/events/events.ts';
import { type Key, keys } from '../../lib/aws/keys.ts';
import type { DeliveryMessage } from '../../lib/aws/webhooks/delivery-queue.ts';
import { backoffMs } from '../../lib/domain/backoff.ts';
import { inboundIn } from '../../lib/domain/inbound/inbound.ts';
import type { Health } from '../../lib/domain/webhooks/breaker.ts';
import type { Delivery } from '../../lib/domain/webhooks/delivery.ts';
import type { Endpoint } from '../../lib/domain/webhooks/endpoint.ts';
import { deliver, type Work } from './deliver.ts';
import type { WebhookDeps } from './deps.ts';
import { RateLimiter } from './rate-limiter.ts';

/** A message as the queue gave it. */
export interface Received {
  message: DeliveryMessage;
  messageId: string;
  receiptHandle: string;
}

/** A message that failed this often stays in the queue, and ends in the dead-letter queue. */
const mostTries = 8;
/** Wait before a delivery is tried again after a failure of our own. */
const repeatAfter = { baseMs: 4_000 };
/** Finished messages of a mixed batch are taken off the queue together, so often. */
const releaseEveryMs = 50;

/**
 * Handles one batch of the delivery queue, all of its endpoints side by side. Deliveries of one chat go one after the other, as do all of an
 * endpoint with a rate limit. A message whose handling fails is tried again a little later, so that it does not hold up its group. A slow
 * endpoint, or a replay of the same invocation (`beside`), keeps the batch. Meanwhile finished messages are taken off the queue, so that their
 * groups go on in other invocations. Returns the ids of messages that must come again.
 */
export async function deliverBatch(
  deps: WebhookDeps,
  received: Received[],
  lastStartMs: number,
  beside: readonly Promise<void>[] = [],
): Promise<string[]> {
  const limiter = new RateLimiter(deps.clock, lastStartMs);
  const failed: string[] = [];
  const finished: Received[] = [];
  // The same delivery twice: sent twice within a batch. One of them does for both.
  const distinct = [...new Map(received.map((one) => [one.message.id, one])).values()];
  finished.push(...received.filter((one) => !distinct.includes(one)));
  const works = await load(deps, distinct);
  const allSeries = [...Map.groupBy(works, ({ one, work }) => seriesOf(one, work)).values()];
  const ended = new AbortController();
  const releasing = releaseFinished(deps, finished, allSeries.length + beside.length > 1, ended.signal);
  await Promise.all(
    allSeries.map(async (series) => {
      for (const { one, work } of series) {
        if (await handled(deps, one, work, limiter)) finished.push(one);
        else failed.push(one.messageId);
      }
    }),
  );
  await Promise.all(beside);
  ended.abort();
  await releasing;
  return failed;
}

/** Reads what the messages name, in two reads whatever their number. */
async function load(deps: WebhookDeps, received: Received[]): Promise<{ one: Received; work: Work }[]> {
  const wanted = received.map(({ message: { t, w, at, id, e, ea } }) => [
    keys.delivery(t, w, at, id),
    keys.endpoint(t, w),
    keys.endpointHealth(t, w),
    keys.event(t, ea, e),
  ]);
  const distinct = new Map(wanted.flat().map((key) => [nameOf(key), key]));
  const items = await deps.table.getMany<Item>([...distinct.values()]);
  const found = new Map([...distinct.keys()].map((name, index) => [name, items[index]]));
  const events = await withContent(
    deps.table,
    items.filter((item) => item?.type === 'event').map((item) => eventOf(item as Item)),
  );
  const eventOfId = new Map(events.map((event) => [event.id, event]));
  return received.map((one, index) => {
    const [delivery, endpoint, health] = (wanted[index] ?? []).map((key) => found.get(nameOf(key)));
    const work = {
      message: one.message,
      delivery: delivery as Delivery | undefined,
      endpoint: endpoint as Endpoint | undefined,
      health: health as Health | undefined,
      event: eventOfId.get(one.message.e),
    };
    return { one, work };
  });
}

const nameOf = ({ pk, sk }: Key): string => `${pk}\n${sk}`;

/** Returns the series of a delivery. Deliveries of one series run one after the other. */
function seriesOf({ message }: Received, { delivery, endpoint }: Work): string {
  if (endpoint?.rateLimitPerSec !== undefined) return message.w;
  return delivery?.line === undefined ? message.id : `${message.w} ${delivery.line}`;
}

/** Counts inbound messages that have reached this function, whatever the outcome. One in the sequence of a chat counts again when it is first. */
function countTaken(deps: WebhookDeps, { delivery, event }: Work): void {
  const isFirst = delivery === undefined || (delivery.slot === 0 && delivery.replay !== true);
  if (isFirst && event !== undefined) deps.count('InboundTaken', inboundIn(event));
}

/** Returns false when the message must come again as it is. */
async function handled(deps: WebhookDeps, { message }: Received, work: Work, limiter: RateLimiter): Promise<boolean> {
  try {
    await deliver(deps, work, limiter);
    countTaken(deps, work);
    if (work.endpoint?.rateLimitPerSec !== undefined) await limiter.gapPassed(message.w);
    return true;
  } catch (error) {
    deps.failed('a delivery could not be handled and will be tried again', {
      endpointId: message.w,
      deliveryId: message.id,
      error,
    });
    const tries = (message.tries ?? 0) + 1;
    if (tries > mostTries) return false;
    deps.count('DeliveriesRepeated');
    return await deps.deliveries.later({ ...message, tries }, backoffMs(tries - 1, repeatAfter)).then(
      () => true,
      () => false,
    );
  }
}

/** Takes finished messages off the queue while others of the batch go on. Those that are left at the end go with the batch itself. */
async function releaseFinished(
  deps: WebhookDeps,
  finished: Received[],
  several: boolean,
  ended: AbortSignal,
): Promise<void> {
  let released = 0;
  while (several && !ended.aborted) {
    await deps.clock.sleep(releaseEveryMs, ended);
    if (ended.aborted || finished.length === released) continue;
    const handles = finished.slice(released).map(({ receiptHandle }) => receiptHandle);
    released += handles.length;
    // They go with the batch then.
    await deps.deliveries.release(handles).catch(() => undefined);
  }
}
