import type { Content } from '../../domain/content.ts';
import type { Contract, OpenRange } from '../../domain/contracts/contract.ts';
import { type PageRow, rowsOf } from '../../domain/contracts/pages.ts';
import { messageOfRow, rowMessageId, stateWithoutItem } from '../../domain/contracts/row-message.ts';
import { type ContractMessage, ofContract, optedOut } from '../../domain/messages/message.ts';
import { mayBeGone } from '../../domain/messages/retention.ts';
import { type Item, inParallel } from '../client/table.ts';
import type { Deps } from '../deps.ts';
import { keys } from '../keys.ts';
import { toMessage } from '../messages/messages.ts';
import { readPageRefs } from './page-lists.ts';
import { readPage } from './pages.ts';
import { readOpenRanges } from './reservations.ts';

/** The present state of one row: its message item or, without an item, the state that follows from the contract. */
export interface Row {
  message: ContractMessage;
  /** Set when the row was read from its page; otherwise it is in the content item. */
  content?: Content;
}

/** A row whose message has ended and is deleted. Its outcome is unknown; its page still has its recipient. */
export interface GoneRow {
  gone: Omit<ContractMessage, 'state'>;
}

type Reading = Pick<Deps, 'table' | 'pages' | 'nowMs'>;

/** Returns rows `[from, to)` as `readResults` does, without those whose results are no longer kept. */
export async function readRows(
  deps: Reading,
  contract: Contract,
  from: number,
  to: number,
  options: { eventually?: boolean; madeOnly?: boolean } = {},
): Promise<Row[]> {
  const rows = await readResults(deps, contract, from, to, options);
  return rows.flatMap((row) => ('gone' in row ? [] : [row]));
}

/**
 * Returns rows `[from, to)`, in order. Rows that the feed has passed are read by their derived ids (strongly consistent unless `eventually`). Pages
 * are read only for rows without an item; `madeOnly` leaves those rows out. Cleared failures are left out.
 */
export async function readResults(
  deps: Reading,
  contract: Contract,
  from: number,
  to: number,
  options: { eventually?: boolean; madeOnly?: boolean } = {},
): Promise<(Row | GoneRow)[]> {
  const end = Math.min(to, rowsOf(contract));
  const numbers = Array.from({ length: Math.max(0, end - from) }, (_, i) => from + i);
  // Rows not fed yet have no items, except those that were final at creation.
  const mayHaveItem = (row: number): boolean => row < contract.nextRow || contract.atOnce > 0;
  const asked = numbers.filter(mayHaveItem);
  const items = await deps.table.getMany<Item>(
    asked.map((row) => keys.message(contract.tenantId, rowMessageId(contract, row))),
    options,
  );
  const found = new Map<number, ContractMessage>();
  asked.forEach((row, index) => {
    const item = items[index];
    if (item !== undefined) found.set(row, ofContract(toMessage(item)));
  });
  const pages = await pagesOf(
    deps,
    contract,
    options.madeOnly === true ? [] : numbers.filter((row) => !found.has(row)),
  );
  const nowMs = deps.nowMs();
  // Only after this time can a passed row without an item be other than open.
  const isAsked = pages.size > 0 && mayBeGone(contract.startedAt, nowMs);
  const [open = []] = isAsked ? await readOpenRanges(deps.table, [contract]) : [];
  return numbers.flatMap((row): (Row | GoneRow)[] => {
    const message = found.get(row);
    if (message !== undefined) return message.cleared === true ? [] : [{ message }];
    const data = pages.get(row);
    return data === undefined ? [] : [withoutItem(contract, row, data, nowMs, open)];
  });
}

/** Returns the page rows of these row numbers. Reads eight pages at a time. */
async function pagesOf(deps: Reading, contract: Contract, rows: number[]): Promise<Map<number, PageRow>> {
  const wanted = new Set(rows);
  const found = new Map<number, PageRow>();
  if (wanted.size === 0) return found;
  const lowest = rows[0] ?? 0;
  const highest = rows.at(-1) ?? 0;
  let first = 0;
  const parts: { key: string; first: number }[] = [];
  for (const page of await readPageRefs(deps.table, contract)) {
    if (first <= highest && first + page.rows > lowest) parts.push({ key: page.key, first });
    first += page.rows;
  }
  await inParallel(8, parts, async (part) => {
    const data = await readPage(deps.pages, part.key);
    data.forEach((row, offset) => {
      if (wanted.has(part.first + offset)) found.set(part.first + offset, row);
    });
  });
  return found;
}

/** Returns a row without an item: refused at creation, not fed (yet), canceled with its contract, or gone. */
function withoutItem(
  contract: Contract,
  row: number,
  data: PageRow,
  nowMs: number,
  open: readonly OpenRange[],
): Row | GoneRow {
  const message = messageOfRow(contract, row, data);
  if (data.skip !== undefined) return { message: { ...message, ...skipped(data.skip) }, content: data.content };
  const state = stateWithoutItem(contract, row, nowMs, open);
  return state === undefined ? { gone: message } : { message: { ...message, state }, content: data.content };
}

function skipped(skip: NonNullable<PageRow['skip']>): Pick<ContractMessage, 'state' | 'error'> {
  if (skip === 'SUPPRESSED') return { state: 'SUPPRESSED', error: optedOut };
  return { state: 'FAILED', error: { code: 'INVALID_NUMBER', message: 'The phone number is not valid.' } };
}

/** Returns the message of a row that is final from the start. */
export function skippedMessage(
  contract: Contract,
  row: number,
  data: PageRow & { skip: NonNullable<PageRow['skip']> },
): ContractMessage {
  return { ...messageOfRow(contract, row, data), ...skipped(data.skip) };
}
