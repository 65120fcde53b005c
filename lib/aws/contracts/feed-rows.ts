import { isDue } from '../../domain/accounts/first-contacts.ts';
import type { Contract, PageRow } from '../../domain/contracts/contract.ts';
import { locateRow } from '../../domain/contracts/contract.ts';
import { messageOfRow } from '../../domain/contracts/row-message.ts';
import { type ContractMessage, ofContract } from '../../domain/messages/message.ts';
import { endsTooSoon } from '../../domain/messages/retention.ts';
import { type BoundedCache, boundedCache } from '../../runtime/bounded-cache.ts';
import type { ObjectStore } from '../client/objects.ts';
import { ConditionFailed, type Item, inParallel, type Table } from '../client/table.ts';
import { accountPk, type Key, keys, queuedAttribute } from '../keys.ts';
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
  try {
    await table.transact([
      {
        update: 'SET nextRow = :to, openFrom = :from, fedAt = :now ADD fedCount :n',
        key: keys.contract(contract.tenantId, contract.id),
        // Clauses: it runs; no other feed has taken rows; the rows before are complete.
        condition: '#s = :running AND nextRow = :from AND openFrom = :from',
        names: { '#s': 'status' },
        values: { ':to': to, ':from': contract.nextRow, ':now': nowMs, ':n': valid, ':running': 'IN_PROGRESS' },
      },
      {
        update: `ADD ${queuedAttribute[contract.lane]} :n`,
        key: keys.accountHot(contract.tenantId, accountId),
        condition: 'attribute_exists(pk)',
        values: { ':n': valid },
      },
    ]);
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
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
    try {
      await table.put(
        messageItem(message),
        // Clause: nobody has made it yet.
        { condition: 'attribute_not_exists(pk)' },
      );
      inLane.push(message);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      const there = error.olds[0] === undefined ? undefined : ofContract(toMessage(error.olds[0]));
      // One of another account is that account's.
      if (there?.state === 'QUEUED' && there.accountId === accountId) inLane.push(there);
    }
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

/** The reserved rows are all in the table and in the lane. */
export async function closeRows(table: Table, contract: Contract, from: number, to: number): Promise<void> {
  try {
    await table.update(keys.contract(contract.tenantId, contract.id), {
      update: 'SET openFrom = :to',
      // Clauses: the contract is there; these are the rows that were open.
      condition: 'attribute_exists(pk) AND openFrom = :from AND nextRow = :to',
      values: { ':from': from, ':to': to },
    });
  } catch (error) {
    // A job that ended the contract has closed its rows.
    if (!(error instanceof ConditionFailed)) throw error;
  }
}

/**
 * Messages of the contract that came back to PENDING and may be fed (`isDue`), oldest first. Without a hold of first contacts this looks at
 * `limit` entries whatever their time, and may leave some for the next feed.
 */
export async function dueBacklog(
  table: Table,
  contract: Contract,
  heldUntilMs: number | undefined,
  nowMs: number,
  limit: number,
): Promise<{ messageId: string }[]> {
  const { pk } = keys.backlog(contract.tenantId, contract.id, 0, '');
  const held = (heldUntilMs ?? 0) > nowMs;
  const until = held ? `DUE#${String(nowMs).padStart(15, '0')}#~` : 'DUE#~';
  const page = await table.query<{ sk: string; messageId: string }>({ pk, skBetween: ['DUE#', until], limit });
  return page.items.filter(({ sk }) => isDue(Number(sk.split('#')[1]), heldUntilMs, nowMs));
}

/** The contracts that run on the account. */
export async function runningContracts(table: Table, tenantId: string, accountId: string): Promise<Contract[]> {
  const running = await table.queryAll<{ sk: string }>({ pk: accountPk(tenantId, accountId), skPrefix: 'RUN#' });
  const items = await table.getMany<Item>(running.map(({ sk }) => keys.contract(tenantId, sk.slice('RUN#'.length))));
  return items.flatMap((item) => (item === undefined ? [] : [item as unknown as Contract]));
}
