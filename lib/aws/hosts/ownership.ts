import type { Account, AccountHot, InHand } from '../../domain/accounts/account.ts';
import { ConditionFailed, inParallel, type Table, type Write } from '../client/table.ts';
import { finder, keys } from '../keys.ts';
import { inGoodStanding } from './hosts.ts';

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
  const stood = await asOwner(table, hold, { update: 'SET epoch = :next', values: { ':next': hold.epoch + 1 } });
  const now = stood ? undefined : await table.get<AccountHot>(keys.accountHot(hold.tenantId, hold.accountId));
  // A lost answer looks like somebody else's claim, but for the owner's name.
  if (!stood && !(now?.owner === hold.hostId && now.epoch === hold.epoch + 1)) return false;
  hold.epoch += 1;
  return true;
}

/**
 * Gives the account up. `open`: the message in hand has no outcome yet; the mark tells the next owner that nobody died over it. With
 * `wanted` others find it at once; without, it rests, unless the tenant has asked for something since
 * `asked`: whoever asked saw an owner and counted on it. `authHead` is noted (see AccountHot). False: it was not ours any more.
 */
export async function releaseAccount(
  table: Table,
  hold: Hold,
  options: { wanted: boolean; asked: number | undefined; open: boolean; authHead?: number | undefined },
): Promise<boolean> {
  const mark = options.open ? { update: 'SET inHand.released = :yes', values: { ':yes': true } } : undefined;
  // Before the release, and on its own: a claim whose answer was lost may have left nothing in hand to mark.
  if (mark !== undefined) await asOwner(table, hold, { ...mark, andIf: 'attribute_exists(inHand)' });
  const { set, values } = noted(options.authHead);
  const offer = {
    update: `SET ${[...set, 'ix = :unowned'].join(', ')} REMOVE #o`,
    values: { ...values, ':unowned': finder.unowned },
  };
  if (options.wanted) return await asOwner(table, hold, offer);
  const nothingAsked: Write = {
    check: keys.account(hold.tenantId, hold.accountId),
    condition: `attribute_not_exists(pk) OR ${options.asked === undefined ? 'attribute_not_exists(asked)' : 'asked = :asked'}`,
    ...(options.asked === undefined ? {} : { values: { ':asked': options.asked } }),
  };
  try {
    const update = `${set.length > 0 ? `SET ${set.join(', ')} ` : ''}REMOVE #o, ix, ixs`;
    return await asOwner(table, hold, { update, values }, nothingAsked);
  } catch (error) {
    if (error instanceof ConditionFailed) return await asOwner(table, hold, offer);
    throw error;
  }
}

const noted = (authHead: number | undefined): { set: string[]; values: Record<string, number> } =>
  authHead === undefined ? { set: [], values: {} } : { set: ['authHead = :head'], values: { ':head': authHead } };

/** Outcomes not yet added to the account's totals. */
export interface Totals {
  messages: number;
  errors: number;
}

/**
 * Adds outcomes to the totals and forgets the settled message in hand: both or neither, so that none is counted twice. Notes `authHead`
 * (see AccountHot).
 */
export async function flushTotals(
  table: Table,
  hold: Hold,
  totals: Totals,
  settled: InHand | undefined,
  authHead: number | undefined,
): Promise<boolean> {
  const { set, values } = noted(authHead);
  const removal =
    settled === undefined ? undefined : { update: ' REMOVE inHand', values: { ':settled': settled.nonce } };
  const stood = await asOwner(table, hold, {
    update: `${set.map((one) => `SET ${one} `).join('')}ADD messageCount :m, errorCount :e${removal?.update ?? ''}`,
    values: { ...values, ...removal?.values, ':m': totals.messages, ':e': totals.errors },
    // One that arrives late must not take the next message out of hand.
    ...(removal === undefined ? {} : { andIf: 'inHand.nonce = :settled' }),
  });
  if (stood || settled === undefined) return stood;
  const now = await table.get<AccountHot>(keys.accountHot(hold.tenantId, hold.accountId));
  // Still ours: then an earlier try of these very totals stood, and only its answer was lost.
  return now?.owner === hold.hostId && now.epoch === hold.epoch && now.inHand?.nonce !== settled.nonce;
}

/**
 * A change of the hot item by its owner. As a transaction, because that carries a token: the SDK's own repetition after a lost answer does
 * not add twice. Answers false when we are not the owner; throws ConditionFailed when only `check` did not hold.
 */
async function asOwner(
  table: Table,
  hold: Hold,
  change: { update: string; values: Record<string, unknown>; andIf?: string },
  check?: Write,
): Promise<boolean> {
  try {
    await table.transact([
      {
        update: change.update,
        key: keys.accountHot(hold.tenantId, hold.accountId),
        // Clauses: we own it; under this very claim.
        condition: `#o = :holder AND epoch = :held${change.andIf === undefined ? '' : ` AND ${change.andIf}`}`,
        names: { '#o': 'owner' },
        values: { ...change.values, ':holder': hold.hostId, ':held': hold.epoch },
      },
      ...(check === undefined ? [] : [check]),
    ]);
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed && error.failed[0] === true) return false;
    throw error;
  }
}

export type StatusPatch = Partial<
  Pick<
    Account,
    | 'status'
    | 'statusReason'
    | 'statusSince'
    | 'statusAsked'
    | 'restrictedUntil'
    | 'firstContactsHeldUntil'
    | 'replacedAt'
    | 'phoneNumber'
    | 'linkedNumber'
    | 'linkedAt'
    | 'pacedSince'
    | 'pacedFor'
    | 'link'
    | 'pairingFor'
    | 'pairingRefused'
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

/**
 * A host that is gone for good: its accounts become unowned under a new epoch. `orderly`: it ended in good order, so no message in hand is
 * to blame. Answers how many.
 */
export async function orphanAccounts(table: Table, hostId: string, options = { orderly: false }): Promise<number> {
  const owned = await findAccounts(table, finder.ownedBy(hostId));
  await inParallel(8, owned, (refs) => orphanAccount(table, refs, hostId, options));
  return owned.length;
}

/** The same for one account, which that host does not hold (any more). */
export async function orphanAccount(
  table: Table,
  refs: AccountRefs,
  hostId: string,
  { orderly }: { orderly: boolean },
): Promise<void> {
  if (orderly && (await orphan(table, refs, hostId, { released: true }))) return;
  await orphan(table, refs, hostId, { released: false });
}

/** `released` marks the message in hand. False: it has none to mark, or it is not that host's any more. */
async function orphan(
  table: Table,
  { tenantId, accountId }: AccountRefs,
  hostId: string,
  { released }: { released: boolean },
): Promise<boolean> {
  try {
    await table.update(keys.accountHot(tenantId, accountId), {
      update: `SET ix = :unowned${released ? ', inHand.released = :yes' : ''} REMOVE #o ADD epoch :one`,
      // Clauses: still that host's; a mark needs something to stand on.
      condition: `#o = :host${released ? ' AND attribute_exists(inHand)' : ''}`,
      names: { '#o': 'owner' },
      values: { ':unowned': finder.unowned, ':one': 1, ':host': hostId, ...(released ? { ':yes': true } : {}) },
    });
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
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
