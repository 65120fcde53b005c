import type { PacelineEvent } from '../../domain/event-types.ts';
import { sequenceRank } from '../../domain/event-types.ts';
import { createdAt } from '../../domain/ids.ts';
import { type Delivery, deliveryDays, deliveryId } from '../../domain/webhooks/delivery.ts';
import { type Endpoint, groupOf, wants } from '../../domain/webhooks/endpoint.ts';
import { absent, inParallel, type Table } from '../client/table.ts';
import { keys, ranges } from '../keys.ts';
import type { DeliveryMessage, DeliveryQueue } from './delivery-queue.ts';
import { tenantEndpoints } from './endpoints.ts';

export interface Planner {
  table: Table;
  deliveries: DeliveryQueue;
}

/** Most puts of one call at a time, so that a large batch does not open one connection for each delivery. */
const putsAtOnce = 16;

/**
 * Plans a delivery of each event to each endpoint that wants it, and sends it to the delivery queue. A repeat stores nothing twice, and sends again
 * the deliveries that wait for their first attempt. So a crash in between loses nothing. Reads the endpoints at each call, so that a new one misses
 * no event. Returns the stored deliveries.
 */
export async function planDeliveries(deps: Planner, events: PacelineEvent[]): Promise<Delivery[]> {
  const planned: Delivery[] = [];
  const endpoints = new Map<string, Endpoint>();
  for (const [tenantId, own] of Map.groupBy(events, (event) => event.tenantId)) {
    const all = await tenantEndpoints(deps.table, tenantId);
    for (const endpoint of all) {
      endpoints.set(endpoint.id, endpoint);
      for (const event of own) if (wants(endpoint, event)) planned.push(newDelivery(endpoint, event, event.at));
    }
  }
  return await storeDeliveries(deps, planned, endpoints);
}

/** Plans deliveries to one endpoint, without its filter: a test (`once`), or a replay. `at` is now. Returns the stored deliveries. */
export async function planDeliveriesTo(
  deps: Planner,
  endpoint: Endpoint,
  events: PacelineEvent[],
  more: { at: number; once?: boolean; replayId?: string },
): Promise<Delivery[]> {
  const planned = events.map((event) => newDelivery(endpoint, event, more.at, more));
  return await storeDeliveries(deps, planned, new Map([[endpoint.id, endpoint]]));
}

function newDelivery(
  endpoint: Endpoint,
  event: PacelineEvent,
  at: number,
  more: { once?: boolean; replayId?: string } = {},
): Delivery {
  return {
    id: deliveryId(at, event.id, endpoint.id, more.replayId),
    tenantId: endpoint.tenantId,
    endpointId: endpoint.id,
    at,
    eventId: event.id,
    eventType: event.type,
    eventAt: event.at,
    status: 'pending',
    attempts: [],
    slot: 0,
    nextAttemptAt: at,
    ...(endpoint.ordered && event.chat !== undefined ? { line: event.chat } : {}),
    ...(more.once === true ? { once: true } : {}),
    ...(more.replayId === undefined ? {} : { replay: true }),
    ...(event.logged ? {} : { data: JSON.stringify(event.data) }),
  };
}

/** Stores the deliveries that are new, then sends those that have not been tried yet. */
async function storeDeliveries(
  deps: Planner,
  planned: Delivery[],
  endpoints: Map<string, Endpoint>,
): Promise<Delivery[]> {
  const stored: Delivery[] = [];
  await inParallel(putsAtOnce, planned, async (delivery) => {
    stored.push(await putIfAbsent(deps.table, delivery));
  });
  const waiting = stored.filter(({ status, slot }) => status === 'pending' && slot === 0);
  await deps.deliveries.send(
    waiting.map((delivery) => {
      const message = messageOf(delivery, endpoints.get(delivery.endpointId));
      return { message, key: sendingKey(message) };
    }),
  );
  return stored;
}

