import { ConditionFailed } from '../../lib/aws/client/table.ts';
import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { keys } from '../../lib/aws/keys.ts';
import { type Contract, inFlightOf } from '../../lib/domain/contracts/contract.ts';
import { marksOf, type UnderWay } from './under-way.ts';

/** How often a paused contract is looked at; a feed that was at work when it was paused has ended by then. */
const lookEveryMs = 15 * 60_000;
const sweepEveryMs = 60_000;

/**
 * Paused contracts with nothing under way any more are no concern of the sweep: while they are paused, nothing gets under way. Their mark
 * goes, so that one may stay paused for years and cost nothing.
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
    try {
      await deps.table.delete(keys.paused(tenantId, accountId, id), {
        // Clause: not paused anew meanwhile.
        condition: '#at = :seen',
        names: { '#at': 'at' },
        values: { ':seen': at },
      });
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
    }
  }
}
