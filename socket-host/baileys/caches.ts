import type { SocketConfig } from '@whiskeysockets/baileys';

type DeviceCache = NonNullable<SocketConfig['userDevicesCache']>;
type PlainCache = NonNullable<SocketConfig['msgRetryCounterCache']>;

/** What one account sees of the shared caches. */
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
  const devices = new BoundedMap(sizes.devices, 7 * dayMs, nowMs);
  const retries = new BoundedMap(sizes.retries, hourMs, nowMs);
  const calls = new BoundedMap(sizes.calls, 300_000, nowMs);
  const unreadable = new BoundedMap(sizes.unreadable, hourMs, nowMs);
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

/** So many messages of one person that cannot be read are asked for again in an hour. A person with a lost session rarely writes more. */
const mostAskedAnHour = 100;
/** A message that has got stuck so often is passed over. The first time may have been the connection's fault. */
const mostStuck = 2;

/** What one account remembers of messages that could not be read, beyond the end of a connection. */
export class UnreadableCounts {
  private readonly counts: BoundedMap;
  private readonly account: string;
  private readonly nowMs: () => number;

  constructor(counts: BoundedMap, account: string, nowMs: () => number) {
    this.counts = counts;
    this.account = account;
    this.nowMs = nowMs;
  }

  /** Counts one more message of this person that could not be read. False: the person's share of the hour is used up. */
  mayAskAgain(person: string): boolean {
    return this.count(`from ${person}`) <= mostAskedAnHour;
  }

  /** Counts one more connection that ended because this message got stuck. */
  gotStuck(id: string): void {
    this.count(`stuck ${id}`);
  }

  /** Whether this message has got stuck too often to be tried again. */
  isPassedOver(id: string): boolean {
    return this.countOf(`stuck ${id}`).times >= mostStuck;
  }

  private count(name: string): number {
    const { times, until } = this.countOf(name);
    this.counts.set(this.account + name, { times: times + 1, until });
    return times + 1;
  }

  /** The map forgets an hour after the last change; a count ends an hour after its first one. */
  private countOf(name: string): { times: number; until: number } {
    const held = this.counts.get(this.account + name) as { times: number; until: number } | undefined;
    return held !== undefined && held.until > this.nowMs() ? held : { times: 0, until: this.nowMs() + hourMs };
  }
}

function view(map: BoundedMap, account: string): DeviceCache {
  const prefixed = (key: string) => `${account}${key}`;
  // The values are Baileys' own, handed back under the type they were put in with.
  const read = <T>(key: string) => map.get(prefixed(key)) as T | undefined;
  return {
    get: read,
    set: (key, value) => map.set(prefixed(key), value),
    del: (key) => map.delete(prefixed(key)),
    // Nobody may empty the others' share.
    flushAll: () => map.deleteAll(account),
    mget: async <T>(keys: string[]) => {
      const found: Record<string, T | undefined> = {};
      for (const key of keys) found[key] = read<T>(key);
      return found;
    },
    mset: (entries) => {
      for (const { key, value } of entries) map.set(prefixed(key), value);
    },
    mdel: (keys) => {
      for (const key of keys) map.delete(prefixed(key));
    },
  };
}

/** The least recently used entry goes when the map is full; entries end after `lifeMs`. */
class BoundedMap {
  private readonly entries = new Map<string, { value: unknown; endsAt: number }>();
  private readonly size: number;
  private readonly lifeMs: number;
  private readonly nowMs: () => number;

  constructor(size: number, lifeMs: number, nowMs: () => number) {
    this.size = size;
    this.lifeMs = lifeMs;
    this.nowMs = nowMs;
  }

  get(key: string): unknown {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    if (entry.endsAt <= this.nowMs()) return undefined;
    this.entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: unknown): void {
    this.entries.delete(key);
    this.entries.set(key, { value, endsAt: this.nowMs() + this.lifeMs });
    if (this.entries.size <= this.size) return;
    for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest);
      break;
    }
  }

  delete(key: string): void {
    this.entries.delete(key);
  }

  deleteAll(prefix: string): void {
    for (const key of this.entries.keys()) if (key.startsWith(prefix)) this.entries.delete(key);
  }
}
