import { type Account, type AccountHot, type Desired, numberNotes } from '../../domain/accounts/account.ts';
import { initialPace } from '../../domain/accounts/pacing.ts';
import { PacelineError } from '../../domain/errors.ts';
import type { Lane } from '../../domain/messages/message.ts';
import { newestFirst, type Page } from '../client/newest-first.ts';
import { ConditionFailed, type Item, type Table, type Write } from '../client/table.ts';
import { failContracts } from '../contracts/account-contracts.ts';
import { requestFeed } from '../contracts/feed-queue.ts';
import type { Deps } from '../deps.ts';
import { wakeAccount } from '../hosts/wake.ts';
import { finder, keys } from '../keys.ts';
import { auditWrite, type Origin } from '../tenants/audit.ts';
import { createLanes, removeLanes } from './lanes.ts';

/** The hot item with its place in the index `finder`: absent while no host should look at the account. */
export type HotItem = AccountHot & { ix?: string; ixs?: string };

export interface AccountPair {
  account: Account;
  hot: HotItem;
}

const indexValue = (tenantId: string, accountId: string): string => `${tenantId}#${accountId}`;

/** Both items of an account; undefined when there is none or it has been deleted. */
export async function readAccount(table: Table, tenantId: string, id: string): Promise<AccountPair | undefined> {
  const [account, hot] = await table.getMany<Item>([keys.account(tenantId, id), keys.accountHot(tenantId, id)]);
  return toPair(account, hot);
}

/** Accounts by id, `undefined` where there is none. */
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

/** Whether a device of this account stands at WhatsApp. */
export function isLinked(account: Account): boolean {
  return account.linkedAt !== undefined && account.status !== 'logged_out';
}

/** Ids of a tenant's accounts, newest first; `before` is the last one of the page before. */
export async function listAccountIds(
  table: Table,
  tenantId: string,
  page: Page,
): Promise<{ ids: string[]; next?: string }> {
  const idOf = ({ sk }: { sk: string }): string => sk.slice(2);
  const { items, last } = await newestFirst<{ sk: string }>(table, (id) => keys.accountRef(tenantId, id), page);
  const ids = items.map(idOf);
  return last === undefined ? { ids } : { ids, next: idOf(last) };
}

/** Of the connected accounts the one with the lowest priority number; the older one where two have the same. */
export async function primaryOf(table: Table, tenantId: string): Promise<string | undefined> {
  const refs = await table.queryAll<{ sk: string }>({ pk: keys.accountRef(tenantId, '').pk, skPrefix: 'A#' });
  const wanted = refs.map((ref) => keys.account(tenantId, ref.sk.slice(2)));
  const accounts = await table.getMany<Account>(wanted, { eventually: true });
  let primary: Account | undefined;
  for (const account of accounts) {
    if (account?.status !== 'connected' || account.deletedAt !== undefined) continue;
    if (primary === undefined || account.priority < primary.priority) primary = account;
  }
  return primary?.id;
}

/**
 * Lanes first, then all items in one transaction; the lanes go again when it fails. `maxAccounts` null: no limit. Throws QUOTA_EXCEEDED.
 * An account that is there already under this id (a repeat with the same Idempotency-Key) is answered as it is.
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
    ...(account.desired === 'connected' ? { ix: finder.unowned, ixs: indexValue(tenantId, id) } : {}),
  };
  const { name, priority, weight, useLimits, pacing, linkMethod, desired } = account;
  const changes = { name, priority, weight, useLimits, pacing, linkMethod, desired };
  try {
    await deps.table.transact([
      // Clause: the id is new.
      { put: { ...keys.account(tenantId, id), type: 'account', ...full }, condition: 'attribute_not_exists(pk)' },
      { put: { ...keys.accountHot(tenantId, id), type: 'accountHot', ...hot } },
      { put: { ...keys.accountRef(tenantId, id), type: 'accountRef' } },
      {
        update: 'ADD accountCount :one',
        key: keys.tenant(tenantId),
        // Clauses: the tenant is there; the plan has room.
        condition: `attribute_exists(pk)${maxAccounts === null ? '' : ' AND accountCount < :max'}`,
        values: { ':one': 1, ...(maxAccounts === null ? {} : { ':max': maxAccounts }) },
      },
      auditWrite(origin, { action: 'account.created', target: id, changes }, deps.randomBytes),
    ]);
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    const there = error.failed[0] === true ? await readAccount(deps.table, tenantId, id) : undefined;
    if (there !== undefined) return there;
    await removeLanes(deps.sqs, LANE_PREFIX, id);
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

/** Changes what the tenant set and tells the owner. Undefined when the account is gone. */
export async function updateAccount(
  deps: Deps,
  origin: Origin,
  tenantId: string,
  id: string,
  changes: AccountChanges,
): Promise<AccountPair | undefined> {
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  if (given.length > 0) {
    const { phoneNumber: _number, ...told } = changes;
    try {
      await deps.table.transact([
        {
          update: `SET ${given.map(([name]) => `#${name} = :${name}`).join(', ')}`,
          key: keys.account(tenantId, id),
          // Clauses: it is there; it has not been deleted.
          condition: 'attribute_exists(pk) AND attribute_not_exists(deletedAt)',
          names: Object.fromEntries(given.map(([name]) => [`#${name}`, name])),
          values: Object.fromEntries(given.map(([name, value]) => [`:${name}`, value])),
        },
        auditWrite(origin, { action: 'account.updated', target: id, changes: { ...told } }, deps.randomBytes),
      ]);
    } catch (error) {
      if (error instanceof ConditionFailed) return undefined;
      throw error;
    }
    await wakeAccount(deps, tenantId, id);
  }
  return await readAccount(deps.table, tenantId, id);
}

