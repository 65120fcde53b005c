import { type AccountPair, readAccounts } from '../../../lib/aws/accounts/accounts.ts';
import { readContract } from '../../../lib/aws/contracts/contracts.ts';
import { readCounter } from '../../../lib/aws/contracts/jobs.ts';
import { keys } from '../../../lib/aws/keys.ts';
import { accountOf, accountsOf, type Contract } from '../../../lib/domain/contracts/contract.ts';
import { type ContractView, contractView } from '../../../lib/domain/contracts/view.ts';
import { PacelineError } from '../../../lib/domain/errors.ts';
import { type Counter, emptyCounter } from '../../../lib/domain/messages/counter.ts';
import { type ApiScope, type Call, pathId, tenantOf } from '../http/context.ts';

/** Returns the contract that the path names. Throws NOT_FOUND, also for a contract of another tenant. */
export async function contractOf(c: Call, { deps }: ApiScope): Promise<Contract> {
  const contract = await readContract(deps.table, tenantOf(c).id, pathId(c.req.param('id') ?? '', 'con'));
  if (contract === undefined) throw new PacelineError('NOT_FOUND', 'There is no such contract.');
  return contract;
}

/** Returns one contract as GET shows it, with its counter and its account as they are now. */
export async function viewOf({ deps }: ApiScope, contract: Contract, warnings?: string[]): Promise<ContractView> {
  const [counter, [pair]] = await Promise.all([
    readCounter(deps.table, contract),
    readAccounts(deps.table, contract.tenantId, [...accountsOf(contract)]),
  ]);
  return contractView(contract, counter, pair, deps.nowMs(), warnings);
}

/** Returns the contracts with their counters and accounts, in two batch reads. All are of one tenant. */
export async function withCounters(
  { deps }: ApiScope,
  contracts: Contract[],
): Promise<{ contract: Contract; counter: Counter; pair: AccountPair | undefined }[]> {
  const [first] = contracts;
  if (first === undefined) return [];
  const counterKeys = contracts.map((contract) => keys.counter(contract.tenantId, contract.id, accountOf(contract)));
  const accountIds = [...new Set(contracts.flatMap(accountsOf))];
  const [counters, accounts] = await Promise.all([
    deps.table.getMany<Counter>(counterKeys),
    readAccounts(deps.table, first.tenantId, accountIds),
  ]);
  const byId = new Map(accountIds.map((id, index) => [id, accounts[index]]));
  return contracts.map((contract, index) => ({
    contract,
    counter: counters[index] ?? emptyCounter,
    pair: byId.get(accountOf(contract)),
  }));
}