/** Stores a delivery if it is new, because a delivered one must not become pending again. Returns the stored delivery. */
async function putIfAbsent(table: Table, delivery: Delivery): Promise<Delivery> {
  const put = {
    ...keyOf(delivery),
    type: 'delivery',
    ...delivery,
    ttl: Math.floor(delivery.at / 1000) + deliveryDays * 86_400,
  };
  const condition = { isNew: absent };
  if (delivery.line === undefined) {
    const refused = await table.tryPut(put, { condition });
    if (refused === undefined) return delivery;
    return refused.old<Delivery>() ?? raise(refused);
  }
  const { tenantId, endpointId, ttl } = put;
  const place = { ...sequenceKey(delivery, delivery.line), type: 'deliveryLine', tenantId, endpointId, ttl };
  // One transaction, because a place in the line without a delivery would block its chat.
  const refused = await table.tryTransact({
    delivery: { put, condition },
    place: { put: { ...place, id: delivery.id, at: delivery.at } },
  });
  if (refused === undefined) return delivery;
  return refused.old<Delivery>('delivery') ?? raise(refused);
}

function raise(error: Error): never {
  throw error;
}

/** Returns the queue message for the next attempt of a delivery. Without an endpoint, which may be deleted, it still has a group. */
export function messageOf(
  delivery: Delivery,
  endpoint: Pick<Endpoint, 'rateLimitPerSec'> | undefined,
): DeliveryMessage {
  const { tenantId, endpointId, id, at, nextAttemptAt, once, line, eventId, eventAt } = delivery;
  const of = line === undefined ? { eventId } : { eventId, chat: line };
  return {
    t: tenantId,
    w: endpointId,
    id,
    at,
    e: eventId,
    ea: eventAt,
    due: nextAttemptAt ?? at,
    group: once === true ? 'test' : String(groupOf(endpoint ?? {}, of)),
  };
}

/** Returns the deduplication id of one attempt. Within five minutes the queue delivers only one of two equal ones. */
export const sendingKey = ({ id, due, tries }: DeliveryMessage): string => `${id}#${due}#${tries ?? 0}`;

const keyOf = ({ tenantId, endpointId, at, id }: Pick<Delivery, 'tenantId' | 'endpointId' | 'at' | 'id'>) =>
  keys.delivery(tenantId, endpointId, at, id);

/** Sorts by the time of the event, so that a replay comes before later events. */
const sequenceKey = ({ tenantId, endpointId, eventAt, id, eventType }: Delivery, chat: string) =>
  keys.deliverySequence(tenantId, endpointId, chat, { at: eventAt, rank: sequenceRank(eventType), id });

/** Returns the delivery with this id and its endpoint, if the endpoint still exists. */
export async function findDelivery(
  table: Table,
  tenantId: string,
  id: string,
): Promise<{ delivery: Delivery; endpoint: Endpoint } | undefined> {
  const at = createdAt(id);
  if (!Number.isSafeInteger(at) || at < 0) return undefined;
  const endpoints = await tenantEndpoints(table, tenantId);
  const found = await table.getMany<Delivery>(endpoints.map((one) => keys.delivery(tenantId, one.id, at, id)));
  const index = found.findIndex((delivery) => delivery !== undefined);
  const [delivery, endpoint] = [found[index], endpoints[index]];
  return delivery === undefined || endpoint === undefined ? undefined : { delivery, endpoint };
}

export async function readDelivery(table: Table, delivery: Delivery): Promise<Delivery | undefined> {
  return await table.get<Delivery>(keyOf(delivery));
}

/** Returns the first delivery in the sequence of a chat: the only one that may be attempted. */
export async function headOfSequence(
  table: Table,
  ref: { tenantId: string; endpointId: string },
  chat: string,
): Promise<{ id: string; at: number } | undefined> {
  const range = ranges.deliverySequence(ref.tenantId, ref.endpointId, chat);
  const { items } = await table.query<{ id: string; at: number }>({ ...range, limit: 1 });
  return items[0];
}

/** Removes a final delivery from the line of its chat, and sends the next one. Repeating it changes nothing. */
export async function leaveSequence(deps: Planner, delivery: Delivery, endpoint: Endpoint | undefined): Promise<void> {
  const { line, tenantId, endpointId } = delivery;
  if (line === undefined) return;
  await deps.table.delete(sequenceKey(delivery, line));
  const head = await headOfSequence(deps.table, delivery, line);
  if (head === undefined) return;
  const next = await deps.table.get<Delivery>(keys.delivery(tenantId, endpointId, head.at, head.id));
  // The delivery has expired, its place not yet.
  if (next === undefined) return;
  const message = messageOf(next, endpoint);
  // The next delivery may have been received within the last five minutes, while this one blocked it. So its key must be new.
  await deps.deliveries.send([{ message, key: `${sendingKey(message)}#${delivery.id}` }]);
}
