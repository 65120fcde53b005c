import { ListBucketsCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Account } from '../../domain/accounts/account.ts';
import { patch } from '../client/patch.ts';
import { present, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';
import { auditWrite } from '../tenants/audit.ts';
import { listTenants } from '../tenants/tenants.ts';
import { type AccountPair, readAccount } from './accounts.ts';

/** Returns the account with this id, of any tenant; undefined when there is none. One batch read for every 100 tenants. */
export async function findAccount(table: Table, accountId: string): Promise<AccountPair | undefined> {
  let before: string | undefined;
  do {
    const page = await listTenants(table, { limit: 100, ...(before === undefined ? {} : { before }) });
    const found = await table.getMany<Account>(page.items.map(({ id }) => keys.account(id, accountId)));
    const account = found.find((one) => one !== undefined);
    if (account !== undefined) return await readAccount(table, account.tenantId, accountId);
    before = page.next;
  } while (before !== undefined);
  return undefined;
}

/**
 * Keeps hosts away while an account's keys are replaced. `desired` becomes disconnected, the index no longer shows the account, and its epoch rises,
 * so that a claim begun before fails. Returns the epoch of the restore. Returns undefined when a host owns the account or has claimed it since the
 * read, or when the account is deleted.
 */
export async function reserveAccount(table: Table, pair: AccountPair, nowMs: number): Promise<number | undefined> {
  const { tenantId, id } = pair.account;
  const epoch = pair.hot.epoch + 1;
  const refused = await table.tryTransact({
    hot: {
      key: keys.accountHot(tenantId, id),
      ...patch({ epoch, ix: undefined, ixs: undefined }),
      condition: {
        isUnowned: { is: 'attribute_not_exists(#owner)', names: { '#owner': 'owner' } },
        isUnclaimedSince: { is: '#epoch = :read', values: { ':read': pair.hot.epoch } },
      },
    },
    account: {
      key: keys.account(tenantId, id),
      ...patch({ desired: 'disconnected', asked: nowMs, link: undefined, pairingFor: undefined }),
      condition: { exists: present, isNotDeleted: 'attribute_not_exists(deletedAt)' },
    },
  });
  return refused === undefined ? epoch : undefined;
}

/** Writes the restoration of keys to the tenant's audit log, and ends `failed`. The account then connects by `POST /v1/accounts/:id/connect`. */
export async function markRestored(
  table: Table,
  account: Account,
  change: { version: number; at: number; number: number },
  nowMs: number,
  randomBytes: (n: number) => Uint8Array,
): Promise<void> {
  const { tenantId, id } = account;
  const origin = { tenantId, keyId: 'restore-auth', ip: '-', requestId: '-', at: nowMs };
  const audit = auditWrite(origin, { action: 'account.auth_restored', target: id, changes: change }, randomBytes);
  const refused = await table.tryTransact({
    account: {
      key: keys.account(tenantId, id),
      ...patch({ status: 'disconnected', statusReason: 'auth_state_restored', statusSince: nowMs }),
      // A ban or a restriction comes from WhatsApp and stays.
      condition: { isFailed: { is: '#status = :failed', values: { ':failed': 'failed' } } },
    },
    audit,
  });
  if (refused !== undefined) await table.transact({ audit });
}

/** Returns the name of a stage's auth bucket, `<prefix>-<AWS account>-<region>`; undefined when there is none in the client's region. */
export async function findBucket(s3: S3Client, prefix: string): Promise<string | undefined> {
  const region = await s3.config.region();
  const { Buckets = [] } = await s3.send(new ListBucketsCommand({ Prefix: `${prefix}-` }));
  const name = new RegExp(`^${prefix}-\\d{12}-${region}$`);
  return Buckets.map(({ Name = '' }) => Name).find((one) => name.test(one));
}
