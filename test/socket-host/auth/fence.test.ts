import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuthCorrupt, AuthFenced } from '../../../socket-host/auth/errors.ts';
import { wipeUnopened } from '../../../socket-host/auth/wipe.ts';
import { type Fixture, fixture, logKey, prefix, randomText, snapKey, write, writeEach } from './fixture.ts';

let f: Fixture;
beforeEach(() => {
  f = fixture();
});
afterEach(() => f.cleanUp());

describe('barriers', () => {
  it('lets one owner win each number when twenty race', async () => {
    const stores = await Promise.all(Array.from({ length: 20 }, (_, i) => f.open({ host: `hst_${i}` })));
    expect([...f.objects.objects.keys()].sort()).toEqual(Array.from({ length: 20 }, (_, i) => logKey(i + 1)));
    const outcomes = await Promise.allSettled(
      stores.map(async (store) => {
        await store.set({ session: { a: 1 } });
        await store.commit();
      }),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(f.fenced).toHaveLength(19);
  });

  it('lets the highest epoch end as the only one that can write', async () => {
    const opened = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => f.open({ epoch: i + 1 })));
    const outcomes = await Promise.allSettled(
      opened.map(async (result, i) => {
        if (result.status === 'rejected') throw result.reason;
        await result.value.set({ session: { winner: i + 1 } });
        await result.value.commit();
      }),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([...Array(19).fill('rejected'), 'fulfilled']);
    for (const result of opened) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(AuthFenced);
    const next = await f.open({ epoch: 21 });
    expect(next.get('session', 'winner')).toBe(20);
  });

  it('applies a segment that arrives while it is being put', async () => {
    const old = await f.open();
    await old.set({ session: { a: 1 } });
    let late = true;
    f.objects.before = async (key) => {
      if (key !== logKey(2) || !late) return;
      late = false;
      await old.commit();
    };
    const next = await f.open({ epoch: 2 });
    expect(next.get('session', 'a')).toBe(1);
    expect(f.objects.creates).toEqual([logKey(1), logKey(2), logKey(2), logKey(3)]);
  });

  it('refuses an owner whose epoch is behind', async () => {
    await f.open({ epoch: 7 });
    await expect(f.open({ epoch: 6 })).rejects.toThrow(AuthFenced);
  });
});

describe('a stale owner', () => {
  it('is fenced by its next commit, told once, and never writes again', async () => {
    const stale = await f.open();
    await f.open({ epoch: 2, host: 'hst_2' });
    await stale.set({ session: { a: 1 } });
    await expect(stale.commit()).rejects.toThrow('hst_2 of epoch 2 has written segment 2');
    expect(f.fenced).toEqual(['hst_2 of epoch 2 has written segment 2']);
    const creates = f.objects.creates.length;
    await expect(stale.commit()).rejects.toThrow(AuthFenced);
    await expect(stale.set({ session: { a: 2 } })).rejects.toThrow(AuthFenced);
    await expect(stale.barrier()).rejects.toThrow(AuthFenced);
    await expect(stale.wipe()).rejects.toThrow(AuthFenced);
    expect(f.objects.creates).toHaveLength(creates);
    expect(f.fenced).toHaveLength(1);
  });

  it('finds out by a barrier before it connects again', async () => {
    const stale = await f.open();
    await stale.barrier();
    expect(f.objects.creates).toEqual([logKey(1), logKey(2)]);
    await f.open({ epoch: 2 });
    await expect(stale.barrier()).rejects.toThrow(AuthFenced);
  });

  it('writes nothing once its lease is over', async () => {
    const store = await f.open();
    await store.set({ session: { a: 1 } });
    f.lease.held = false;
    await expect(store.commit()).rejects.toThrow(AuthFenced);
    expect(f.objects.creates).toEqual([logKey(1)]);
    expect(f.fenced).toHaveLength(1);
    await expect(f.open({ epoch: 2 })).rejects.toThrow(AuthFenced);
  });
});

