import type { Account } from '../../domain/accounts/account.ts';
import { accountView } from '../../domain/accounts/view.ts';
import type { Contract } from '../../domain/contracts/contract.ts';
import { contractView } from '../../domain/contracts/view.ts';
import type { EventDraft, PacelineEvent } from '../../domain/events/events.ts';
import { type Counter, emptyCounter } from '../../domain/messages/counter.ts';
import { type AccountPair, type HotItem, primaryOf, readAccounts } from '../accounts/accounts.ts';
import { inParallel, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';
import { readEvents } from './events.ts';

/**
 * Fills in data that images do not hold: the counts of contracts, the totals of accounts, which account is the primary. Progress is left out
 * for a contract that is gone or has nothing left to do: another event says how it ended.
 */
export async function completeEvents(table: Table, drafts: EventDraft[], nowMs: number): Promise<PacelineEvent[]> {
  const [contracts, accounts] = await Promise.all([contractData(table, drafts, nowMs), accountData(table, drafts)]);
  const ended: PacelineEvent[] = [];
  const events = drafts.flatMap((draft): PacelineEvent[] => {
    const { about, ...event } = draft;
    if (about.kind === 'data') return [{ ...event, data: about.data }];
    if (about.kind === 'account') return [{ ...event, data: accounts(about.account) }];
    const { data, contract } = contracts(draft.tenantId, about.contractId, about.contract);
    if (about.contract !== undefined) return [{ ...event, data }];
    if (data === undefined || contract === undefined) return [];
    // The half minute of a progress event may begin before the contract. `startedAt` never changes, so each replay gets the same time.
    const progress = { ...event, at: Math.max(event.at, (contract.startedAt ?? 0) + 1), data };
    const { pending, queued, sending } = data.contract.counts;
    if (contract.status === 'IN_PROGRESS' && pending + queued + sending > 0) return [progress];
    ended.push(progress);
    return [];
  });
  // An earlier try may have stored the event and died before its deliveries were planned.
  const stored = await readEvents(table, ended);
  return [...events, ...stored.filter((event) => event !== undefined)];
}

/** Returns a lookup for the data of contract events: of `image` when the contract itself changed, else of the contract as it is now. */
async function contractData(table: Table, drafts: EventDraft[], nowMs: number) {
  const wanted = new Map<string, { tenantId: string; contractId: string; accountId: string }>();
  for (const { tenantId, about, accountId } of drafts) {
    if (about.kind !== 'contract' || accountId === undefined) continue;
    const { contractId } = about;
    wanted.set(idIn(tenantId, contractId), { tenantId, contractId, accountId });
  }
  const list = [...wanted.values()];
  const [contracts, counters, pairs] = await Promise.all([
    table.getMany<Contract>(list.map(({ tenantId, contractId }) => keys.contract(tenantId, contractId))),
    table.getMany<Counter>(list.map((one) => keys.counter(one.tenantId, one.contractId, one.accountId))),
    readPairs(table, list),
  ]);
  const index = new Map([...wanted.keys()].map((key, at) => [key, at]));
  return (tenantId: string, contractId: string, image: Contract | undefined) => {
    const at = index.get(idIn(tenantId, contractId)) ?? -1;
    const contract = image ?? contracts[at];
    const pair = pairs.get(idIn(tenantId, list[at]?.accountId));
    const data =
      contract === undefined
        ? undefined
        : { contract: contractView(contract, counters[at] ?? emptyCounter, pair, nowMs) };
    return { data, contract };
  };
}

/** Returns a lookup for the data of account events. */
async function accountData(table: Table, drafts: EventDraft[]) {
  const hot = new Map<string, HotItem>();
  const primaries = new Map<string, string | undefined>();
  const list = drafts.flatMap(({ about }) => (about.kind === 'account' ? [about.account] : []));
  const wanted = new Map(list.map((account) => [idIn(account.tenantId, account.id), account]));
  const items = await table.getMany<HotItem>(
    [...wanted.values()].map((account) => keys.accountHot(account.tenantId, account.id)),
  );
  [...wanted.keys()].forEach((key, at) => {
    const item = items[at];
    if (item !== undefined) hot.set(key, item);
  });
  await inParallel(4, [...new Set(list.map(({ tenantId }) => tenantId))], async (tenantId) => {
    primaries.set(tenantId, (await primaryOf(table, tenantId))?.id);
  });
  return (account: Account) => {
    const seen = hot.get(idIn(account.tenantId, account.id)) ?? unseen;
    return { account: accountView({ account, hot: seen }, primaries.get(account.tenantId)) };
  };
}

/** The hot item of an account that has been removed. */
const unseen = { messageCount: 0, errorCount: 0, queuedExpress: 0, queuedBulk: 0 };

/** The key of a tenant's contract or account in maps over several tenants. */
const idIn = (tenantId: string, id: string | undefined): string => `${tenantId} ${id}`;

/** Returns both items of each account, by `idIn`. Accounts that are gone are left out. */
async function readPairs(table: Table, list: { tenantId: string; accountId: string }[]) {
  const byTenant = new Map<string, Set<string>>();
  for (const { tenantId, accountId } of list) {
    byTenant.set(tenantId, (byTenant.get(tenantId) ?? new Set()).add(accountId));
  }
  const found = new Map<string, AccountPair>();
  await inParallel(4, [...byTenant], async ([tenantId, ids]) => {
    const accountIds = [...ids];
    const pairs = await readAccounts(table, tenantId, accountIds);
    pairs.forEach((pair, at) => {
      if (pair !== undefined) found.set(idIn(tenantId, accountIds[at]), pair);
    });
  });
  return found;
}
