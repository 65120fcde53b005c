import { type Health, probeMs, tripAfter } from '../../domain/webhooks/breaker.ts';
import { deliveryDays } from '../../domain/webhooks/delivery.ts';
import { added, patch, unlessSet } from '../client/patch.ts';
import type { Table } from '../client/table.ts';
import { keys } from '../keys.ts';

interface EndpointRef {
  tenantId: string;
  id: string;
}

/** Counts a failure, and opens the breaker when `tripAfter` says so. Returns the stored health. */
export async function recordFailure(
  table: Table,
  { tenantId, id }: EndpointRef,
  failure: { startedAt: number; nowMs: number; slowDown: boolean; retryAfterMs?: number; random: number },
): Promise<Health> {
  const key = keys.endpointHealth(tenantId, id);
  // The endpoint may be deleted during the request. Then only the TTL removes this item.
  const ttl = Math.ceil(failure.nowMs / 1000) + deliveryDays * 86_400;
  const failing = { type: 'endpointHealth', ttl, failingSince: unlessSet(failure.nowMs), trips: unlessSet(0) };
  const health = await table.update<Health>(key, patch({ ...failing, failures: added(1) }));
  const trip = tripAfter(health, failure);
  if (trip === undefined) return health;
  const { item, refused } = await table.tryUpdate<Health>(key, {
    ...patch({ openUntil: trip.openUntil, trips: trip.trips, probeUntil: undefined }),
    condition: {
      stillFails: 'attribute_exists(failingSince)',
      // No other failure has opened the breaker since the read.
      isOpenAsRead:
        health.openUntil === undefined
          ? 'attribute_not_exists(openUntil)'
          : { is: 'openUntil = :read', values: { ':read': health.openUntil } },
    },
  });
  return refused === undefined ? item : health;
}

/**
 * Deletes the record of failures, because the endpoint answers again. `startedAt` is the start of the request, epoch ms.
 *
 *   request A begins -> B: 429, Retry-After -> A: 200: the pause remains, and the probe after it decides
 */
export async function recordSuccess(table: Table, { tenantId, id }: EndpointRef, startedAt: number): Promise<void> {
  // A breaker that opened while the request was under way stays open.
  const isNotOpenedSince = {
    is: 'attribute_not_exists(openUntil) OR openUntil <= :started',
    values: { ':started': startedAt },
  };
  await table.tryDelete(keys.endpointHealth(tenantId, id), { condition: { isNotOpenedSince } });
}

/** Claims the one probe of an endpoint whose pause is over. Returns false when another delivery has claimed it. */
export async function claimProbe(table: Table, { tenantId, id }: EndpointRef, nowMs: number): Promise<boolean> {
  const now = { ':now': nowMs };
  const { refused } = await table.tryUpdate(keys.endpointHealth(tenantId, id), {
    ...patch({ probeUntil: nowMs + probeMs }),
    condition: {
      pauseIsOver: { is: 'openUntil <= :now', values: now },
      isUnprobed: { is: 'attribute_not_exists(probeUntil) OR probeUntil <= :now', values: now },
    },
  });
  return refused === undefined;
}
