import type { SocketConfig } from '@whiskeysockets/baileys';
import { type BoundedCache, boundedCache } from '../../lib/runtime/bounded-cache.ts';

type DeviceCache = NonNullable<SocketConfig['userDevicesCache']>;
/** Values that Baileys puts in; none is undefined. */
type Value = object | string | number;
type PlainCache = NonNullable<SocketConfig['msgRetryCounterCache']>;

/** The part of the shared caches that belongs to one account. */
export interface AccountCaches {
  devices: DeviceCache;
  retries: PlainCache;
  calls: PlainCache;
  unreadable: UnreadableCounts;
  /** Forgets the devices of these users, so that the next send asks WhatsApp for them. */
  forgetDevices(users: string[]): void;
}

/**
 * Caches shared by all sockets of a host: one bounded map each instead of four timers and maps a socket. Every key carries the
 * account's prefix, because Baileys keys retries by message id alone and two accounts have different devices of their own.
 */
export interface SharedCaches {
  of(account: string): AccountCaches;
}

export interface CacheSizes {
  devices: number;
  retries: number;
  calls: number;
  unreadable: number;
}

const defaultSizes: CacheSizes = { devices: 200_000, retries: 20_000, calls: 1_000, unreadable: 20_000 };
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/**
 * Device lists live for a week: an expired one makes Baileys key the recipient anew with each send. They are refreshed by device
 * notifications and by `forgetDevices` after a 479.
 */
export function sharedCaches(nowMs: () => number, sizes: CacheSizes = defaultSizes): SharedCaches {
  const devices = boundedCache<Value>(sizes.devices, { ttlMs: 7 * dayMs, nowMs });
  const retries = boundedCache<Value>(sizes.retries, { ttlMs: hourMs, nowMs });
  const calls = boundedCache<Value>(sizes.calls, { ttlMs: 300_000, nowMs });
  const unreadable = boundedCache<Value>(sizes.unreadable, { ttlMs: hourMs, nowMs });
  return {
    of(account) {
      const seen = view(devices, account);
      return {
        devices: seen,
        retries: view(retries, account),
        calls: view(calls, account),
        unreadable: new UnreadableCounts(unreadable, account, nowMs),
        forgetDevices: (users) => {
          for (const user of users) seen.del(user);
        },
      };
    },
  };
}

/** The most requests in an hour for messages of one person that cannot be read. A person with a lost session rarely writes more. */
const mostAskedAnHour = 100;
/** A message that has got stuck so often is passed over. The first time may have been a fault of the connection. */
const mostStuck = 2;

/** Counts inbound messages of one account that could not be decrypted, or that got stuck. The counts outlive a connection. */
export class UnreadableCounts {
  private readonly counts: BoundedCache<Value>;
  private readonly account: string;
  private readonly nowMs: () => number;

  constructor(counts: BoundedCache<Value>, account: string, nowMs: () => number) {
    this.counts = counts;
    this.account = account;
    this.nowMs = nowMs;
  }

  /** Counts one more message of this person that could not be read. Returns false when the person's share of the hour is used up. */
  mayAskAgain(person: string): boolean {
    return this.count(`from ${person}`) <= mostAskedAnHour;
  }

  /** Counts one more connection that ended because this message got stuck. */
  gotStuck(id: string): void {
    this.count(`stuck ${id}`);
  }

  /** Returns whether this message has got stuck too often to be tried again. */
  isPassedOver(id: string): boolean {
    return this.countOf(`stuck ${id}`).times >= mostStuck;
  }

  private count(name: string): number {
    const { times, until } = this.countOf(name);
    this.counts.set(this.account + name, { times: times + 1, until });
    return times + 1;
  }

  /** Returns the count of the last hour. The map forgets an hour after the last change, but a count ends an hour after its first one. */
  private countOf(name: string): { times: number; until: number } {
    const held = this.counts.get(this.account + name) as { times: number; until: number } | undefined;
    return held !== undefined && held.until > this.nowMs() ? held : { times: 0, until: this.nowMs() + hourMs };
  }
}

function view(map: BoundedCache<Value>, account: string): DeviceCache {
  const prefixed = (key: string) => `${account}${key}`;
  // The cast is safe: Baileys reads a value as the type that it has put.
  const read = <T>(key: string) => map.get(prefixed(key)) as T | undefined;
  return {
    get: read,
    set: (key, value) => void map.set(prefixed(key), value as Value),
    del: (key) => void map.delete(prefixed(key)),
    // One account must not empty the caches of the others.
    flushAll: () => {
      for (const key of map.keys()) if (key.startsWith(account)) map.delete(key);
    },
    mget: async <T>(keys: string[]) => {
      const found: Record<string, T | undefined> = {};
      for (const key of keys) found[key] = read<T>(key);
      return found;
    },
    mset: (entries) => {
      for (const { key, value } of entries) map.set(prefixed(key), value as Value);
    },
    mdel: (keys) => {
      for (const key of keys) map.delete(prefixed(key));
    },
  };
}
