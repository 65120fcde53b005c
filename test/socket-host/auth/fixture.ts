import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cache, openCache } from '../../../socket-host/auth/cache.ts';
import { type AuthStore, type AuthStoreOptions, openAuthStore } from '../../../socket-host/auth/store.ts';
import { type MemoryObjects, memoryObjects } from './memory-objects.ts';

export interface Fixture {
  objects: MemoryObjects;
  cache: Cache;
  fenced: string[];
  clock: { nowMs: number };
  lease: { held: boolean };
  open(changes?: Partial<AuthStoreOptions>): Promise<AuthStore>;
  cleanUp(): Promise<void>;
}

export const prefix = 'ten_1/acc_1/';

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
