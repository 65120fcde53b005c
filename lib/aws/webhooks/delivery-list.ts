import { createdAt } from '../../domain/ids.ts';
import type { Delivery } from '../../domain/webhooks/delivery.ts';
import type { Item, Table } from '../client/table.ts';
import { keys, ranges } from '../keys.ts';

/** Most items read for one page with a status filter. */
const mostScanned = 1000;
/** The highest time that fits into a key. */
const endOfTime = 9_999_999_999_999;

/**
 * Returns a page of the deliveries of an endpoint planned in `[sinceMs, untilMs)`, newest first unless `oldestFirst`. `after` is the `next` of the
 * previous page. With a status a page may be short, or empty, and still have a `next`.
 */
export async function listDeliveries(
  table: Table,
  ref: { tenantId: string; id: string },
  asked: {
    limit: number;
    after?: string;
    status?: Delivery['status'];
    sinceMs?: number;
    untilMs?: number;
    oldestFirst?: boolean;
  },
): Promise<{ items: Delivery[]; next?: string }> {
  const timeWithin = (ms: number) => Math.min(Math.max(ms, 0), endOfTime);
  const from = timeWithin(asked.sinceMs ?? 0);
  const range = ranges.deliveriesBetween(ref.tenantId, ref.id, from, timeWithin(asked.untilMs ?? endOfTime));
  const [lowest, highest] = range.skBetween;
  const items: Delivery[] = [];
  let start: Item | undefined;
  if (asked.after !== undefined) {
    // A cursor may come from another range, and DynamoDB refuses a start outside the range.
    const last = keys.delivery(ref.tenantId, ref.id, createdAt(asked.after), asked.after);
    const isOutside = { below: last.sk < lowest, above: last.sk > highest };
    if (asked.oldestFirst === true ? isOutside.above : isOutside.below) return { items };
    if (!isOutside.below && !isOutside.above) start = { ...last };
  }
  if (lowest >= highest) return { items };
  for (let scanned = 0; ; ) {
    const found = await table.query<Delivery>({
      ...range,
      descending: asked.oldestFirst !== true,
      limit: asked.status === undefined ? asked.limit : 100,
      ...(start === undefined ? {} : { start }),
    });
    for (const [index, delivery] of found.items.entries()) {
      if (asked.status !== undefined && delivery.status !== asked.status) continue;
      items.push(delivery);
      const more = found.next !== undefined || index < found.items.length - 1;
      if (items.length === asked.limit) return more ? { items, next: delivery.id } : { items };
    }
    scanned += found.items.length;
    const last = found.items.at(-1);
    if (found.next === undefined || last === undefined) return { items };
    if (scanned >= mostScanned) return { items, next: last.id };
    start = found.next;
  }
}
