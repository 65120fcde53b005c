import { inParallel } from '../../lib/aws/client/table.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { finder, keys } from '../../lib/aws/keys.ts';
import { messageOf, sendingKey } from '../../lib/aws/webhooks/deliveries.ts';
import { dueDeliveries, hideUntil } from '../../lib/aws/webhooks/delivery-outcomes.ts';
import type { Delivery } from '../../lib/domain/webhooks/delivery.ts';
import type { Endpoint } from '../../lib/domain/webhooks/endpoint.ts';
import type { Swept } from './swept.ts';

/** Of each part of the index in a minute; the rest comes with the next. */
const mostAMinute = 1000;

/** How long one that was sent is the queue's: longer than the five minutes in which the queue swallows a repetition. */
const sentForMs = 600_000;
const updatesAtOnce = 16;

/**
 * Webhook deliveries whose next attempt was too far away for a queue. What was sent goes to the end of the index, so that a backlog of an
 * endpoint with a rate limit does not hide what others wait for; one that still waits after ten minutes is sent again.
 */
export async function sweepDeliveries(
  deps: Pick<Deps, 'table' | 'deliveries' | 'nowMs'>,
  swept: Pick<Swept, 'deliveriesSent'>,
): Promise<void> {
  for (const part of finder.deliveries) {
    const due = await dueDeliveries(deps.table, part, deps.nowMs(), mostAMinute);
    const deliveries = await deps.table.getMany<Delivery>(
      due.map(({ tenantId, endpointId, at, id }) => keys.delivery(tenantId, endpointId, at, id)),
      { eventually: true },
    );
    const refs = new Map(due.map(({ tenantId, endpointId }) => [endpointId, keys.endpoint(tenantId, endpointId)]));
    const found = await deps.table.getMany<Endpoint>([...refs.values()], { eventually: true });
    const endpoints = new Map([...refs.keys()].map((id, index) => [id, found[index]]));
    const messages = deliveries
      .filter((delivery) => delivery !== undefined)
      .filter(({ status }) => status === 'pending')
      .map((delivery) => messageOf(delivery, endpoints.get(delivery.endpointId)));
    await deps.deliveries.send(messages.map((message) => ({ message, key: sendingKey(message) })));
    swept.deliveriesSent += messages.length;
    // After the sending: who dies in between sends again in a minute.
    await inParallel(updatesAtOnce, due, (one) => hideUntil(deps.table, one, deps.nowMs() + sentForMs));
  }
}
