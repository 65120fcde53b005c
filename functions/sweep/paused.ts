import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys } from '../../lib/aws/keys.ts';
import { type Contract, inFlightOf } from '../../lib/domain/contracts/contract.ts';
import { marksOf, type UnderWay } from './under-way.ts';

/** A paused contract is checked this often. A feed that was running when the contract was paused has ended by then. */
const lookEveryMs = 15 * 60_000;
const sweepEveryMs = 60_000;

/**
 * Removes the marks of paused contracts that have no message under way any more: none gets under way while they are paused. So a contract may stay
 * paused for years at no cost.
 */
export async function forgetStill(deps: Deps, account: UnderWay): Promise<void> {
  const { tenantId, accountId, paused } = account;
  if (paused.length === 0) return;
  const marks = await marksOf(deps, { ...account, contractIds: [] });
  for (const [index, id] of paused.entries()) {
    const at = marks[index]?.at;
    if (at === undefined) continue;
    const pausedMs = deps.nowMs() - at;
    if (pausedMs < lookEveryMs || pausedMs % lookEveryMs >= sweepEveryMs) continue;
    const contract = await deps.table.get<Contract>(keys.contract(tenantId, id));
    if (contract?.status === 'PAUSED' && inFlightOf(contract, await readCounter(deps.table, contract)) > 0) continue;
    // A contract that was paused again since the read keeps its mark.
    const isSamePause = { is: '#at = :read', names: { '#at': 'at' }, values: { ':read': at } };
    await deps.table.tryDelete(keys.paused(tenantId, accountId, id), { condition: { isSamePause } });
  }
}
