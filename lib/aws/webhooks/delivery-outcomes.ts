import type { Attempt } from '../../domain/webhooks/answer.ts';
import type { Delivery, Settlement } from '../../domain/webhooks/delivery.ts';
import { ConditionFailed, type Item, type Table } from '../client/table.ts';
import { finder, keys } from '../keys.ts';
import { longestDelayMs } from './delivery-queue.ts';

/**
 * Writes what became of a delivery: with the attempt that was made, or none where none was. A wait longer than a queue can delay is kept in
 * the index, where the sweep finds it. Answers the delivery as it stands; undefined when it has gone.
 */
export async function storeSettlement(
  table: Table,
  delivery: Delivery,
  settlement: Settlement,
  nowMs: number,
  attempt?: Attempt,
): Promise<Delivery | undefined> {
  const key = keys.delivery(delivery.tenantId, delivery.endpointId, delivery.at, delivery.id);
  const set: Item = {
    status: settlement.status,
    slot: settlement.slot,
    reason: settlement.reason,
    nextAttemptAt: settlement.nextAttemptAt,
    ...place(delivery, settlement.nextAttemptAt, nowMs),
  };
  const removed = Object.keys(set).filter((name) => set[name] === undefined);
  if (settlement.status !== 'pending') removed.push('data');
  const kept = Object.keys(set).filter((name) => set[name] !== undefined);
  const sets = kept.map((name) => `#${name} = :${name}`);
  if (attempt !== undefined) sets.push('attempts = list_append(attempts, :attempts)');
  const removes = removed.length === 0 ? '' : ` REMOVE ${removed.map((name) => `#${name}`).join(', ')}`;
  try {
    return await table.update<Delivery>(key, {
      update: `SET ${sets.join(', ')}${removes}`,
      // Clauses: it waits; nobody attempted it meanwhile, except that an answer of 2xx stands against any failure.
      condition: `#status = :pending${settlement.status === 'delivered' ? '' : ' AND #slot = :seen'}`,
      names: Object.fromEntries(['status', 'slot', ...kept, ...removed].map((name) => [`#${name}`, name])),
      values: {
        ...Object.fromEntries(kept.map((name) => [`:${name}`, set[name]])),
        ':pending': 'pending',
        ...(attempt === undefined ? {} : { ':attempts': [attempt] }),
        ...(settlement.status === 'delivered' ? {} : { ':seen': delivery.slot }),
      },
    });
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    return error.olds[0] as unknown as Delivery | undefined;
  }
}

/** Where the index shows it while its wait is longer than a queue's. */
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
    skBetween: ['0', `${new Date(nowMs).toISOString()}#~`],
    limit,
  });
  return items.flatMap(({ ixs }) => {
    const [due, tenantId, endpointId, at, id] = ixs.split('#');
    if (due === undefined || tenantId === undefined || endpointId === undefined || id === undefined) return [];
    return [{ tenantId, endpointId, at: Number(at), id, due: Date.parse(due), ixs }];
  });
}

/** Moves a delivery that has been sent behind those that have not: the index shows it again at `untilMs`, should it still wait then. */
export async function hideUntil(table: Table, delivery: DueDelivery, untilMs: number): Promise<void> {
  const { tenantId, endpointId, at, id, ixs } = delivery;
  try {
    await table.update(keys.delivery(tenantId, endpointId, at, id), {
      update: 'SET ixs = :new',
      // Clause: nobody attempted it meanwhile; that moved it, or took it out of the index.
      condition: 'ixs = :seen',
      values: { ':new': placeOf(delivery, untilMs), ':seen': ixs },
    });
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}

const placeOf = ({ tenantId, endpointId, at, id }: Omit<DueDelivery, 'due' | 'ixs'>, dueMs: number): string =>
  `${new Date(dueMs).toISOString()}#${tenantId}#${endpointId}#${at}#${id}`;
