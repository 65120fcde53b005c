import type { Attempt } from '../../domain/webhooks/answer.ts';
import type { Delivery, DeliveryOutcome } from '../../domain/webhooks/delivery.ts';
import { appended, patch } from '../client/patch.ts';
import type { Table } from '../client/table.ts';
import { finder, keys, places } from '../keys.ts';
import { longestDelayMs } from './delivery-queue.ts';

/**
 * Writes the outcome of a delivery, with the attempt where one was made. A wait longer than a queue can delay is kept in the index, where the
 * sweep finds it. Returns the delivery as it stands; undefined when it has gone.
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
      // Nobody attempted it meanwhile. An answer of 2xx stands against any failure.
      isInSlotRead:
        outcome.status === 'delivered' ? undefined : { is: '#slot = :read', values: { ':read': delivery.slot } },
    },
  });
  return refused === undefined ? item : refused.old<Delivery>();
}

/** Returns where the index shows a delivery while its wait is longer than a queue's. */
function place(
  delivery: Delivery,
  nextAttemptAt: number | undefined,
  nowMs: number,
): Record<'ix' | 'ixs', string | undefined> {
  if (nextAttemptAt === undefined || nextAttemptAt - nowMs <= longestDelayMs) return { ix: undefined, ixs: undefined };
  const part = delivery.id.charCodeAt(delivery.id.length - 1) % finder.deliveries.length;
  return { ix: finder.deliveries[part], ixs: placeOf(delivery, nextAttemptAt) };
}

/** Where the index shows a delivery: `due` is when it is to be sent, epoch ms, `ixs` the key that says so. */
export interface DueDelivery {
  tenantId: string;
  endpointId: string;
  at: number;
  id: string;
  due: number;
  ixs: string;
}

/** Deliveries of one part of the index whose time has come, oldest first. */
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

/** Moves a delivery that has been sent behind those that have not: the index shows it again at `untilMs`, should it still wait then. */
export async function hideUntil(table: Table, delivery: DueDelivery, untilMs: number): Promise<void> {
  const { tenantId, endpointId, at, id, ixs } = delivery;
  await table.tryUpdate(keys.delivery(tenantId, endpointId, at, id), {
    ...patch({ ixs: placeOf(delivery, untilMs) }),
    // An attempt meanwhile has moved it, or taken it out of the index.
    condition: { isWhereRead: { is: '#ixs = :read', values: { ':read': ixs } } },
  });
}

const placeOf = ({ tenantId, endpointId, at, id }: Omit<DueDelivery, 'due' | 'ixs'>, dueMs: number): string =>
  places.delivery.of(dueMs, tenantId, endpointId, at, id);
