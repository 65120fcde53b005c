import { type Account, type AccountHot, type Desired, numberNotes } from '../../domain/accounts/account.ts';
import { initialPace } from '../../domain/accounts/pacing.ts';
import { primaryAmong } from '../../domain/accounts/primary.ts';
import { PacelineError } from '../../domain/errors.ts';
import type { Lane } from '../../domain/messages/message.ts';
import { type ListStep, newestFirst } from '../client/newest-first.ts';
import { added, given, patch, unlessSet } from '../client/patch.ts';
import { absent, type Clauses, type Item, present, type Table, type Write } from '../client/table.ts';
import type { Deps } from '../deps.ts';
import { wakeAccount } from '../hosts/wake.ts';
import { finder, keys, partsOf, places, ranges } from '../keys.ts';
import { auditWrite, type Origin } from '../tenants/audit.ts';
import { requestFeed } from './feed-queue.ts';
import { createLanes, removeLanes } from './lanes.ts';

/** The hot item. `ix` and `ixs` are its place in the index `finder`; they are absent while no host should look at the account. */
export type HotItem = AccountHot & { ix?: string; ixs?: string };

export interface AccountPair {
  account: Account;
  hot: HotItem;
}

/** Clauses of the account's item: it exists and is not deleted. */
const isThere: Clauses = { exists: present, isNotDeleted: 'attribute_not_exists(deletedAt)' };

/** Returns both items of an account; undefined when there is none or it is deleted. */
export async function readAccount(table: Table, tenantId: string, id: string): Promise<AccountPair | undefined> {
  const [account, hot] = await table.getMany<Item>([keys.account(tenantId, id), keys.accountHot(tenantId, id)]);
  return toPair(account, hot);
}

/** Returns accounts in the order of the ids; undefined where there is none. */
export async function readAccounts(
  table: Table,
  tenantId: string,
  ids: string[],
): Promise<(AccountPair | undefined)[]> {
  const wanted = ids.flatMap((id) => [keys.account(tenantId, id), keys.accountHot(tenantId, id)]);
  const items = await table.getMany<Item>(wanted);
  return ids.map((_, index) => toPair(items[2 * index], items[2 * index + 1]));
}

function toPair(account: Item | undefined, hot: Item | undefined): AccountPair | undefined {
  if (account === undefined || hot === undefined || account.deletedAt !== undefined) return undefined;
  return { account: account as unknown as Account, hot: hot as unknown as HotItem };
}

/** Returns whether a device is linked, as far as the account's item shows. */
export function isLinked(account: Account): boolean {
  return account.linkedAt !== undefined && account.status !== 'logged_out';
}

/** Returns a page of a tenant's account ids, newest first. `step.before` is the last id of the previous page. */
export async function listAccountIds(
  table: Table,
  tenantId: string,
  step: ListStep,
): Promise<{ ids: string[]; next?: string }> {
  const { items, last } = await newestFirst<{ sk: string }>(table, (id) => keys.accountRef(tenantId, id), step);
  const ids = items.map((item) => partsOf.accountRef(item).accountId);
  return last === undefined ? { ids } : { ids, next: partsOf.accountRef(last).accountId };
}

/** Returns the tenant's primary account (`primaryAmong`); undefined when there is none. Views need no strong read, a send does. */
export async function primaryOf(
  table: Table,
  tenantId: string,
  { strongly = false }: { strongly?: boolean } = {},
): Promise<Account | undefined> {
  const refs = await table.queryAll<{ sk: string }>(ranges.accountRefs(tenantId));
  const wanted = refs.map((ref) => keys.account(tenantId, partsOf.accountRef(ref).accountId));
  const accounts = await table.getMany<Account>(wanted, { eventually: !strongly });
  return primaryAmong(accounts.flatMap((account) => account ?? []));
}

/**
 * Creates an account: its lanes first, then all items in one transaction. When that is refused, the lanes are removed again. `maxAccounts` null: no
 * limit. Throws QUOTA_EXCEEDED. Returns the existing account when an earlier call with the same Idempotency-Key created it.
 */
