import { ListBucketsCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Account } from '../../domain/accounts/account.ts';
import { ConditionFailed, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';
import { auditWrite } from '../tenants/audit.ts';
import { listTenants } from '../tenants/tenants.ts';
import { type AccountPair, readAccount } from './accounts.ts';

/** An account by its id alone, whichever tenant it belongs to: one read for every hundred tenants. */
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
 * Keeps hosts away while an account's keys are replaced: it rests (`desired` disconnected), nobody finds it through the index, and its
 * epoch rises, so that a claim begun before fails. Answers the epoch that is now the restore's own; undefined when somebody owns the
 * account or has claimed it since it was read.
 */
export async function reserveAccount(table: Table, pair: AccountPair, nowMs: number): Promise<number | undefined> {
  const { tenantId, id } = pair.account;
  const epoch = pair.hot.epoch + 1;
  try {
    await table.transact([
      {
        update: 'SET epoch = :next REMOVE ix, ixs',
        key: keys.accountHot(tenantId, id),
        // Clauses: nobody owns it; nobody has claimed it since it was read.
        condition: 'attribute_not_exists(#o) AND epoch = :seen',
        names: { '#o': 'owner' },
        values: { ':next': epoch, ':seen': pair.hot.epoch },
      },
      {
        update: 'SET desired = :off, asked = :now REMOVE link, pairingFor',
        key: keys.account(tenantId, id),
        // Clauses: it is there; it has not been deleted.
        condition: 'attribute_exists(pk) AND attribute_not_exists(deletedAt)',
        values: { ':off': 'disconnected', ':now': nowMs },
      },
    ]);
    return epoch;
  } catch (error) {
    if (error instanceof ConditionFailed) return undefined;
    throw error;
  }
}

/** Notes in the tenant's audit log that keys were restored, and ends `failed`: `POST /v1/accounts/:id/connect` does the rest. */
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
  const failed = {
    update: 'SET #s = :rests, statusReason = :why, statusSince = :now',
    key: keys.account(tenantId, id),
    // Clause: still failed. A ban or a restriction is WhatsApp's word and stays.
    condition: '#s = :failed',
    names: { '#s': 'status' },
    values: { ':failed': 'failed', ':rests': 'disconnected', ':why': 'auth_state_restored', ':now': nowMs },
  };
  try {
    await table.transact([failed, audit]);
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
    await table.transact([audit]);
  }
}

/** The name of a stage's auth bucket, `<prefix>-<AWS account>-<region>`; undefined when there is none in the client's region. */
export async function findBucket(s3: S3Client, prefix: string): Promise<string | undefined> {
  const region = await s3.config.region();
  const { Buckets = [] } = await s3.send(new ListBucketsCommand({ Prefix: `${prefix}-` }));
  const name = new RegExp(`^${prefix}-\\d{12}-${region}$`);
  return Buckets.map(({ Name = '' }) => Name).find((one) => name.test(one));
}
