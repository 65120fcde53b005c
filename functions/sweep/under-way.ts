import type { Deps } from '../../lib/aws/deps.ts';
import type { AccountRefs } from '../../lib/aws/hosts/ownership.ts';
import { finder, keys, places } from '../../lib/aws/keys.ts';

/** An account with running contracts, or paused ones that may have messages under way. */
export interface UnderWay extends AccountRefs {
  contractIds: string[];
  paused: string[];
}

/** The item `running` or `paused` of a contract. Times are epoch milliseconds. */
export interface Mark {
  /** Time of the pause. */
  at?: number;
  /** Time of the feed's last walk through its QUEUED messages. */
  refedAt?: number;
}

/** Returns the accounts with contracts under way. Makes two queries of the index, whatever the number of idle accounts. */
export async function accountsUnderWay(deps: Deps): Promise<UnderWay[]> {
  const accounts = new Map<string, UnderWay>();
  for (const [ix, kind] of [
    [finder.running, 'contractIds'],
    [finder.paused, 'paused'],
  ] as const) {
    for (const { ixs } of await deps.table.queryAll<{ ixs: string }>({ pk: ix, index: finder.index })) {
      const place = places.contract.read(ixs);
      if (place === undefined) continue;
      const { tenantId, accountId, contractId } = place;
      const known = accounts.get(accountId) ?? { tenantId, accountId, contractIds: [], paused: [] };
      known[kind].push(contractId);
      accounts.set(accountId, known);
    }
  }
  return [...accounts.values()];
}

/** Returns the marks of the account's contracts, running ones first. Undefined when the contract is no longer in that state, as the index lags. */
export async function marksOf(
  deps: Deps,
  { tenantId, accountId, contractIds, paused }: UnderWay,
): Promise<(Mark | undefined)[]> {
  return await deps.table.getMany<Mark>([
    ...contractIds.map((id) => keys.running(tenantId, accountId, id)),
    ...paused.map((id) => keys.paused(tenantId, accountId, id)),
  ]);
}