export async function createAccount(
  deps: Deps,
  origin: Origin,
  account: Omit<Account, 'laneUrls'>,
  maxAccounts: number | null,
): Promise<AccountPair> {
  const { LANE_PREFIX, LANE_DLQ_ARN } = deps.config;
  const lanes = { lanePrefix: LANE_PREFIX, dlqArn: LANE_DLQ_ARN };
  const laneUrls: Record<Lane, string> = await createLanes(deps.sqs, lanes, account.id);
  const full: Account = { ...account, laneUrls };
  const { tenantId, id } = account;
  const hot: HotItem = {
    tenantId,
    accountId: id,
    epoch: 0,
    pace: initialPace,
    queuedExpress: 0,
    queuedBulk: 0,
    messageCount: 0,
    errorCount: 0,
    ...(account.desired === 'connected' ? { ix: finder.unowned, ixs: places.account.of(tenantId, id) } : {}),
  };
  const { name, priority, weight, useLimits, pacing, linkMethod, desired } = account;
  const changes = { name, priority, weight, useLimits, pacing, linkMethod, desired };
  const refused = await deps.table.tryTransact({
    account: { put: { ...keys.account(tenantId, id), type: 'account', ...full }, condition: { idIsNew: absent } },
    hot: { put: { ...keys.accountHot(tenantId, id), type: 'accountHot', ...hot } },
    ref: { put: { ...keys.accountRef(tenantId, id), type: 'accountRef' } },
    tenant: {
      key: keys.tenant(tenantId),
      ...patch({ accountCount: added(1) }),
      condition: {
        exists: present,
        planHasRoom: maxAccounts === null ? undefined : { is: '#accountCount < :max', values: { ':max': maxAccounts } },
      },
    },
    audit: auditWrite(origin, { action: 'account.created', target: id, changes }, deps.randomBytes),
  });
  if (refused !== undefined) {
    const there = refused.by('account') ? await readAccount(deps.table, tenantId, id) : undefined;
    if (there !== undefined) return there;
    await removeLanes(deps.sqs, LANE_PREFIX, id);
    if (refused.by('tenant', 'exists')) {
      throw new PacelineError('UNAUTHENTICATED', 'The tenant of this key has been deleted.');
    }
    throw new PacelineError(
      'QUOTA_EXCEEDED',
      `The plan allows ${maxAccounts} accounts; delete one or change the plan.`,
    );
  }
  if (account.desired === 'connected') await wakeAccount(deps, tenantId, id);
  return { account: full, hot };
}

export type AccountChanges = Partial<
  Pick<Account, 'name' | 'priority' | 'weight' | 'useLimits' | 'pacing' | 'linkMethod' | 'phoneNumber' | 'optOutReply'>
>;

/** Changes the settings of the tenant and wakes the owner. Returns undefined when the account is gone. */
export async function updateAccount(
  deps: Deps,
  origin: Origin,
  tenantId: string,
  id: string,
  changes: AccountChanges,
): Promise<AccountPair | undefined> {
  const fields = given(changes);
  if (Object.keys(fields).length > 0) {
    const { phoneNumber: _number, ...shown } = changes;
    const refused = await deps.table.tryTransact({
      account: { key: keys.account(tenantId, id), ...patch(fields), condition: isThere },
      audit: auditWrite(origin, { action: 'account.updated', target: id, changes: { ...shown } }, deps.randomBytes),
    });
    if (refused !== undefined) return undefined;
    await wakeAccount(deps, tenantId, id);
  }
  return await readAccount(deps.table, tenantId, id);
}

/**
 * Stores the state that the tenant wants (`desired`); a host carries it out. The index entry makes hosts find the account when it should connect or
 * has a device to log out. The entry is removed when the account should rest and has no owner. Throws NOT_FOUND. Throws UNAVAILABLE when the state is
 * stored but the owner could not be woken; a repeat does no harm.
 */
