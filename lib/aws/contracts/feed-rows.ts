import { isDue } from '../../domain/accounts/first-contacts.ts';
import {
  type AccountCounter,
  accountsOf,
  type Contract,
  type OpenRange,
  openRangesOf,
} from '../../domain/contracts/contract.ts';
import { locateRow, type PageRow } from '../../domain/contracts/pages.ts';
import { messageOfRow } from '../../domain/contracts/row-message.ts';
import { type ContractMessage, ofContract } from '../../domain/messages/message.ts';
import { endsTooSoon } from '../../domain/messages/retention.ts';
import { type BoundedCache, boundedCache } from '../../runtime/bounded-cache.ts';
import type { ObjectStore } from '../client/objects.ts';
import { absent, type Item, inParallel, type Table } from '../client/table.ts';
import { type Key, keys, partsOf, ranges } from '../keys.ts';
import { contentWrite } from '../messages/contents.ts';
import { messageItem, toMessage } from '../messages/messages.ts';
import { readPageRefs } from './page-lists.ts';
import { readPage } from './pages.ts';

/** Reads rows of contracts. It keeps the last few pages in memory, because the feed takes a page in many small parts. */
export class PageReader {
  private readonly pages: BoundedCache<PageRow[]>;
  private readonly deps: { table: Table; pages: ObjectStore };

  constructor(deps: { table: Table; pages: ObjectStore }, keep = 8) {
    this.deps = deps;
    this.pages = boundedCache<PageRow[]>(keep);
  }

  /** Returns rows `[from, to)` of the contract, counted from 0. */
  async rows(contract: Contract, from: number, to: number): Promise<{ row: number; data: PageRow }[]> {
    const found: { row: number; data: PageRow }[] = [];
    const refs = await readPageRefs(this.deps.table, contract);
    for (let row = from; row < to; row++) {
      const place = locateRow(refs, row);
      const page = place === undefined ? undefined : refs[place.page];
      if (place === undefined || page === undefined) break;
      const data = (await this.page(page.key))[place.offset];
      if (data === undefined) throw new Error(`Page ${page.key} holds fewer rows than its contract says.`);
      found.push({ row, data });
    }
    return found;
  }

  private async page(key: string): Promise<PageRow[]> {
    const kept = this.pages.get(key);
    if (kept !== undefined) return kept;
    const rows = await readPage(this.deps.pages, key);
    this.pages.set(key, rows);
    return rows;
  }
}

/**
 * Makes the message items of reserved rows. They have no TTL, because messages can be open without limit. Returns the messages that belong into the
 * lane: the new ones, and those that an interrupted feed made and may not have sent. A repeat makes the same items, since their ids derive.
 */
export async function putRows(
  table: Table,
  contract: Contract,
  accountId: string,
  rows: { row: number; data: PageRow }[],
  nowMs: number,
): Promise<ContractMessage[]> {
  const wanted = rows.filter(({ data }) => data.skip === undefined);
  const made = wanted.map(({ row, data }) => ({ message: queuedMessage(contract, accountId, row, data, nowMs), data }));
  await table.writeMany(
    made.map(({ message, data }) => contentWrite(contract.tenantId, message.id, data.content, nowMs)),
  );
  const inLane: ContractMessage[] = [];
  await inParallel(16, made, async ({ message }) => {
    const refused = await table.tryPut(messageItem(message), { condition: { isNew: absent } });
    const item = refused?.old();
    const there = refused === undefined ? message : item === undefined ? undefined : ofContract(toMessage(item));
    // A message that moved to another account belongs to that account's feed.
    if (there?.state === 'QUEUED' && there.accountId === accountId) inLane.push(there);
  });
  return inLane.sort((a, b) => a.row - b.row);
}

const queuedMessage = (
  contract: Contract,
  accountId: string,
  row: number,
  data: PageRow,
  nowMs: number,
): ContractMessage => ({
  ...messageOfRow(contract, row, data),
  accountId,
  state: 'QUEUED',
  feedSeq: 1,
  queuedAt: nowMs,
});

/**
 * Writes contents again from the pages when they are gone, or when an entry of the lane could outlive them. Call it before messages go into a lane
 * again: messages can wait longer than contents live, and a lane keeps an entry for 14 days.
 */
export async function renewTexts(
  table: Table,
  contract: Contract,
  reader: PageReader,
  messages: ContractMessage[],
  nowMs: number,
): Promise<void> {
  const texts = await table.getMany<{ ttl?: number }>(messages.map(({ id }) => keys.text(contract.tenantId, id)));
  const ending = messages.filter((_, index) => endsTooSoon(texts[index]?.ttl, nowMs));
  const anew: { put: Item & Key }[] = [];
  for (const { id, row } of ending.sort((a, b) => a.row - b.row)) {
    const [found] = await reader.rows(contract, row, row + 1);
    if (found !== undefined) anew.push(contentWrite(contract.tenantId, id, found.data.content, nowMs));
  }
  await table.writeMany(anew);
}

/**
 * Returns messages of the contract that came back to PENDING and may be fed (`isDue`), oldest first. Without a hold of first contacts it reads the
 * first `limit` entries, due or not. So it may leave due ones for the next feed.
 */
export async function dueBacklog(
  table: Table,
  contract: Contract,
  heldUntilMs: number | undefined,
  nowMs: number,
  limit: number,
): Promise<{ messageId: string }[]> {
  const held = (heldUntilMs ?? 0) > nowMs;
  const range = ranges.backlog(contract.tenantId, contract.id, held ? nowMs : undefined);
  const page = await table.query<{ sk: string; messageId: string }>({ ...range, limit });
  return page.items.filter((item) => isDue(partsOf.backlog(item).notBefore, heldUntilMs, nowMs));
}

/** A contract that runs, with its open ranges for the account that is fed. */
export type RunningContract = Contract & { open: OpenRange[] };

/** Returns the contracts that are IN_PROGRESS for the account. */
export async function runningContracts(table: Table, tenantId: string, accountId: string): Promise<RunningContract[]> {
  const running = await table.queryAll<Key>(ranges.running(tenantId, accountId));
  const ids = running.map((key) => partsOf.running(key).contractId);
  const items = await table.getMany<Item>([
    ...ids.map((id) => keys.contract(tenantId, id)),
    ...ids.map((id) => keys.counter(tenantId, id, accountId)),
  ]);
  return ids.flatMap((_, index) => {
    const contract = items[index] as unknown as Contract | undefined;
    if (contract?.status !== 'IN_PROGRESS') return [];
    const counter = items[ids.length + index] as unknown as AccountCounter | undefined;
    const counters = accountsOf(contract).map((id) => (id === accountId ? counter : undefined));
    return [{ ...contract, open: openRangesOf(contract, counters) }];
  });
}
