import { randomBytes, randomUUID } from 'node:crypto';
import { createAccount } from '../../lib/aws/accounts/accounts.ts';
import { objectStore } from '../../lib/aws/client/objects.ts';
import { inParallel } from '../../lib/aws/client/table.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { keys } from '../../lib/aws/keys.ts';
import { readHot } from '../../lib/aws/messages/messages.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import { newId } from '../../lib/domain/ids.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { LOCAL_TENANT } from '../../local/bootstrap.ts';
import type { Endpoints } from '../../local/process/environment.ts';
import { destroyLocalClients, localClients } from '../../local/provision/provision.ts';
import { openCache } from '../../socket-host/auth/cache.ts';
import { type AuthStore, openAuthStore } from '../../socket-host/auth/store.ts';
import type { LinkedDevice } from './devices.ts';

export interface LinkedAccount {
  id: string;
  number: string;
}

/** Settings of an account beside its number; default: without limits. */
export type AccountSettings = Partial<Pick<Account, 'useLimits' | 'pacing' | 'linkedAt' | 'pacedSince'>>;

const width = 8;

/** The product's own access to table and buckets, for a benchmark that looks or writes past the API. Call `end` when done. */
export function directDeps(env: Record<string, string>, endpoints: Endpoints): { deps: Deps; end(): void } {
  const config = functionConfig(env);
  const clients = localClients(endpoints);
  const deps = createDeps(config, clients);
  return { deps, end: () => destroyLocalClients(clients) };
}

/**
 * Makes an account for each linked device the way the product does: lanes, items and audit by lib/aws, credentials and keys by the host's
 * auth store. The accounts want to be connected and have no owner yet. Answers them in the order of the devices.
 */
export async function storeAccounts(
  deps: Deps,
  devices: LinkedDevice[],
  settings: (index: number) => AccountSettings,
): Promise<LinkedAccount[]> {
  const made: LinkedAccount[] = [];
  const work = devices.map((device, index) => ({ device, index }));
  await inStores(deps, work, async ({ device, index }, open) => {
    const account = accountOf(device, settings(index));
    // Below that of every owner.
    const store = await open(account.id, 0);
    await store.set({ 'pre-key': device.preKeys });
    await store.saveCreds(device.creds);
    await store.close();
    await createAccount(deps, originOf(account), account, null);
    made[index] = { id: account.id, number: device.number };
  });
  return made;
}

/** Adds keys, by type and id, to accounts whose owner is gone. */
export async function addKeys(
  deps: Deps,
  accounts: LinkedAccount[],
  keysByType: Record<string, Record<string, unknown>>,
): Promise<void> {
  await inStores(deps, accounts, async ({ id }, open) => {
    const hot = await readHot(deps.table, LOCAL_TENANT, id);
    const store = await open(id, hot?.epoch ?? 0);
    await store.set(keysByType);
    await store.commit();
    await store.close();
  });
}

/** Works on auth stores as the host would open them, with a cache of their own. */
async function inStores<T>(
  deps: Deps,
  parts: T[],
  work: (part: T, open: (accountId: string, epoch: number) => Promise<AuthStore>) => Promise<void>,
): Promise<void> {
  const objects = objectStore(deps.s3, deps.config.AUTH_BUCKET);
  const cache = openCache(':memory:');
  const open = (accountId: string, epoch: number): Promise<AuthStore> =>
    openAuthStore({
      objects,
      cache,
      prefix: `${LOCAL_TENANT}/${accountId}/`,
      host: 'benchmark',
      epoch,
      mayWrite: () => true,
      nowMs: () => Date.now(),
      nonce: randomUUID,
      onFenced: () => undefined,
    });
  await inParallel(width, parts, (part) => work(part, open));
  cache.close();
}

function accountOf({ number }: LinkedDevice, settings: AccountSettings): Omit<Account, 'laneUrls'> {
  const now = Date.now();
  return {
    id: newId('acc', now, randomBytes),
    tenantId: LOCAL_TENANT,
    name: number,
    phoneNumber: number,
    priority: 999,
    weight: 1,
    desired: 'connected',
    status: 'disconnected',
    statusSince: now,
    useLimits: false,
    pacing: {},
    linkMethod: 'qr',
    warnings: [],
    createdAt: now,
    linkedAt: now,
    pacedSince: now,
    ...settings,
  };
}

const originOf = ({ tenantId, createdAt }: Pick<Account, 'tenantId' | 'createdAt'>) => ({
  tenantId,
  keyId: 'key_benchmark',
  ip: '127.0.0.1',
  requestId: randomUUID(),
  at: createdAt,
});

/** Messages of a contract that are final or on their way, as the contract's counter of one account says. */
export async function countsOf(deps: Deps, contractId: string, accountId: string): Promise<Record<string, number>> {
  return (await deps.table.get(keys.counter(LOCAL_TENANT, contractId, accountId))) ?? {};
}
