import type { AuthStore } from '../auth/store.ts';
import type { AccountCaches } from './caches.ts';

type DeviceCache = AccountCaches['devices'];

const dayMs = 24 * 3_600_000;
/** A stored list is not used after this time. Memory keeps a list as long again from when it was read, so a list can be in use for 14 days. */
const keptForMs = 7 * dayMs;
const devicesType = 'devices';

/**
 * Returns the caches, with device lists that are also stored with the account's keys. Without stored lists the next owner would ask WhatsApp for each
 * person's devices, and Baileys would then begin a new session with each person.
 */
export function keepDevices(caches: AccountCaches, store: AuthStore, nowMs: () => number): AccountCaches {
  const { devices } = caches;

  const recall = (user: string): unknown => {
    const kept = store.get(devicesType, user);
    if (typeof kept !== 'object' || kept === null || !('list' in kept) || !('at' in kept)) return undefined;
    if (nowMs() - Number(kept.at) > keptForMs) return undefined;
    devices.set(user, kept.list);
    return kept.list;
  };
  const keep = (lists: [user: string, list: unknown][]): void => {
    const at = nowMs();
    const noted = Object.fromEntries(
      lists.map(([user, list]) => [user, list === undefined ? undefined : { at, list }]),
    );
    // A later commit writes them. A host that has lost the account writes nothing.
    store.set({ [devicesType]: noted }).catch(() => undefined);
  };

  const kept: DeviceCache = {
    ...devices,
    // The cast is safe: Baileys reads a value as the type that it has put.
    get: <T>(user: string) => (devices.get<T>(user) ?? recall(user)) as T | undefined,
    set: (user, list) => {
      keep([[user, list]]);
      return devices.set(user, list);
    },
    del: (user) => {
      keep([[user, undefined]]);
      return devices.del(user);
    },
    mget: async <T>(users: string[]) => {
      const found: Record<string, T | undefined> = {};
      for (const user of users) found[user] = (devices.get<T>(user) ?? recall(user)) as T | undefined;
      return found;
    },
    mset: async (entries) => {
      keep(entries.map(({ key, value }) => [key, value]));
      await devices.mset?.(entries);
    },
    mdel: async (users) => {
      keep(users.map((user) => [user, undefined]));
      await devices.mdel?.(users);
    },
  };
  return {
    ...caches,
    devices: kept,
    forgetDevices: (users) => {
      keep(users.map((user) => [user, undefined]));
      caches.forgetDevices(users);
    },
  };
}
