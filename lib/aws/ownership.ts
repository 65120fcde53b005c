import type { Account, AccountHot, InHand } from '../domain/account.ts';
import { inGoodStanding } from './hosts.ts';
import { finder, keys } from './keys.ts';
import { ConditionFailed, type Table } from './table.ts';

/** A host's hold on an account: only valid while the account's item says the same. */
export interface Hold {
  tenantId: string;
  accountId: string;
  hostId: string;
  epoch: number;
}

export interface AccountRefs {
  tenantId: string;
  accountId: string;
}

/**
 * Takes the account over: the epoch rises, so that whatever the last owner still tries with the old one fails. Answers undefined when
 * somebody else was faster, or when this host has been retired as dead. One claim of an account at a time in a host.
 */
export async function claimAccount(table: Table, seen: AccountHot, hostId: string): Promise<AccountHot | undefined> {
  const key = keys.accountHot(seen.tenantId, seen.accountId);
  try {
    await table.transact([
      {
        update: 'SET #o = :host, epoch = :next, ix = :mine, ixs = :ref',
        key,
        // Clauses: the account is there; nobody has claimed it since it was read.
        condition: 'attribute_exists(pk) AND epoch = :seen',
        names: { '#o': 'owner' },
        values: {
          ':host': hostId,
          ':next': seen.epoch + 1,
          ':seen': seen.epoch,
          ':mine': finder.ownedBy(hostId),
          ':ref': `${seen.tenantId}#${seen.accountId}`,
        },
      },
      { check: keys.host(hostId), condition: inGoodStanding },
    ]);
  } catch (error) {
    // A lost answer looks the same: the epoch has risen. A host claims an account once at a time, so the item tells.
    if (!(error instanceof ConditionFailed)) throw error;
  }
  const now = await table.get<AccountHot>(key);
  return now?.owner === hostId && now.epoch === seen.epoch + 1 ? now : undefined;
}

/** The same owner under a new epoch, after another connection of the same device showed up. False: no longer the owner. */
export async function raiseEpoch(table: Table, hold: Hold): Promise<boolean> {
  const next = await asOwner(table, hold, { update: 'SET epoch = :next', values: { ':next': hold.epoch + 1 } });
  if (next) hold.epoch += 1;
  return next;
}

/** Gives the account up; with `wanted` others find it at once. False: it was not ours any more. */
export async function releaseAccount(table: Table, hold: Hold, wanted: boolean): Promise<boolean> {
  return await asOwner(
    table,
    hold,
    wanted
      ? { update: 'SET ix = :unowned REMOVE #o', values: { ':unowned': finder.unowned } }
      : { update: 'REMOVE #o, ix, ixs', values: {} },
  );
}

/** Makes hosts find an account that nobody owns. */
export async function offerAccount(table: Table, refs: AccountRefs): Promise<void> {
  try {
    await table.update(keys.accountHot(refs.tenantId, refs.accountId), {
      update: 'SET ix = :unowned, ixs = :ref',
      // Clauses: it is there; nobody has claimed it meanwhile.
      condition: 'attribute_exists(pk) AND attribute_not_exists(#o)',
      names: { '#o': 'owner' },
      values: { ':unowned': finder.unowned, ':ref': `${refs.tenantId}#${refs.accountId}` },
    });
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}

/** Outcomes not yet added to the account's totals. */
export interface Totals {
  messages: number;
  errors: number;
}

/** Adds outcomes to the totals and forgets the settled message in hand: both or neither, so that none is counted twice. */
export async function flushTotals(
  table: Table,
  hold: Hold,
  totals: Totals,
  settled: InHand | undefined,
): Promise<boolean> {
  return await asOwner(table, hold, {
    update: `ADD messageCount :m, errorCount :e${settled === undefined ? '' : ' REMOVE inHand'}`,
    values: { ':m': totals.messages, ':e': totals.errors },
  });
}

async function asOwner(
  table: Table,
  hold: Hold,
  change: { update: string; values: Record<string, unknown> },
): Promise<boolean> {
  try {
    await table.update(keys.accountHot(hold.tenantId, hold.accountId), {
      update: change.update,
      // Clauses: we own it; under this very claim.
      condition: '#o = :holder AND epoch = :held',
      names: { '#o': 'owner' },
      values: { ...change.values, ':holder': hold.hostId, ':held': hold.epoch },
    });
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}

export type StatusPatch = Partial<
  Pick<
    Account,
    | 'status'
    | 'statusReason'
    | 'statusSince'
    | 'restrictedUntil'
    | 'phoneNumber'
    | 'linkedAt'
    | 'pacedSince'
    | 'link'
    | 'pairingFor'
    | 'warnings'
  >
>;

/** Writes what the owner knows of the account; a field given as undefined is removed. False: no longer the owner, or the account is gone. */
export async function saveStatus(
  table: Table,
  hold: Hold,
  patch: { [K in keyof StatusPatch]: StatusPatch[K] | undefined },
): Promise<boolean> {
  const fields = Object.entries(patch);
  const sets = fields.filter(([, value]) => value !== undefined);
  const removes = fields.filter(([, value]) => value === undefined);
  const update = [
    sets.length > 0 ? `SET ${sets.map(([name]) => `#${name} = :${name}`).join(', ')}` : '',
    removes.length > 0 ? `REMOVE ${removes.map(([name]) => `#${name}`).join(', ')}` : '',
  ].join(' ');
  try {
    await table.transact([
      {
        update,
        key: keys.account(hold.tenantId, hold.accountId),
        condition: 'attribute_exists(pk)',
        names: Object.fromEntries(fields.map(([name]) => [`#${name}`, name])),
        values: Object.fromEntries(sets.map(([name, value]) => [`:${name}`, value])),
      },
      {
        check: keys.accountHot(hold.tenantId, hold.accountId),
        condition: '#o = :host AND epoch = :epoch',
        names: { '#o': 'owner' },
        values: { ':host': hold.hostId, ':epoch': hold.epoch },
      },
    ]);
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}

/** A host that is gone for good: its accounts become unowned under a new epoch. Answers how many. */
export async function orphanAccounts(table: Table, hostId: string): Promise<number> {
  const owned = await findAccounts(table, finder.ownedBy(hostId));
  for (const { tenantId, accountId } of owned) {
    try {
      await table.update(keys.accountHot(tenantId, accountId), {
        update: 'SET ix = :unowned REMOVE #o ADD epoch :one',
        // Clause: still that host's.
        condition: '#o = :host',
        names: { '#o': 'owner' },
        values: { ':unowned': finder.unowned, ':one': 1, ':host': hostId },
      });
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
    }
  }
  return owned.length;
}

/** Accounts under one value of the index (`unowned`, `host#..`). The index lags: read the account before acting. */
export async function findAccounts(table: Table, ix: string, limit?: number): Promise<AccountRefs[]> {
  const query = { pk: ix, index: finder.index };
  const items =
    limit === undefined
      ? await table.queryAll<{ ixs: string }>(query)
      : (await table.query<{ ixs: string }>({ ...query, limit })).items;
  return items.flatMap(({ ixs }) => {
    const [tenantId, accountId] = ixs.split('#');
    return tenantId === undefined || accountId === undefined ? [] : [{ tenantId, accountId }];
  });
}
