import type { Attempt } from '../../domain/webhooks/answer.ts';
import type { Delivery, DeliveryOutcome } from '../../domain/webhooks/delivery.ts';
import { appended, patch } from '../client/patch.ts';
import type { Table } from '../client/table.ts';
import { finder, keys, places } from '../keys.ts';
import { longestDelayMs } from './delivery-queue.ts';

/**
 * Stores the outcome of a delivery, with the attempt when one was made. A wait longer than a queue's goes into the index, where the sweep finds it.
 * Returns the stored delivery; undefined when it is gone.
 */
export async function storeOutcome(
  table: Table,
  delivery: Delivery,
  outcome: DeliveryOutcome,
  nowMs: number,
  attempt?: Attempt,
): Promise<Delivery | undefined> {
  const key = keys.delivery(delivery.tenantId, delivery.endpointId, delivery.at, delivery.id);
  const { item, refused } = await table.tryUpdate<Delivery>(key, {
    ...patch({
      status: outcome.status,
      slot: outcome.slot,
      reason: outcome.reason,
      nextAttemptAt: outcome.nextAttemptAt,
      ...place(delivery, outcome.nextAttemptAt, nowMs),
      ...(outcome.status === 'pending' ? {} : { data: undefined }),
      ...(attempt === undefined ? {} : { attempts: appended([attempt]) }),
    }),
    condition: {
      isPending: { is: '#status = :pending', values: { ':pending': 'pending' } },
      // No other attempt was made since the read. A 2xx answer overrides any failure.
      isInSlotRead:
        outcome.status === 'delivered' ? undefined : { is: '#slot = :read', values: { ':read': delivery.slot } },
    },
  });
  return refused === undefined ? item : refused.old<Delivery>();
}

/** Returns the place of a delivery in the index; empty unless its wait is longer than a queue's. */
function place(
  delivery: Delivery,
  nextAttemptAt: number | undefined,
  nowMs: number,
): Record<'ix' | 'ixs', string | undefined> {
  if (nextAttemptAt === undefined || nextAttemptAt - nowMs <= longestDelayMs) return { ix: undefined, ixs: undefined };
  const part = delivery.id.charCodeAt(delivery.id.length - 1) % finder.deliveries.length;
  return { ix: finder.deliveries[part], ixs: placeOf(delivery, nextAttemptAt) };
}

/** A delivery in the index. `due` is the time to send it, epoch ms; `ixs` is its sort value. */
export interface DueDelivery {
  tenantId: string;
  endpointId: string;
  at: number;
  id: string;
  due: number;
  ixs: string;
}

/** Returns the deliveries of one part of the index that are due, oldest first. */
export async function dueDeliveries(table: Table, part: string, nowMs: number, limit: number): Promise<DueDelivery[]> {
  const { items } = await table.query<{ ixs: string }>({
    pk: part,
    index: finder.index,
    skBetween: places.until(nowMs),
    limit,
  });
  return items.flatMap(({ ixs }) => {
    const place = places.delivery.read(ixs);
    return place === undefined ? [] : [{ ...place, ixs }];
  });
}

/** Hides a delivery that was sent to the queue, so that others come first. If it still waits at `untilMs`, the index shows it again. */
export async function hideUntil(table: Table, delivery: DueDelivery, untilMs: number): Promise<void> {
  const { tenantId, endpointId, at, id, ixs } = delivery;
  await table.tryUpdate(keys.delivery(tenantId, endpointId, at, id), {
    ...patch({ ixs: placeOf(delivery, untilMs) }),
    // An attempt since the read has moved it, or removed it from the index.
    condition: { isWhereRead: { is: '#ixs = :read', values: { ':read': ixs } } },
  });
}

const placeOf = ({ tenantId, endpointId, at, id }: Omit<DueDelivery, 'due' | 'ixs'>, dueMs: number): string =>
  places.delivery.of(dueMs, tenantId, endpointId, at, id);
