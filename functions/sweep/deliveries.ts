import { messageOf, sendingKey } from '../../lib/aws/deliveries.ts';
import { dueDeliveries } from '../../lib/aws/delivery-outcomes.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { finder, keys } from '../../lib/aws/keys.ts';
import type { Delivery } from '../../lib/domain/webhooks/delivery.ts';
import type { Endpoint } from '../../lib/domain/webhooks/endpoint.ts';
import type { Swept } from './sweep.ts';

/** Of each part of the index in a minute; the rest comes with the next. */
const mostAMinute = 1000;

/**
 * Webhook deliveries whose next attempt was too far away for a queue. One that is not worked off within a minute is sent again, which the queue
 * swallows for five minutes and the delivery itself later.
 */
export async function sweepDeliveries(deps: Deps, swept: Swept): Promise<void> {
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
  }
}
