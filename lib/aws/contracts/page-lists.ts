import type { Contract } from '../../domain/contracts/contract.ts';
import {
  inlinePagesOf,
  type PageEntry,
  type PageLists,
  type PageRef,
  pageListsOf,
} from '../../domain/contracts/pages.ts';
import type { Item, Table } from '../client/table.ts';
import { type Key, keys, ranges } from '../keys.ts';

/*
 * Which pages a contract is made of. A page list is an item of its own (`PAGES#<n>`) with the pages of one batch in order; the contract says how
 * many lists there are and what they come to. At most one page, the last, stands on the contract itself: an order of up to 500 rows needs no list.
 * Contracts of earlier releases have all their pages on the contract. The next batch takes what stands there into its list.
 */

interface PageList {
  pages: PageRef[];
}

/** Returns what the contract says of its pages when these come behind those that are there, and the page list that must be put with it. */
export function addPages(
  contract: Pick<Contract, 'tenantId' | 'id' | 'pages'>,
  added: PageRef[],
): { pages: PageEntry[]; list?: { put: Item & Key } } {
  const { tenantId, id } = contract;
  const there = pageListsOf(contract);
  const pages = [...inlinePagesOf(contract), ...added];
  const before: PageEntry[] = there.lists === 0 ? [] : [there];
  if (pages.length <= 1) return { pages: [...before, ...pages] };
  const lists: PageLists = {
    lists: there.lists + 1,
    pages: there.pages + pages.length,
    rows: pages.reduce((sum, page) => sum + page.rows, there.rows),
  };
  return { pages: [lists], list: { put: { ...keys.pageList(tenantId, id, there.lists), type: 'pageList', pages } } };
}

/** Page lists by the contract that they were read for. What a contract once read says of its pages never changes. */
const known = new WeakMap<Contract, Promise<PageRef[]>>();

/** Returns the pages of a contract in the order of their rows. One query for a contract with page lists, once for each read of the contract. */
export async function readPageRefs(table: Table, contract: Contract): Promise<PageRef[]> {
  const before = known.get(contract);
  if (before !== undefined) return await before;
  const reading = readAll(table, contract);
  known.set(contract, reading);
  reading.catch(() => known.delete(contract));
  return await reading;
}

async function readAll(table: Table, contract: Contract): Promise<PageRef[]> {
  const { lists, rows } = pageListsOf(contract);
  if (lists === 0) return inlinePagesOf(contract);
  const found = await table.queryAll<PageList>(ranges.pageLists(contract.tenantId, contract.id, lists));
  const listed = found.flatMap(({ pages }) => pages);
  if (listed.reduce((sum, page) => sum + page.rows, 0) !== rows) {
    throw new Error(`The page lists of contract ${contract.id} are incomplete.`);
  }
  return [...listed, ...inlinePagesOf(contract)];
}

/** Returns the pages of a contract that is being removed: an earlier try may have removed some of its page lists. */
export async function pagesLeft(table: Table, contract: Contract): Promise<PageRef[]> {
  const { lists } = pageListsOf(contract);
  const found =
    lists === 0 ? [] : await table.queryAll<PageList>(ranges.pageLists(contract.tenantId, contract.id, lists));
  return [...found.flatMap(({ pages }) => pages), ...inlinePagesOf(contract)];
}
