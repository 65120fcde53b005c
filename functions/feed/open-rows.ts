import { sendToLane } from '../../lib/aws/accounts/lanes.ts';
import { closeRows, type PageReader, putRows } from '../../lib/aws/contracts/feed-rows.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';

/** Rows an interrupted feed had reserved get their messages and their lane entries. Answers how many went into the lane. */
export async function finishOpenRows(
  deps: Deps,
  account: Account,
  contract: Contract,
  reader: PageReader,
): Promise<number> {
  if (contract.openFrom >= contract.nextRow) return 0;
  const rows = await reader.rows(contract, contract.openFrom, contract.nextRow);
  const messages = await putRows(deps.table, contract, account.id, rows, deps.nowMs());
  await sendToLane(deps.sqs, account.laneUrls[contract.lane], messages);
  await closeRows(deps.table, contract, contract.openFrom, contract.nextRow);
  contract.openFrom = contract.nextRow;
  return messages.length;
}
