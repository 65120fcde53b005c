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
 * The pages of a contract. A page list is an item (`PAGES#<n>`) with the pages of one batch in order. The contract has the number of lists and
 * their totals. At most one page, the last, is on the contract itself, so an order of up to 500 rows needs no list.
 * Contracts of earlier releases have all their pages on the contract. The list of the next batch takes in the pages that are on the contract.
 */

interface PageList {
  pages: PageRef[];
}

/** Returns the contract's `pages` after pages were added at the end, and the page list that must be put with it. */
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

/** Page lists by the contract object for which they were read. They never change for the contract as it was read. */
const known = new WeakMap<Contract, Promise<PageRef[]>>();

/** Returns the pages of a contract in the order of their rows. Page lists are read with one query, once for each contract object. */
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

/** Returns the remaining pages of a contract that is being removed. An earlier try may have removed some of its page lists. */
export async function pagesLeft(table: Table, contract: Contract): Promise<PageRef[]> {
  const { lists } = pageListsOf(contract);
  const found =
    lists === 0 ? [] : await table.queryAll<PageList>(ranges.pageLists(contract.tenantId, contract.id, lists));
  return [...found.flatMap(({ pages }) => pages), ...inlinePagesOf(contract)];
}