export async function setDesired(
  deps: Deps,
  origin: Origin,
  pair: AccountPair,
  desired: Desired,
  extra: { pairingFor?: string } = {},
): Promise<AccountPair> {
  const { id, tenantId } = pair.account;
  const action = desiredActions[desired];
  const wantsHost = desired === 'connected' || (desired === 'logged_out' && isLinked(pair.account));
  for (let hot = pair.hot; ; ) {
    const rests = !wantsHost && hot.owner === undefined;
    const refused = await deps.table.tryTransact({
      account: {
        key: keys.account(tenantId, id),
        ...patch({
          desired,
          asked: origin.at,
          ...(rests ? { link: undefined, pairingFor: undefined } : {}),
          ...(extra.pairingFor === undefined ? {} : { pairingFor: extra.pairingFor }),
          ...(rests && desired === 'logged_out' ? { status: 'logged_out', statusSince: origin.at } : {}),
        }),
        condition: isThere,
      },
      hot: indexWrite(tenantId, id, wantsHost, rests),
      audit: auditWrite(origin, { action, target: id }, deps.randomBytes),
    });
    if (refused === undefined) break;
    const now = await readAccount(deps.table, tenantId, id);
    if (now === undefined) throw new PacelineError('NOT_FOUND', 'There is no such account.');
    // A host took the account between read and write; that host will now release it.
    hot = now.hot;
  }
  return await wakeOwner(
    deps,
    tenantId,
    id,
    ({ hot }) =>
      // The feed takes the messages out of the lanes now, instead of when a host finds them.
      desired !== 'connected' && hasQueued(hot),
  );
}

/**
 * Holds all sending of the account, or ends that. The account stays connected. Claims are refused from now on: at most the message in hand is still
 * sent, and answers to opt-outs. Throws NOT_FOUND. Throws UNAVAILABLE when the wish is stored but the owner could not be woken; a repeat does no harm.
 */
export async function setPaused(deps: Deps, origin: Origin, pair: AccountPair, paused: boolean): Promise<AccountPair> {
  const { id, tenantId, pausedAt } = pair.account;
  if ((pausedAt !== undefined) !== paused) {
    const fields = { pausedAt: paused ? origin.at : undefined };
    const refused = await deps.table.tryTransact({
      account: { key: keys.account(tenantId, id), ...patch(fields), condition: isThere },
      hot: { key: keys.accountHot(tenantId, id), ...patch(fields), condition: { exists: present } },
      audit: auditWrite(
        origin,
        { action: paused ? 'account.paused' : 'account.resumed', target: id },
        deps.randomBytes,
      ),
    });
    if (refused !== undefined) throw new PacelineError('NOT_FOUND', 'There is no such account.');
  }
  // The feed takes the messages out of the lanes, or fills the lanes again. One that runs already may still fill them: this one comes after it.
  return await wakeOwner(deps, tenantId, id, () => true);
}

const hasQueued = ({ queuedExpress, queuedBulk }: AccountHot): boolean => queuedExpress > 0 || queuedBulk > 0;

/** Wakes the account's owner after a change, and asks the feed where `asksFeed` says so. Returns the account. Throws as `setDesired` does. */
async function wakeOwner(
  deps: Deps,
  tenantId: string,
  id: string,
  asksFeed: (pair: AccountPair) => boolean,
): Promise<AccountPair> {
  const notWoken = await wakeAccount(deps, tenantId, id);
  const now = await readAccount(deps.table, tenantId, id);
  if (now === undefined) throw new PacelineError('NOT_FOUND', 'There is no such account.');
  if (asksFeed(now)) {
    await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind: 'feed', tenantId, accountId: id });
  }
  // The owner keeps a good connection as it is until it is woken, and nothing else wakes it.
  if (notWoken !== undefined) {
    const detail = 'This is noted, but the host that has the account could not be woken; send the call again.';
    throw new PacelineError('UNAVAILABLE', detail, notWoken);
  }
  return now;
}

const desiredActions: Record<Desired, string> = {
  connected: 'account.connect_requested',
  disconnected: 'account.disconnect_requested',
  logged_out: 'account.logout_requested',
};

/** Returns the write that adds the account to the index where hosts find it, or removes it from there, or only checks that it exists. */
function indexWrite(tenantId: string, id: string, wantsHost: boolean, rests: boolean): Write {
  const key = keys.accountHot(tenantId, id);
  const exists: Clauses = { exists: present };
  if (rests) {
    const isUnowned = { is: 'attribute_not_exists(#owner)', names: { '#owner': 'owner' } };
    return { key, ...patch({ ix: undefined, ixs: undefined }), condition: { ...exists, isUnowned } };
  }
  if (!wantsHost) return { check: key, condition: exists };
  // An owned account keeps its owner's place in the index.
  const offer = { ix: unlessSet(finder.unowned), ixs: unlessSet(places.account.of(tenantId, id)) };
  return { key, ...patch(offer), condition: exists };
}

