import { isDue } from '../../domain/accounts/first-contacts.ts';
import type { Contract, PageRow } from '../../domain/contracts/contract.ts';
import { locateRow } from '../../domain/contracts/contract.ts';
import { messageOfRow } from '../../domain/contracts/row-message.ts';
import { type ContractMessage, ofContract } from '../../domain/messages/message.ts';
import { endsTooSoon } from '../../domain/messages/retention.ts';
import { type BoundedCache, boundedCache } from '../../runtime/bounded-cache.ts';
import type { ObjectStore } from '../client/objects.ts';
import { added, patch } from '../client/patch.ts';
import { absent, type Item, inParallel, present, type Table } from '../client/table.ts';
import { type Key, keys, partsOf, queuedAttribute, ranges } from '../keys.ts';
import { contentWrite } from '../messages/contents.ts';
import { messageItem, toMessage } from '../messages/messages.ts';
import { readPage } from './pages.ts';

/** Reads rows of contracts; the last few pages stay in memory because the feed takes one page in many small bites. */
export class PageReader {
  private readonly pages: BoundedCache<PageRow[]>;
  private readonly store: ObjectStore;

  constructor(store: ObjectStore, keep = 8) {
    this.store = store;
    this.pages = boundedCache<PageRow[]>(keep);
  }

  /** Rows `[from, to)` of the contract, counted from 0. */
  async rows(contract: Contract, from: number, to: number): Promise<{ row: number; data: PageRow }[]> {
    const found: { row: number; data: PageRow }[] = [];
    for (let row = from; row < to; row++) {
      const place = locateRow(contract.pages, row);
      const page = place === undefined ? undefined : contract.pages[place.page];
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
    const rows = await readPage(this.store, key);
    this.pages.set(key, rows);
    return rows;
  }
}

export const rowsOf = (contract: Contract): number => contract.pages.reduce((sum, page) => sum + page.rows, 0);

/**
 * Reserves rows `[contract.nextRow, to)` for the feed: contract and account in one transaction. Returns false when the contract is not
 * running any more or another feed was here first; nothing has changed then.
 */
export async function reserveRows(
  table: Table,
  contract: Contract,
  accountId: string,
  to: number,
  valid: number,
  nowMs: number,
): Promise<boolean> {
  const refused = await table.tryTransact({
    contract: {
      key: keys.contract(contract.tenantId, contract.id),
      ...patch({ nextRow: to, openFrom: contract.nextRow, fedAt: nowMs, fedCount: added(valid) }),
      condition: {
        isRunning: { is: '#status = :running', names: { '#status': 'status' }, values: { ':running': 'IN_PROGRESS' } },
        // No other feed has taken rows, and the rows before are complete.
        isFedUpToHere: { is: '#nextRow = :openFrom AND #openFrom = :openFrom' },
      },
    },
    account: {
      key: keys.accountHot(contract.tenantId, accountId),
      ...patch({ [queuedAttribute[contract.lane]]: added(valid) }),
      condition: { exists: present },
    },
  });
  return refused === undefined;
}

/**
 * Makes the message items of reserved rows. They have no TTL: open messages have no end. Returns the messages that belong into the lane: the
 * new ones, and those that an interrupted feed made and may not have sent. Doing this twice makes the same items, since their ids derive.
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
    // One of another account is that account's.
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
 * Messages wait longer than texts live, and a lane keeps an entry for 14 days: before messages go into a lane again, texts that are gone, or
 * that an entry could outlive, are written anew from the pages.
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

/** Notes that the reserved rows are all in the table and in the lane. */
export async function closeRows(table: Table, contract: Contract, from: number, to: number): Promise<void> {
  // A job that ended the contract has closed its rows.
  const areOpen = { is: 'openFrom = :from AND nextRow = :to', values: { ':from': from, ':to': to } };
  await table.tryUpdate(keys.contract(contract.tenantId, contract.id), {
    ...patch({ openFrom: to }),
    condition: { exists: present, areOpen },
  });
}

/**
 * Returns messages of the contract that came back to PENDING and may be fed (`isDue`), oldest first. Without a hold of first contacts this looks at
 * `limit` entries whatever their time, and may leave some for the next feed.
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

/** Returns the contracts that run on the account. */
export async function runningContracts(table: Table, tenantId: string, accountId: string): Promise<Contract[]> {
  const running = await table.queryAll<{ sk: string }>(ranges.running(tenantId, accountId));
  const items = await table.getMany<Item>(
    running.map((item) => keys.contract(tenantId, partsOf.running(item).contractId)),
  );
  return items.flatMap((item) => (item === undefined ? [] : [item as unknown as Contract]));
}
