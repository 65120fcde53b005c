import type { Key } from '../keys.ts';
import type { Table } from './table.ts';

/** `before` is the id of the last item of the previous page. */
export interface ListStep {
  limit: number;
  before?: string;
}

/**
 * Returns a page of the items under `keyOf`, newest first. A sort key is the prefix that `keyOf` puts before an id, and the id. `last` is the last
 * item, set while more may follow.
 */
export async function newestFirst<T>(
  table: Table,
  keyOf: (id: string) => Key,
  { limit, before }: ListStep,
): Promise<{ items: T[]; last?: T }> {
  const { pk, sk: skPrefix } = keyOf('');
  const found = await table.query<T>({
    pk,
    ...(skPrefix === '' ? {} : { skPrefix }),
    descending: true,
    limit,
    ...(before === undefined ? {} : { start: { ...keyOf(before) } }),
  });
  const last = found.items.at(-1);
  return found.next === undefined || last === undefined ? { items: found.items } : { items: found.items, last };
}

/** Like `newestFirst`, for items with an `id`. `next` is the `before` of the next page. */
export async function newestById<T extends { id: string }>(
  table: Table,
  keyOf: (id: string) => Key,
  step: ListStep,
): Promise<{ items: T[]; next?: string }> {
  const { items, last } = await newestFirst<T>(table, keyOf, step);
  return last === undefined ? { items } : { items, next: last.id };
}