describe('damage', () => {
  async function threeSegments() {
    const store = await f.open();
    for (const value of [1, 2, 3]) {
      await store.set({ session: { a: value } });
      await store.commit();
    }
    await store.close();
  }

  it('names the object of which a bit has changed, and loads nothing', async () => {
    await threeSegments();
    for (const at of [0, 10, 60, -1]) {
      const bytes = Uint8Array.from(f.objects.objects.get(logKey(3)) ?? []);
      bytes.set([(bytes.at(at) ?? 0) ^ 1], at < 0 ? bytes.length + at : at);
      const intact = f.objects.objects.get(logKey(3)) ?? new Uint8Array();
      f.objects.objects.set(logKey(3), bytes);
      await expect(f.open({ epoch: 2 })).rejects.toThrow('ten_1/acc_1/log/000000000003');
      f.objects.objects.set(logKey(3), intact);
    }
    expect(f.objects.objects.has(logKey(5))).toBe(false);
  });

  it('names the object that is cut short', async () => {
    await threeSegments();
    f.objects.objects.set(logKey(2), (f.objects.objects.get(logKey(2)) ?? new Uint8Array()).subarray(0, 30));
    await expect(f.open({ epoch: 2 })).rejects.toThrow('ten_1/acc_1/log/000000000002 is not an auth object');
  });

  it('names the segment that is missing', async () => {
    await threeSegments();
    f.objects.objects.delete(logKey(3));
    await expect(f.open({ epoch: 2 })).rejects.toThrow('ten_1/acc_1/log/000000000003 is missing');
  });

  it('notices a segment that stands under the number of another', async () => {
    await threeSegments();
    f.objects.objects.set(logKey(2), f.objects.objects.get(logKey(3)) ?? new Uint8Array());
    await expect(f.open({ epoch: 2 })).rejects.toThrow(
      'ten_1/acc_1/log/000000000002 was written as ten_1/acc_1/log/000000000003',
    );
  });

  it('notices a segment or a snapshot of another account', async () => {
    await threeSegments();
    const other = await f.open({ prefix: 'ten_1/acc_2/' });
    await writeEach(other, 15, () => ({ session: { a: randomText(9_000) } }));
    await other.close();
    for (const object of ['log/000000000002', 'snap/000000000016']) {
      const before = f.objects.objects.get(`ten_1/acc_1/${object}`);
      f.objects.objects.set(
        `ten_1/acc_1/${object}`,
        f.objects.objects.get(`ten_1/acc_2/${object}`) ?? new Uint8Array(),
      );
      await expect(f.open({ epoch: 2 })).rejects.toThrow(`${object} was written as ten_1/acc_2/${object}`);
      if (before !== undefined) f.objects.objects.set(`ten_1/acc_1/${object}`, before);
    }
  });

  it('falls back to an older snapshot only while every segment since still stands', async () => {
    const store = await f.open();
    await writeEach(store, 40, (i) => ({ session: { [`big${i}`]: randomText(9_000) } }));
    await store.close();
    expect(f.keys('snap')).toEqual([snapKey(16), snapKey(32)]);
    f.objects.objects.set(snapKey(32), new Uint8Array(100));
    const segment = f.objects.objects.get(logKey(17)) ?? new Uint8Array();
    f.objects.objects.delete(logKey(17));
    await expect(f.open({ epoch: 2 })).rejects.toThrow(AuthCorrupt);
    await expect(f.open({ epoch: 2 })).rejects.toThrow('snap/000000000032 is not an auth object');
    f.objects.objects.set(logKey(17), segment);
    const recovered = await f.open({ epoch: 2 });
    expect(recovered.get('session', 'big16')).toHaveLength(9_000);
    expect(recovered.get('session', 'big39')).toHaveLength(9_000);
  });

  it('does not take the state before a damaged snapshot for the newest when the segments are gone', async () => {
    const store = await f.open();
    await writeEach(store, 31, (i) => ({ session: { [`big${i}`]: randomText(9_000) } }));
    await store.close();
    expect(f.keys('snap')).toEqual([snapKey(16), snapKey(32)]);
    f.objects.objects.set(snapKey(32), new Uint8Array(100));
    for (let number = 17; number <= 32; number++) f.objects.objects.delete(logKey(number));
    await expect(f.open({ epoch: 2 })).rejects.toThrow('snap/000000000032 is not an auth object');
  });
});

