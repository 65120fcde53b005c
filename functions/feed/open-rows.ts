import { sendToLane } from '../../lib/aws/accounts/lanes.ts';
import { type PageReader, putRows } from '../../lib/aws/contracts/feed-rows.ts';
import { closeRows } from '../../lib/aws/contracts/reservations.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import type { Contract, OpenRange } from '../../lib/domain/contracts/contract.ts';

/** Gives reserved rows their messages and lane entries. Returns how many entries went into the lane. It can be repeated. */
export async function finishRows(
  deps: Deps,
  account: Account,
  contract: Contract,
  range: OpenRange,
  reader: PageReader,
): Promise<number> {
  const rows = await reader.rows(contract, range.from, range.to);
  const messages = await putRows(deps.table, contract, account.id, rows, deps.nowMs());
  await sendToLane(deps.sqs, account.laneUrls[contract.lane], messages);
  await closeRows(deps.table, contract, range);
  return messages.length;
}

/** Finishes the rows that an interrupted feed had reserved for this account. Ranges of other accounts are left to their own feeds. */
export async function finishOpenRows(
  deps: Deps,
  account: Account,
  contract: Contract,
  open: readonly OpenRange[],
  reader: PageReader,
): Promise<number> {
  let sent = 0;
  for (const range of open) {
    if (range.accountId === account.id) sent += await finishRows(deps, account, contract, range, reader);
    // A range on the contract is closed there, so that rows can be reserved again.
    if (range.on === 'contract') contract.openFrom = range.to;
  }
  return sent;
}
