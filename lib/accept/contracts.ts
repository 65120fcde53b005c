import { appendRows, createContract, numbered, putSkipped } from '../aws/contracts/contracts.ts';
import { readPageRefs } from '../aws/contracts/page-lists.ts';
import { putPages, readNumbers, rowSetName } from '../aws/contracts/pages.ts';
import type { Deps } from '../aws/deps.ts';
import type { Origin } from '../aws/tenants/audit.ts';
import { tenantSecret } from '../aws/tenants/tenant-secret.ts';
import type { Contract } from '../domain/contracts/contract.ts';
import type { PageRow } from '../domain/contracts/pages.ts';
import { contractIdKey, ulidOf } from '../domain/ids.ts';
import type { Lane } from '../domain/messages/message.ts';
import { acceptRows } from './accept.ts';
import type { CheckedRow } from './rows.ts';
import { RecipientWarnings } from './warnings.ts';

/** The order of a contract. Times are epoch milliseconds. */
export interface ContractOrder {
  /** `con_` and a ULID. A repeated order must have the same id. */
  id: string;
  name: string;
  accountId: string;
  lane: Lane;
  skipInvalid: boolean;
  requirePlus: boolean;
  /** True: the contract starts at once. */
  start: boolean;
  /** The contract starts automatically at this time. */
  startAt?: number | undefined;
  createdAt: number;
  rows: CheckedRow[];
}

/** The stored contract, the accepted rows, and sentences about oddities in them. */
export interface Accepted {
  contract: Contract;
  rows: PageRow[];
  warnings: string[];
}

/**
 * Accepts a contract with its rows. `origin` names its tenant. If a contract with this id exists, it is returned unchanged. Throws CONFLICT when
 * the account is gone.
 *
 * The order of writes: pages, items of wrong numbers, the contract, items of people who opted out. The contract makes everything visible. Items of
 * people who opted out come last, because a repeat may find other people on the list. Only rows of the stored contract may get items.
 */
export async function acceptContract(deps: Deps, origin: Origin, order: ContractOrder): Promise<Accepted> {
  const { tenantId } = origin;
  const { id, name, accountId, lane, skipInvalid, requirePlus, start, startAt, createdAt } = order;
  const odd = new RecipientWarnings('row');
  const rows = await acceptRows(deps.table, tenantId, order.rows, odd);
  const rowSet = rowSetName(ulidOf(id), rows);
  const pages = await putPages(deps.pages, { tenantId, contractId: id, rowSet }, rows);
  const skipped = numbered(rows, 0).filter(({ data }) => data.skip !== undefined);
  const suppressed = skipped.filter(({ data }) => data.skip === 'SUPPRESSED');
  const contract: Contract = {
    id,
    idKey: contractIdKey(await tenantSecret(deps, tenantId), id),
    tenantId,
    name,
    accountIds: [accountId],
    lane,
    status: start ? 'IN_PROGRESS' : 'PENDING',
    totalCount: rows.length,
    pages,
    nextRow: 0,
    openFrom: 0,
    fedCount: 0,
    atOnce: skipped.length,
    skipInvalid,
    ...(requirePlus ? { requirePlus } : {}),
    ...(startAt === undefined ? {} : { startAt }),
    createdAt,
    ...(start ? { startedAt: createdAt } : {}),
  };
  await putSkipped(
    deps,
    contract,
    skipped.filter(({ data }) => data.skip === 'INVALID_NUMBER'),
  );
  const made = await createContract(deps, origin, contract, suppressed.length);
  if (suppressed.length > 0) {
    const [first] = await readPageRefs(deps.table, made);
    if (first?.key === pages[0]?.key) await putSkipped(deps, made, suppressed);
  }
  return { contract: made, rows, warnings: odd.sentences() };
}

/**
 * Adds rows to a PENDING contract. `request` is the id of the request (`req_`). A repeat with the same id adds nothing. Throws ILLEGAL_STATE when the
 * contract is not PENDING or has too many pages.
 */
export async function acceptRecipients(
  deps: Deps,
  origin: Origin,
  contract: Contract,
  { request, rows: checked }: { request: string; rows: CheckedRow[] },
): Promise<Accepted> {
  const { tenantId, id: contractId } = contract;
  const odd = new RecipientWarnings('row', await readNumbers(deps.pages, await readPageRefs(deps.table, contract)));
  const rows = await acceptRows(deps.table, tenantId, checked, odd);
  const pages = await putPages(deps.pages, { tenantId, contractId, rowSet: rowSetName(ulidOf(request), rows) }, rows);
  const grown = await appendRows(deps, origin, contract, pages, rows);
  return { contract: grown, rows, warnings: odd.sentences() };
}
