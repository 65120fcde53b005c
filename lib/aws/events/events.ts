import type { EventType, PacelineEvent } from '../../domain/events/events.ts';
import type { InboundBatch } from '../../domain/inbound/inbound.ts';
import { type ReceivedView, receivedAsPrinted, receivedView } from '../../domain/inbound/view.ts';
import { contentView } from '../../domain/messages/view.ts';
import { absent, type Item, inParallel, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';
import { contentIn } from '../messages/contents.ts';

/** Days the log keeps an event. */
export const eventDays = 30;
const dayMs = 24 * 3_600_000;
/** The same in milliseconds. */
export const eventsKeptMs = eventDays * dayMs;

/** The place of an event in the log. */
export interface EventRef {
  tenantId: string;
  /** Epoch ms. */
  at: number;
  id: string;
}

/**
 * Stores the events that are logged. Events with `content` come from an image alone, are equal in each replay, and are put again, 25 in a request.
 * Events of contracts and accounts are put only if absent: the version stored first remains.
 */
export async function putEvents(table: Table, events: PacelineEvent[]): Promise<void> {
  const kept = events.filter(({ logged }) => logged);
  const same = kept.filter(({ content }) => content !== undefined);
  const first = kept.filter(({ content }) => content === undefined);
  await table.writeMany(same.map((event) => ({ put: itemOf(event) })));
  await inParallel(8, first, async (event) => {
    await table.tryPut(itemOf(event), { condition: { isNew: absent } });
  });
}

function itemOf({ type, logged: _logged, ...event }: PacelineEvent) {
  const ttl = Math.ceil((event.at + eventsKeptMs) / 1000);
  return { ...keys.event(event.tenantId, event.at, event.id), type: 'event', eventType: type, ...event, ttl };
}

/** Returns the event in an item of the log. Texts are not in it (`withContent`). */
export function eventOf(item: Item): PacelineEvent {
  const { id, eventType, at, tenantId, accountId, chat, content, data } = item as unknown as PacelineEvent & {
    eventType: EventType;
  };
  return {
    id,
    type: eventType,
    at,
    tenantId,
    ...(accountId === undefined ? {} : { accountId }),
    ...(chat === undefined ? {} : { chat }),
    ...(content === undefined ? {} : { content }),
    data,
    logged: true,
  };
}

/** Returns the events at these places, in the order of `refs`; undefined for those that are not in the log. Without texts. */
export async function readEvents(table: Table, refs: EventRef[]): Promise<(PacelineEvent | undefined)[]> {
  const items = await table.getMany<Item>(refs.map(({ tenantId, at, id }) => keys.event(tenantId, at, id)));
  return items.map((item) => (item === undefined ? undefined : eventOf(item)));
}

/** Most items read for one page. When the filter keeps few of them, the cursor continues the search. */
const maxLookedAt = 1000;

/**
 * Returns a page of a tenant's events in `[sinceMs, untilMs)` that pass the filter `fits`, newest first. `before` is the `next` of the previous page.
 * A page can be short, or empty, and still have a `next`.
 */
export async function listEvents(
  table: Table,
  tenantId: string,
  range: { sinceMs: number; untilMs: number; limit: number; before?: { at: number; id: string } },
  fits: (type: EventType) => boolean = () => true,
): Promise<{ items: PacelineEvent[]; next?: { at: number; id: string } }> {
  const { sinceMs, limit, before } = range;
  const items: PacelineEvent[] = [];
  const lowest = keys.event(tenantId, sinceMs, '').sk;
  let highest = keys.event(tenantId, range.untilMs, '').sk;
  let newestMs = range.untilMs - 1;
  if (before !== undefined && before.at < range.untilMs) {
    highest = keys.event(tenantId, before.at, before.id).sk;
    newestMs = before.at;
  }
  // The cursor is older than the range: a client polls with a later `since`. DynamoDB refuses such bounds.
  if (highest < lowest) return { items };
  let left = maxLookedAt;
  for (let day = startOfDay(newestMs); day + dayMs > sinceMs; day -= dayMs) {
    let start: Item | undefined;
    do {
      const listed = await table.query<Item & { sk: string }>({
        pk: keys.event(tenantId, day, '').pk,
        skBetween: [lowest, highest],
        limit: Math.min(left, Math.max(limit + 2, 100)),
        descending: true,
        ...(start === undefined ? {} : { start }),
      });
      for (const item of listed.items) {
        const event = eventOf(item);
        // The item at the bound ended the previous page.
        const fitting = item.sk < highest && fits(event.type);
        const last = items.at(-1);
        if (fitting && last !== undefined && items.length === limit) return { items, next: refOf(last) };
        if (fitting) items.push(event);
        left -= 1;
        if (left === 0) return { items, next: refOf(event) };
      }
      start = listed.next;
    } while (start !== undefined);
  }
  return { items };
}

/**
 * Returns a page of all events of a tenant in `[sinceMs, untilMs)`, oldest first, for a replay. `after` is the `next` of the previous page; only the
 * last page has no `next`.
 */
export async function eventsFrom(
  table: Table,
  tenantId: string,
  range: { sinceMs: number; untilMs: number; limit: number; after?: { at: number; id: string } },
): Promise<{ items: PacelineEvent[]; next?: { at: number; id: string } }> {
  const { untilMs, limit, after } = range;
  const items: PacelineEvent[] = [];
  const oldestMs = Math.max(range.sinceMs, after?.at ?? 0);
  const passed = after === undefined ? undefined : keys.event(tenantId, after.at, after.id).sk;
  const lowest = passed ?? keys.event(tenantId, oldestMs, '').sk;
  const highest = keys.event(tenantId, untilMs, '').sk;
  if (highest < lowest) return { items };
  for (let day = startOfDay(oldestMs); day < untilMs; day += dayMs) {
    const { pk } = keys.event(tenantId, day, '');
    let start: Item | undefined;
    do {
      const more: { start?: Item } = start === undefined ? {} : { start };
      const listed = await table.query<Item>({ pk, skBetween: [lowest, highest], limit: limit + 1, ...more });
      for (const item of listed.items) {
        if (item.sk === passed) continue;
        items.push(eventOf(item));
        const last = items.at(-1);
        if (last !== undefined && items.length === limit) return { items, next: refOf(last) };
      }
      start = listed.next;
    } while (start !== undefined);
  }
  return { items };
}

const refOf = ({ at, id }: PacelineEvent) => ({ at, id });
const startOfDay = (ms: number): number => Math.floor(ms / dayMs) * dayMs;

/** Returns the events with their texts, as long as those are kept: texts of messages, whole batches of inbound ones. Reads 100 items in a request. */
export async function withContent(table: Table, events: PacelineEvent[]): Promise<PacelineEvent[]> {
  const keyOf = ({ type, tenantId, accountId, content }: PacelineEvent) => {
    if (content === undefined) return undefined;
    if (type === 'message.received') return keys.inboundBatch(tenantId, accountId ?? '', content);
    return keys.text(tenantId, content);
  };
  const wanted = new Map(
    events.flatMap((event) => {
      const key = keyOf(event);
      return key === undefined ? [] : [[`${key.pk}\n${key.sk}`, key] as const];
    }),
  );
  const found = await table.getMany<Item>([...wanted.values()]);
  const contents = new Map([...wanted.keys()].map((name, at) => [name, found[at]]));
  return events.map((event) => {
    const key = keyOf(event);
    const item = key === undefined ? undefined : contents.get(`${key.pk}\n${key.sk}`);
    if (item === undefined && event.type === 'message.received') {
      return { ...event, data: receivedAsPrinted(event.data as ReceivedView) };
    }
    if (item === undefined) return event;
    if (event.type === 'message.received') return { ...event, data: receivedView(item as unknown as InboundBatch) };
    const { message } = event.data as { message: object };
    const content = contentIn(item);
    return content === undefined ? event : { ...event, data: { message: { ...message, ...contentView(content) } } };
  });
}