/**
 * Makes the number of the linked phone the account's number. A host then connects the account, when that is desired. Throws ILLEGAL_STATE when no
 * number waits to be confirmed, or the device is being logged out.
 */
export async function confirmNumber(deps: Deps, origin: Origin, pair: AccountPair): Promise<AccountPair> {
  const { account } = pair;
  const { id, tenantId, desired, linkedNumber } = account;
  if (linkedNumber === undefined || desired === 'logged_out') throw nothingToConfirm();
  const connects = desired === 'connected';
  const refused = await deps.table.tryTransact({
    account: {
      key: keys.account(tenantId, id),
      ...patch({
        phoneNumber: linkedNumber,
        ...numberNotes(account, linkedNumber, origin.at),
        asked: origin.at,
        status: connects ? 'connecting' : 'disconnected',
        statusSince: origin.at,
        // `statusAsked` stays below `asked`, so that the account connects even when an owner writes the old status once more after this.
        statusReason: connects ? undefined : 'by_request',
        linkedNumber: undefined,
      }),
      condition: {
        ...isThere,
        thisNumberWaits: { is: '#linkedNumber = :waiting', values: { ':waiting': linkedNumber } },
        // The tenant has asked for nothing else since the account was read.
        isDesiredAsRead: { is: 'desired = :desired', values: { ':desired': desired } },
      },
    },
    hot: indexWrite(tenantId, id, connects, false),
    audit: auditWrite(origin, { action: 'account.number_confirmed', target: id }, deps.randomBytes),
  });
  if (refused !== undefined) throw nothingToConfirm();
  // No error when the owner cannot be woken: it is about to release the account, and sees then that something was asked.
  await wakeAccount(deps, tenantId, id);
  const now = await readAccount(deps.table, tenantId, id);
  if (now === undefined) throw new PacelineError('NOT_FOUND', 'There is no such account.');
  return now;
}

const nothingToConfirm = () =>
  new PacelineError(
    'ILLEGAL_STATE',
    'No number waits to be confirmed; this is for an account whose statusReason is number_changed.',
  );

/**
 * Marks an account as deleted: calls for it get 404 from now on, and a host logs its device out. The caller must end its contracts and have its items
 * removed, as `deleteAccount` of lib/aws/contracts does. While the item `deleted` exists, the sweep asks for the removal. Returns undefined when
 * there is no such account.
 */
export async function markDeleted(
  deps: Deps,
  origin: Origin,
  tenantId: string,
  id: string,
): Promise<AccountPair | undefined> {
  const pair = await readAccount(deps.table, tenantId, id);
  if (pair === undefined) return undefined;
  const changes = { name: pair.account.name };
  const ended = {
    deletedAt: origin.at,
    desired: 'logged_out',
    asked: origin.at,
    link: undefined,
    pairingFor: undefined,
  };
  const deleted = { type: 'deleted', ix: finder.deleted, ixs: places.account.of(tenantId, id) };
  const refused = await deps.table.tryTransact({
    // When two deletions race, only one lowers the tenant's count.
    account: { key: keys.account(tenantId, id), ...patch(ended), condition: isThere },
    // A host that owned the account may still have its keys. So a host must look at it, even if no device is linked.
    hot: indexWrite(tenantId, id, pair.account.linkedAt !== undefined || pair.hot.epoch > 0, false),
    ref: { delete: keys.accountRef(tenantId, id) },
    deleted: { put: { ...keys.deleted(tenantId, id), ...deleted } },
    tenant: { key: keys.tenant(tenantId), ...patch({ accountCount: added(-1) }), condition: { exists: present } },
    audit: auditWrite(origin, { action: 'account.deleted', target: id, changes }, deps.randomBytes),
  });
  if (refused?.by('account')) return undefined;
  if (refused !== undefined) throw refused;
  await wakeAccount(deps, tenantId, id);
  return pair;
}