describe('snapshots', () => {
  it('restores the same keys from a snapshot and the log as from the log alone', async () => {
    const store = await f.open();
    for (let i = 0; i < 30; i++) {
      await store.set({
        session: { [`r${i}`]: randomText(9_000), same: i },
        'lid-mapping': { [`n${i}`]: i % 3 ? `l${i}` : null },
      });
      await store.commit();
    }
    await store.close();
    const snapshots = [...f.objects.objects.keys()].filter((key) => key.includes('/snap/'));
    expect(snapshots.length).toBeGreaterThan(0);
    const withSnapshot = await f.open({ epoch: 2 });
    const fromSnapshot = dump(withSnapshot);
    await withSnapshot.close();
    for (const key of snapshots) f.objects.objects.delete(key);
    const fromLog = dump(await f.open({ epoch: 3 }));
    expect(fromSnapshot).toEqual(fromLog);
    expect(fromLog.same).toBe(29);
    expect(fromLog.n1).toBe('l1');
    expect(fromLog.n3).toBeUndefined();

    function dump(from: typeof store): Record<string, unknown> {
      const keys = Array.from({ length: 30 }, (_, i) => i);
      return Object.fromEntries([
        ['same', from.get('session', 'same')],
        ...keys.map((i) => [`r${i}`, from.get('session', `r${i}`)]),
        ...keys.map((i) => [`n${i}`, from.get('lid-mapping', `n${i}`)]),
      ]);
    }
  });

  it('removes what is covered only when a second snapshot stands and the first is a day old', async () => {
    const store = await f.open();
    const grow = (name: string, count: number) =>
      writeEach(store, count, (i) => ({ session: { [`${name}${i}`]: randomText(9_000) } }));
    const stand = (snapshots: number[], firstSegment: number) =>
      vi.waitFor(() => {
        expect(f.keys('snap')).toEqual(snapshots.map(snapKey));
        expect(f.keys('log')[0]).toBe(logKey(firstSegment));
      }, 5_000);
    await grow('a', 15);
    await stand([16], 1);
    f.clock.nowMs += 25 * 3_600_000;
    await grow('b', 16);
    await stand([16, 32], 17);
    await grow('c', 16);
    await stand([16, 32, 48], 17);
    await store.close();
    const next = await f.open({ epoch: 2 });
    const last = ['a14', 'b15', 'c15'].map((name) => String(next.get('session', name)).length);
    expect(last).toEqual([9_000, 9_000, 9_000]);
  });
});

