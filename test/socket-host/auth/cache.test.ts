import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cache, openCache } from '../../../socket-host/auth/cache.ts';
import { AuthCacheFull } from '../../../socket-host/auth/errors.ts';
import { type Fixture, fixture, write } from './fixture.ts';

let folder: string;
let file: string;
let cache: Cache;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'auth-cache-'));
  file = join(folder, 'cache.sqlite');
});
afterEach(() => {
  cache.close();
  rmSync(folder, { recursive: true, force: true });
});

const mebibyte = 1024 * 1024;
/** About 1 MB of keys. */
const keysOf = (name: string) =>
  Array.from({ length: 100 }, (_, i) => ({ type: 'session', id: `${name}${i}`, value: Buffer.alloc(10_000, i) }));

describe('the limit of the key cache', () => {
  it('is full above it, and not any more when an account has left', () => {
    cache = openCache(file, { maxBytes: 4 * mebibyte });
    for (const account of ['a', 'b', 'c']) cache.apply(account, keysOf(account));
    expect(cache.full()).toBe(false);
    cache.apply('d', keysOf('d'));
    expect(cache.full()).toBe(true);
    cache.dropAccount('b');
    expect(cache.full()).toBe(false);
  });

  it('fails the one account that does not fit, as a whole, and lets the others go on', () => {
    cache = openCache(file, { maxBytes: 4 * mebibyte });
    for (const account of ['a', 'b', 'c', 'd']) cache.apply(account, keysOf(account));
    expect(() => cache.apply('e', keysOf('e'))).toThrow(AuthCacheFull);
    expect(() => cache.apply('e', keysOf('e'))).toThrow('1.25 times its limit of 4 MiB');
    expect(cache.count('e')).toBe(0);
    expect(cache.get('d', 'session', 'd99')).toEqual(new Uint8Array(10_000).fill(99));
    cache.apply('d', [{ type: 'session', id: 'd99', value: Buffer.from('new') }]);
    expect(statSync(file).size).toBeLessThanOrEqual(5 * mebibyte);
    cache.dropAccount('a');
    cache.apply('e', keysOf('e'));
    expect(cache.count('e')).toBe(100);
  });

  it('is asked for in microseconds', () => {
    cache = openCache(file, { maxBytes: 4 * mebibyte });
    cache.apply('a', keysOf('a'));
    const startedAt = performance.now();
    for (let i = 0; i < 1000; i++) cache.full();
    expect(performance.now() - startedAt).toBeLessThan(500);
  });

  it('does not bind a cache without one', () => {
    cache = openCache(file);
    for (const account of ['a', 'b', 'c', 'd', 'e', 'f']) cache.apply(account, keysOf(account));
    expect(cache.full()).toBe(false);
  });
});

it('a cache that is closed leaves no keys on the disk', () => {
  cache = openCache(file);
  cache.apply('a', keysOf('a'));
  expect(readdirSync(folder)).toEqual(['cache.sqlite']);
  cache.close();
  expect(readdirSync(folder)).toEqual([]);
});

describe('an account whose keys do not fit', () => {
  let f: Fixture;
  beforeEach(() => {
    f = fixture();
    cache = openCache(file, { maxBytes: mebibyte });
  });
  afterEach(() => f.cleanUp());

  it('says so at its commit, which is durable all the same, and goes on when there is room again', async () => {
    const store = await f.open({ cache });
    cache.apply('another account', keysOf('x'));
    const text = 'x'.repeat(400_000);
    await expect(write(store, { session: { a: text } })).rejects.toThrow(AuthCacheFull);
    expect(store.get('session', 'a')).toBe(text);
    cache.dropAccount('another account');
    await write(store, { session: { b: 'later' } });
    expect(f.keys()).toHaveLength(3);
    await store.close();
    const next = await f.open({ epoch: 2 });
    expect(next.get('session', 'a')).toBe(text);
    expect(next.get('session', 'b')).toBe('later');
  });

  it('can be wiped all the same', async () => {
    const store = await f.open({ cache });
    cache.apply('another account', keysOf('x'));
    await expect(write(store, { session: { a: 'x'.repeat(400_000) } })).rejects.toThrow(AuthCacheFull);
    await store.wipe();
    const next = await f.open({ epoch: 2 });
    expect(next.get('session', 'a')).toBeUndefined();
    expect(f.keys('snap')).toHaveLength(1);
  });

  it('is not opened, and leaves nothing behind in the cache', async () => {
    const store = await f.open();
    await write(store, { session: { a: 'x'.repeat(2_000_000) } });
    await store.close();
    await expect(f.open({ epoch: 2, cache })).rejects.toThrow(AuthCacheFull);
    cache.apply('another account', keysOf('x'));
    expect(cache.count('another account')).toBe(100);
  });
});