/**
 * Says what the tenant wants of the account; a host makes it so. The index entry makes hosts find it: wanted while it should connect, or
 * has a device to log out; taken back from an account nobody owns that should rest. Throws UNAVAILABLE when it stands but its owner could
 * not be told: doing it again does no harm.
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
    const sets = ['desired = :desired', 'asked = :asked'];
    const values: Item = { ':desired': desired, ':asked': origin.at };
    if (extra.pairingFor !== undefined) {
      sets.push('pairingFor = :number');
      values[':number'] = extra.pairingFor;
    }
    if (rests && desired === 'logged_out') {
      sets.push('#s = :out', 'statusSince = :now');
      Object.assign(values, { ':out': 'logged_out', ':now': origin.at });
    }
    const usesStatus = sets.includes('#s = :out');
    const writes: Write[] = [
      {
        update: `SET ${sets.join(', ')}${rests ? ' REMOVE link, pairingFor' : ''}`,
        key: keys.account(tenantId, id),
        // Clauses: it is there; it has not been deleted.
        condition: 'attribute_exists(pk) AND attribute_not_exists(deletedAt)',
        ...(usesStatus ? { names: { '#s': 'status' } } : {}),
        values,
      },
      indexWrite(tenantId, id, wantsHost, rests),
      auditWrite(origin, { action, target: id }, deps.randomBytes),
    ];
    try {
      await deps.table.transact(writes);
      break;
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      const now = await readAccount(deps.table, tenantId, id);
      if (now === undefined) throw new PacelineError('NOT_FOUND', 'There is no such account.');
      // A host took it between our reading and our writing; now it is the host's to rest.
      hot = now.hot;
    }
  }
  const untold = await wakeAccount(deps, tenantId, id);
  const now = await readAccount(deps.table, tenantId, id);
  if (now === undefined) throw new PacelineError('NOT_FOUND', 'There is no such account.');
  // Its messages need not wait for a host to find out that they wait.
  if (desired !== 'connected' && (now.hot.queuedExpress > 0 || now.hot.queuedBulk > 0)) {
    await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind: 'feed', tenantId, accountId: id });
  }
  // Nothing repeats it: a connection that is well stays as it is until its owner is told.
  if (untold !== undefined) {
    const detail = 'This is noted, but the host that has the account could not be told; send the call again.';
    throw new PacelineError('UNAVAILABLE', detail, untold);
  }
  return now;
}

const desiredActions: Record<Desired, string> = {
  connected: 'account.connect_requested',
  disconnected: 'account.disconnect_requested',
  logged_out: 'account.logout_requested',
};

function indexWrite(tenantId: string, id: string, wantsHost: boolean, rests: boolean): Write {
  const key = keys.accountHot(tenantId, id);
  if (rests) {
    // Clause: still nobody's.
    return {
      update: 'REMOVE ix, ixs',
      key,
      condition: 'attribute_exists(pk) AND attribute_not_exists(#o)',
      names: { '#o': 'owner' },
    };
  }
  if (!wantsHost) return { check: key, condition: 'attribute_exists(pk)' };
  return {
    // An owned account keeps the place its owner gave it.
    update: 'SET ix = if_not_exists(ix, :unowned), ixs = if_not_exists(ixs, :ixs)',
    key,
    condition: 'attribute_exists(pk)',
    values: { ':unowned': finder.unowned, ':ixs': indexValue(tenantId, id) },
  };
}

/**
 * The tenant takes the number of the linked phone for the account's: a host connects it, where that is desired. Throws ILLEGAL_STATE
 * where no number waits for this, or the device is being logged out.
 */
