import type { Account, AccountHot } from '../../domain/accounts/account.ts';
import type { InHand } from '../../domain/accounts/in-hand.ts';
import { added, patch } from '../client/patch.ts';
import { type Clause, type Clauses, type Item, inParallel, present, type Table, type Write } from '../client/table.ts';
import { finder, keys, places } from '../keys.ts';
import { inGoodStanding } from './hosts.ts';

/** A host's claim on an account. It is valid only while the hot item has the same owner and epoch. */
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

/** Clause of the hot item: the host owns the account under this epoch. */
export const heldBy = (hold: Pick<Hold, 'hostId' | 'epoch'>) =>
  ({
    is: '#owner = :holder AND epoch = :held',
    names: { '#owner': 'owner' },
    values: { ':holder': hold.hostId, ':held': hold.epoch },
    held: (hot: Item | undefined): boolean => hot?.owner === hold.hostId && hot.epoch === hold.epoch,
  }) satisfies Clause;

/**
 * Clause of the hot item: it names in hand what its owner has last heard of. Every write of what is in hand has this clause, so that one without
 * an answer cannot stand any more once the next one does. Several messages get a new nonce with each writing. One that is alone has the nonce of
 * its claim, which can come back when the others leave; so can "nothing in hand". An unanswered claim is therefore also refused by the number of
 * stops (`voidClaims`), and an unanswered flush by what it takes out, which is gone by then.
 */
export const sameInHand = (known: InHand | undefined) =>
  ({
    ...(known === undefined
      ? { is: 'attribute_not_exists(inHand)' }
      : { is: 'inHand.nonce = :known', values: { ':known': known.nonce } }),
    held: (hot: Item | undefined): boolean => (hot as Partial<AccountHot> | undefined)?.inHand?.nonce === known?.nonce,
  }) satisfies Clause;

/**
 * Claims the account under a new epoch, so that every write of the previous owner fails. Returns undefined when another host was faster, or when this
 * host was retired as dead. A host must run only one claim of an account at a time.
 */
export async function claimAccount(table: Table, seen: AccountHot, hostId: string): Promise<AccountHot | undefined> {
  const { tenantId, accountId } = seen;
  const key = keys.accountHot(tenantId, accountId);
  const epoch = seen.epoch + 1;
  const ours = { owner: hostId, epoch, ix: finder.ownedBy(hostId), ixs: places.account.of(tenantId, accountId) };
  await table.tryTransact({
    account: {
      key,
      ...patch(ours),
      condition: {
        exists: present,
        isUnclaimedSince: { is: '#epoch = :read', values: { ':read': seen.epoch } },
      },
    },
    host: { check: keys.host(hostId), condition: inGoodStanding },
  });
  // A refusal proves nothing: a first try whose answer was lost has raised the epoch. The item shows who owns the account.
  const now = await table.get<AccountHot>(key);
  return now?.owner === hostId && now.epoch === epoch ? now : undefined;
}

/**
 * Raises the epoch of the owner after another connection of the same device appeared, also in `hold`. Returns false when the host is no longer the
 * owner.
 */
export async function raiseEpoch(table: Table, hold: Hold): Promise<boolean> {
  const epoch = hold.epoch + 1;
  const write = changeAsOwner(table, hold, { epoch });
  const stood = await write.catch(() => false);
  // After a lost answer the epoch is raised, as after another host's claim, but the owner is still this host.
  const now = stood ? undefined : await table.get<AccountHot>(keys.accountHot(hold.tenantId, hold.accountId));
  if (!stood && !(now?.owner === hold.hostId && now.epoch === epoch)) return await write;
  hold.epoch = epoch;
  return true;
}

/**
 * Gives the account up. `open`: a message in hand has no outcome yet; the mark shows the next owner that no host died over it. With
 * `wanted` other hosts find the account at once. Without, it rests, unless the tenant has asked for something since `asked`: the tenant saw
 * an owner and counted on it. `authHead` is noted (see AccountHot). Returns false when the account was not the host's any more.
 */
export async function releaseAccount(
  table: Table,
  hold: Hold,
  options: { wanted: boolean; asked: number | undefined; open: boolean; authHead?: number | undefined },
): Promise<boolean> {
  // A separate write before the release: after a claim with a lost answer there may be no message in hand to mark.
  if (options.open) {
    await asOwner(table, hold, {
      change: { update: 'SET inHand.released = :yes', values: { ':yes': true } },
      andIf: { hasMessageInHand: 'attribute_exists(inHand)' },
    });
  }
  const noted = options.authHead === undefined ? {} : { authHead: options.authHead };
  const offer = { ...noted, ix: finder.unowned, owner: undefined };
  if (options.wanted) return await changeAsOwner(table, hold, offer);
  const { asked } = options;
  const isNotAskedSince = {
    is: `attribute_not_exists(pk) OR ${asked === undefined ? 'attribute_not_exists(asked)' : 'asked = :asked'}`,
    ...(asked === undefined ? {} : { values: { ':asked': asked } }),
  };
  const refused = await asOwner(table, hold, {
    change: patch({ ...noted, owner: undefined, ix: undefined, ixs: undefined }),
    check: { check: keys.account(hold.tenantId, hold.accountId), condition: { isNotAskedSince } },
  });
  if (refused === undefined) return true;
  return refused.by('account') ? false : await changeAsOwner(table, hold, offer);
}

