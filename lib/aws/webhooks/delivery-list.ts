import { createdAt } from '../../domain/ids.ts';
import type { Delivery } from '../../domain/webhooks/delivery.ts';
import type { Item, Table } from '../client/table.ts';
import { keys, ranges } from '../keys.ts';

/** Items looked at for one page that asks for a status. */
const mostScanned = 1000;
/** The last time a key can hold. */
const endOfTime = 9_999_999_999_999;

/**
 * Deliveries of an endpoint planned in `[sinceMs, untilMs)`, newest first unless asked otherwise. `after` is the id of the last one looked at;
 * with a status a page may be short, or empty, and still have a next one.
 */
export async function listDeliveries(
  table: Table,
  ref: { tenantId: string; id: string },
  page: {
    limit: number;
    after?: string;
    status?: Delivery['status'];
    sinceMs?: number;
    untilMs?: number;
    oldestFirst?: boolean;
  },
): Promise<{ items: Delivery[]; next?: string }> {
  const timeWithin = (ms: number) => Math.min(Math.max(ms, 0), endOfTime);
  const from = timeWithin(page.sinceMs ?? 0);
  const range = ranges.deliveriesBetween(ref.tenantId, ref.id, from, timeWithin(page.untilMs ?? endOfTime));
  const [lowest, highest] = range.skBetween;
  const items: Delivery[] = [];
  let start: Item | undefined;
  if (page.after !== undefined) {
    // DynamoDB refuses a start outside the range: a cursor may come from another one.
    const last = keys.delivery(ref.tenantId, ref.id, createdAt(page.after), page.after);
    const isOutside = { below: last.sk < lowest, above: last.sk > highest };
    if (page.oldestFirst === true ? isOutside.above : isOutside.below) return { items };
    if (!isOutside.below && !isOutside.above) start = { ...last };
  }
  if (lowest >= highest) return { items };
  for (let scanned = 0; ; ) {
    const found = await table.query<Delivery>({
      ...range,
      descending: page.oldestFirst !== true,
      limit: page.status === undefined ? page.limit : 100,
      ...(start === undefined ? {} : { start }),
    });
    for (const [index, delivery] of found.items.entries()) {
      if (page.status !== undefined && delivery.status !== page.status) continue;
      items.push(delivery);
      const more = found.next !== undefined || index < found.items.length - 1;
      if (items.length === page.limit) return more ? { items, next: delivery.id } : { items };
    }
    scanned += found.items.length;
    const last = found.items.at(-1);
    if (found.next === undefined || last === undefined) return { items };
    if (scanned >= mostScanned) return { items, next: last.id };
    start = found.next;
  }
}