export async function confirmNumber(deps: Deps, origin: Origin, pair: AccountPair): Promise<AccountPair> {
  const { account } = pair;
  const { id, tenantId, desired, linkedNumber } = account;
  if (linkedNumber === undefined || desired === 'logged_out') throw nothingToConfirm();
  const connects = desired === 'connected';
  const sets: Item = {
    phoneNumber: linkedNumber,
    ...numberNotes(account, linkedNumber, origin.at),
    asked: origin.at,
    status: connects ? 'connecting' : 'disconnected',
    statusSince: origin.at,
    // `statusAsked` stays behind `asked`: an owner that writes the old status once more after this connects all the same.
    statusReason: connects ? undefined : 'by_request',
    linkedNumber: undefined,
  };
  const fields = Object.entries(sets).filter(([, value]) => value !== undefined);
  const removed = Object.keys(sets).filter((name) => sets[name] === undefined);
  try {
    await deps.table.transact([
      {
        update: `SET ${fields.map(([name]) => `#${name} = :${name}`).join(', ')} REMOVE ${removed.join(', ')}`,
        key: keys.account(tenantId, id),
        // Clauses: it is there and has not been deleted; this very number waits; the tenant has asked for nothing else since it was read.
        condition:
          'attribute_exists(pk) AND attribute_not_exists(deletedAt) AND linkedNumber = :waiting AND #desired = :desired',
        names: { '#desired': 'desired', ...Object.fromEntries(fields.map(([name]) => [`#${name}`, name])) },
        values: {
          ':waiting': linkedNumber,
          ':desired': desired,
          ...Object.fromEntries(fields.map(([name, value]) => [`:${name}`, value])),
        },
      },
      indexWrite(tenantId, id, connects, false),
      auditWrite(origin, { action: 'account.number_confirmed', target: id }, deps.randomBytes),
    ]);
  } catch (error) {
    if (error instanceof ConditionFailed) throw nothingToConfirm();
    throw error;
  }
  // An owner that cannot be told is about to give the account up, and sees at its release that something was asked.
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
 * From here on the account answers 404. Its unfinished contracts fail with a reason; the device is logged out by a host, then the feed's
 * `remove` takes lanes and items away. The item `deleted` makes the sweep ask for that until it is done. Undefined when there is no such
 * account.
 */
export async function deleteAccount(
  deps: Deps,
  origin: Origin,
  tenantId: string,
  id: string,
): Promise<AccountPair | undefined> {
  const pair = await readAccount(deps.table, tenantId, id);
  if (pair === undefined) return undefined;
  const changes = { name: pair.account.name };
  try {
    await deps.table.transact([
      {
        update: 'SET deletedAt = :now, desired = :out, asked = :now REMOVE link, pairingFor',
        key: keys.account(tenantId, id),
        // Clauses: it is there; nobody else deleted it, so that the tenant's count goes down once.
        condition: 'attribute_exists(pk) AND attribute_not_exists(deletedAt)',
        values: { ':now': origin.at, ':out': 'logged_out' },
      },
      // A host that owned it once may hold keys of it, so one has to look even where no device is linked.
      indexWrite(tenantId, id, pair.account.linkedAt !== undefined || pair.hot.epoch > 0, false),
      { delete: keys.accountRef(tenantId, id) },
      { put: { ...keys.deleted(tenantId, id), type: 'deleted', ix: finder.deleted, ixs: indexValue(tenantId, id) } },
      {
        update: 'ADD accountCount :less',
        key: keys.tenant(tenantId),
        condition: 'attribute_exists(pk)',
        values: { ':less': -1 },
      },
      auditWrite(origin, { action: 'account.deleted', target: id, changes }, deps.randomBytes),
    ]);
  } catch (error) {
    if (error instanceof ConditionFailed && error.failed[0] === true) return undefined;
    throw error;
  }
  await wakeAccount(deps, tenantId, id);
  await failContracts(deps, tenantId, id);
  await requestFeed(deps.sqs, deps.config.FEED_QUEUE_URL, { kind: 'remove', tenantId, accountId: id });
  return pair;
}