/** Outcomes not yet added to the account's totals. */
export interface Totals {
  messages: number;
  errors: number;
}

/** `changed`: the account's item names other messages in hand than was thought, and nothing was written. `fenced`: it is another owner's. */
export type FlushResult = { kind: 'flushed' } | { kind: 'changed'; inHand: InHand | undefined } | { kind: 'fenced' };

/**
 * Adds outcomes to the totals and takes their messages out of hand: both or neither, so that none is counted twice. `from`: what the item names
 * in hand, as last heard of; `left`: what stays in hand. Notes `authHead` (see AccountHot).
 */
export async function flushTotals(
  table: Table,
  hold: Hold,
  totals: Totals,
  { from, left }: { from: InHand | undefined; left: InHand | undefined },
  authHead: number | undefined,
): Promise<FlushResult> {
  const refused = await asOwner(table, hold, {
    change: patch({
      ...(authHead === undefined ? {} : { authHead }),
      messageCount: added(totals.messages),
      errorCount: added(totals.errors),
      inHand: left,
    }),
    andIf: { sameInHand: sameInHand(from) },
  });
  if (refused === undefined) return { kind: 'flushed' };
  if (refused.by('account', 'isHeld')) return { kind: 'fenced' };
  return { kind: 'changed', inHand: refused.old<AccountHot>('account')?.inHand };
}

async function changeAsOwner(table: Table, hold: Hold, fields: Item): Promise<boolean> {
  return (await asOwner(table, hold, { change: patch(fields) })) === undefined;
}

/**
 * Changes the hot item as its owner, together with a check of another item. A transaction has a token, so the SDK's retry after a lost answer does
 * not add twice. Returns the refusal: `account` when the host is not the owner or `andIf` does not hold.
 */
async function asOwner(
  table: Table,
  hold: Hold,
  { change, andIf, check }: { change: { update: string; values: Item }; andIf?: Clauses; check?: Write },
) {
  return await table.tryTransact({
    account: {
      key: keys.accountHot(hold.tenantId, hold.accountId),
      ...change,
      condition: { isHeld: heldBy(hold), ...andIf },
    },
    check,
  });
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

/** Writes status fields of the account; an undefined field is removed. Returns false when the host is no longer the owner, or the account is gone. */
export async function saveStatus(
  table: Table,
  hold: Hold,
  fields: { [K in keyof StatusPatch]: StatusPatch[K] | undefined },
): Promise<boolean> {
  const refused = await table.tryTransact({
    account: {
      key: keys.account(hold.tenantId, hold.accountId),
      ...patch(fields),
      condition: { exists: present },
    },
    owner: { check: keys.accountHot(hold.tenantId, hold.accountId), condition: { isHeld: heldBy(hold) } },
  });
  return refused === undefined;
}

/**
 * Makes the accounts of a host that is gone unowned, under new epochs. `orderly`: the host ended normally, so no message in hand caused its end.
 * Returns the number of accounts.
 */
export async function orphanAccounts(table: Table, hostId: string, options = { orderly: false }): Promise<number> {
  const owned = await findAccounts(table, finder.ownedBy(hostId));
  await inParallel(8, owned, (refs) => orphanAccount(table, refs, hostId, options));
  return owned.length;
}

/** Makes an account unowned whose host is gone or does not hold the account any more. */
export async function orphanAccount(
  table: Table,
  refs: AccountRefs,
  hostId: string,
  { orderly }: { orderly: boolean },
): Promise<void> {
  if (orderly && (await orphan(table, refs, hostId, { released: true }))) return;
  await orphan(table, refs, hostId, { released: false });
}

/** `released` marks the message in hand. Returns false when there is none to mark, or the account is not that host's any more. */
async function orphan(
  table: Table,
  { tenantId, accountId }: AccountRefs,
  hostId: string,
  { released }: { released: boolean },
): Promise<boolean> {
  const { refused } = await table.tryUpdate(keys.accountHot(tenantId, accountId), {
    update: `SET ix = :unowned${released ? ', inHand.released = :yes' : ''} REMOVE #owner ADD epoch :one`,
    condition: {
      isThatHosts: { is: '#owner = :host', names: { '#owner': 'owner' }, values: { ':host': hostId } },
      hasMessageToMark: released ? 'attribute_exists(inHand)' : undefined,
    },
    values: { ':unowned': finder.unowned, ':one': 1, ...(released ? { ':yes': true } : {}) },
  });
  return refused === undefined;
}

/** Returns the accounts under one value of the index (`unowned`, `host#..`). The index lags: read the account before acting. */
export async function findAccounts(table: Table, ix: string, limit?: number): Promise<AccountRefs[]> {
  const query = { pk: ix, index: finder.index };
  const items =
    limit === undefined
      ? await table.queryAll<{ ixs: string }>(query)
      : (await table.query<{ ixs: string }>({ ...query, limit })).items;
  return items.flatMap(({ ixs }) => places.account.read(ixs) ?? []);
}
