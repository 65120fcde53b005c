import { type Health, probeMs, tripAfter } from '../../domain/webhooks/breaker.ts';
import { deliveryDays } from '../../domain/webhooks/delivery.ts';
import { ConditionFailed, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';

interface EndpointRef {
  tenantId: string;
  id: string;
}

/** Counts a failure and opens the breaker where that follows. Answers the health as it stands. */
export async function recordFailure(
  table: Table,
  { tenantId, id }: EndpointRef,
  failure: { startedAt: number; nowMs: number; slowDown: boolean; retryAfterMs?: number; random: number },
): Promise<Health> {
  const key = keys.endpointHealth(tenantId, id);
  // Its endpoint may have been deleted while the request was under way: then nobody else removes it.
  const ttl = Math.ceil(failure.nowMs / 1000) + deliveryDays * 86_400;
  const health = await table.update<Health>(key, {
    update:
      'SET #type = :type, #ttl = :ttl, failingSince = if_not_exists(failingSince, :now), trips = if_not_exists(trips, :none) ADD failures :one',
    names: { '#type': 'type', '#ttl': 'ttl' },
    values: { ':type': 'endpointHealth', ':ttl': ttl, ':now': failure.nowMs, ':none': 0, ':one': 1 },
  });
  const trip = tripAfter(health, failure);
  if (trip === undefined) return health;
  try {
    return await table.update<Health>(key, {
      update: 'SET openUntil = :until, trips = :trips REMOVE probeUntil',
      // Clauses: it still fails; no other failure opened the breaker meanwhile.
      condition: `attribute_exists(failingSince) AND ${health.openUntil === undefined ? 'attribute_not_exists(openUntil)' : 'openUntil = :seen'}`,
      values: {
        ':until': trip.openUntil,
        ':trips': trip.trips,
        ...(health.openUntil === undefined ? {} : { ':seen': health.openUntil }),
      },
    });
  } catch (error) {
    if (error instanceof ConditionFailed) return health;
    throw error;
  }
}

/**
 * The endpoint answers again: nothing is kept of its failures. `startedAt` is when the request began, epoch ms.
 *
 *   request A begins -> B: 429, Retry-After -> A: 200: the pause stands, the probe after it decides
 */
export async function recordSuccess(table: Table, { tenantId, id }: EndpointRef, startedAt: number): Promise<void> {
  try {
    await table.delete(keys.endpointHealth(tenantId, id), {
      // Clause: the breaker did not open while the request was under way.
      condition: 'attribute_not_exists(openUntil) OR openUntil <= :started',
      values: { ':started': startedAt },
    });
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}

/** One probe at a time: false when another delivery is it. */
export async function claimProbe(table: Table, { tenantId, id }: EndpointRef, nowMs: number): Promise<boolean> {
  try {
    await table.update(keys.endpointHealth(tenantId, id), {
      update: 'SET probeUntil = :until',
      // Clauses: it still fails and its pause is over; nobody probes.
      condition: 'openUntil <= :now AND (attribute_not_exists(probeUntil) OR probeUntil <= :now)',
      values: { ':until': nowMs + probeMs, ':now': nowMs },
    });
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}
