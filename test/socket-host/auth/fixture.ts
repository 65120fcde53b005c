import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cache, openCache } from '../../../socket-host/auth/cache.ts';
import {
  type AuthStore,
  type AuthStoreOptions,
  type KeyChanges,
  openAuthStore,
} from '../../../socket-host/auth/store.ts';
import { type MemoryObjects, memoryObjects } from './memory-objects.ts';

export interface Fixture {
  objects: MemoryObjects;
  cache: Cache;
  /** Keys of the objects there are, in order, of one kind where given. */
  keys(kind?: 'log' | 'run' | 'snap'): string[];
  fenced: string[];
  clock: { nowMs: number };
  lease: { held: boolean };
  open(changes?: Partial<AuthStoreOptions>): Promise<AuthStore>;
  cleanUp(): Promise<void>;
}

export const prefix = 'ten_1/acc_1/';

const padded = (number: number) => String(number).padStart(12, '0');
export const logKey = (number: number) => `${prefix}log/${padded(number)}`;
export const snapKey = (number: number) => `${prefix}snap/${padded(number)}`;
export const runKey = (from: number, to: number) => `${prefix}run/${padded(from)}-${padded(to)}`;

/** One commit with these changes. */
export async function write(store: AuthStore, data: KeyChanges): Promise<void> {
  await store.set(data);
  await store.commit();
}

/** `count` commits, one after the other. */
export async function writeEach(store: AuthStore, count: number, data: (i: number) => KeyChanges): Promise<void> {
  for (let i = 0; i < count; i++) await write(store, data(i));
}

/** Text that hardly compresses. */
export function randomText(length: number): string {
  return randomBytes(length).toString('base64').slice(0, length);
}

export function fixture(): Fixture {
  const folder = mkdtempSync(join(tmpdir(), 'auth-'));
  const objects = memoryObjects();
  const cache = openCache(join(folder, 'cache.sqlite'));
  const fenced: string[] = [];
  const clock = { nowMs: 1_800_000_000_000 };
  const lease = { held: true };
  const opened: AuthStore[] = [];
  return {
    objects,
    cache,
    keys: (kind = undefined) =>
      [...objects.objects.keys()].filter((key) => kind === undefined || key.includes(`/${kind}/`)).sort(),
    fenced,
    clock,
    lease,
    async open(changes = {}) {
      const store = await openAuthStore({
        objects,
        cache,
        prefix,
        host: 'hst_1',
        epoch: 1,
        mayWrite: () => lease.held,
        nowMs: () => clock.nowMs,
        nonce: randomUUID,
        onFenced: (why) => fenced.push(why),
        ...changes,
      });
      opened.push(store);
      return store;
    },
    async cleanUp() {
      objects.before = async () => {};
      objects.after = async () => {};
      await Promise.all(opened.map((store) => store.close()));
      cache.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
