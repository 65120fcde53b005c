import { inParallel } from '../../lib/aws/client/table.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { finder, keys } from '../../lib/aws/keys.ts';
import { messageOf, sendingKey } from '../../lib/aws/webhooks/deliveries.ts';
import { dueDeliveries, hideUntil } from '../../lib/aws/webhooks/delivery-outcomes.ts';
import type { Delivery } from '../../lib/domain/webhooks/delivery.ts';
import type { Endpoint } from '../../lib/domain/webhooks/endpoint.ts';
import type { Swept } from './swept.ts';

/** Most deliveries of each part of the index in one sweep; the next sweep continues. */
const mostAMinute = 1000;

/** A delivery that was sent belongs to the queue this long: more than the five minutes in which the queue drops a repeat. */
const sentForMs = 600_000;
const updatesAtOnce = 16;

/**
 * Sends webhook deliveries whose next attempt was too far away for a queue. Then moves them to the end of the index, so that a backlog of one
 * endpoint with a rate limit does not hide others. A delivery that still waits after ten minutes is sent again.
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
    // Only after the sending: a crash in between leads to a second sending a minute later.
    await inParallel(updatesAtOnce, due, (one) => hideUntil(deps.table, one, deps.nowMs() + sentForMs));
  }
}