describe('wipe', () => {
  it('forgets the account, removes its keys from S3 and keeps the numbering', async () => {
    const store = await f.open();
    store.saveCreds({ me: {}, account: {} });
    await store.set({ session: { a: 1 } });
    await store.commit();
    await store.wipe();
    expect(store.creds()).toBeUndefined();
    expect(store.get('session', 'a')).toBeUndefined();
    expect(store.registered()).toBe(false);
    expect([...f.objects.objects.keys()].sort()).toEqual([logKey(3), snapKey(3)]);
    const next = await f.open({ epoch: 2 });
    expect(next.creds()).toBeUndefined();
    await write(next, { session: { b: 2 } });
    expect(next.get('session', 'b')).toBe(2);
    expect([...f.objects.objects.keys()].sort()).toEqual([logKey(3), logKey(4), logKey(5), snapKey(3)]);
  });

  it('keeps out what the session that has ended still says, while it wipes and after', async () => {
    const store = await f.open();
    await store.saveCreds({ me: {}, account: {} });
    const late = () => store.saveCreds({ me: {}, account: {} }).catch(() => undefined);
    f.objects.before = async (key) => {
      if (key === logKey(3)) void late();
    };
    await store.wipe();
    await late();
    await store.set({ 'device-list': { a: ['0'] } }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(f.keys()).toEqual([logKey(3), snapKey(3)]);
    expect(f.fenced).toEqual([]);
    expect((await f.open({ epoch: 2 })).registered()).toBe(false);
  });

  it('can be tried again', async () => {
    const store = await f.open();
    await store.saveCreds({ me: {}, account: {} });
    f.objects.before = async (key) => {
      if (key.includes('/log/')) throw new Error('connection reset');
    };
    await expect(store.wipe()).rejects.toThrow('connection reset');
    expect(store.registered()).toBe(true);
    f.objects.before = async () => {};
    await store.wipe();
    expect(f.keys()).toEqual([logKey(3), snapKey(3)]);
  });

  it('leaves an account that opens although what was wiped is damaged and its snapshot never came to be', async () => {
    const store = await f.open();
    await writeEach(store, 3, (i) => ({ session: { a: i } }));
    f.objects.remove = async () => {
      throw new Error('the process ends here');
    };
    await expect(store.wipe()).rejects.toThrow('the process ends here');
    f.objects.objects.delete(snapKey(5));
    f.objects.objects.set(logKey(2), new Uint8Array(100));
    f.objects.objects.delete(logKey(3));
    const next = await f.open({ epoch: 2 });
    expect(next.get('session', 'a')).toBeUndefined();
  });

  it('is complete even when the process ends before the objects are removed', async () => {
    const store = await f.open();
    await store.set({ session: { a: 1 } });
    await store.commit();
    f.objects.before = async (key) => {
      if (key.includes('/snap/')) throw new Error('the process ends here');
    };
    await expect(store.wipe()).rejects.toThrow('the process ends here');
    f.objects.before = async () => {};
    const next = await f.open({ epoch: 2 });
    expect(next.get('session', 'a')).toBeUndefined();
  });
});

describe('wiping an account that cannot be opened', () => {
  const wipe = (epoch: number) =>
    wipeUnopened({
      objects: f.objects,
      prefix,
      host: 'hst_2',
      epoch,
      mayWrite: () => f.lease.held,
      nowMs: () => f.clock.nowMs,
      nonce: randomUUID,
    });

  async function damagedAccount() {
    const store = await f.open();
    await writeEach(store, 3, (i) => ({ session: { a: i } }));
    f.objects.objects.set(logKey(3), new Uint8Array(100));
    return store;
  }

  it('removes everything, goes on with the numbers and stops who still writes', async () => {
    const stale = await damagedAccount();
    await expect(f.open({ epoch: 2 })).rejects.toThrow(AuthCorrupt);
    await wipe(2);
    expect(f.keys()).toEqual([logKey(5), snapKey(5)]);
    await stale.set({ session: { a: 'stale' } });
    await expect(stale.commit()).rejects.toThrow('hst_2 of epoch 2 has written segment 5');
    const next = await f.open({ epoch: 3 });
    expect(next.registered()).toBe(false);
    expect(next.get('session', 'a')).toBeUndefined();
  });

  it('passes a segment that an earlier owner has just written, damaged or not', async () => {
    const stale = await damagedAccount();
    let late = true;
    f.objects.before = async (key) => {
      if (key !== logKey(5) || !late) return;
      late = false;
      await stale.set({ session: { a: 'late' } });
      await stale.commit();
    };
    await wipe(2);
    expect(f.keys()).toEqual([logKey(6), snapKey(6)]);
  });

  it('is refused to an owner who has been replaced or whose lease is over', async () => {
    await damagedAccount();
    await expect(wipe(0)).rejects.toThrow(AuthFenced);
    f.lease.held = false;
    await expect(wipe(2)).rejects.toThrow(AuthFenced);
    expect(f.keys()).toEqual([logKey(1), logKey(2), logKey(3), logKey(4)]);
  });
});
