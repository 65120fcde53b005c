import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MergeWindow } from '../../../socket-host/auth/merge-window.ts';
import type { AuthStore } from '../../../socket-host/auth/store.ts';
import { type Fixture, fixture, logKey, randomText, runKey, snapKey, write, writeEach } from './fixture.ts';

let f: Fixture;
beforeEach(() => {
  f = fixture();
});
afterEach(() => f.cleanUp());

/** Small commits, so that no snapshot gets in the way: `same` is i, `r` stays, two of three `n` are deleted again by the next commit. */
const mixed = (i: number) => ({
  session: {
    same: i,
    [`r${i}`]: `value ${i}`,
    [`n${i}`]: `short ${i}`,
    ...(i % 3 === 0 ? {} : { [`n${i - 1}`]: null }),
  },
});

function state(store: AuthStore, count: number): Record<string, unknown> {
  const names = Array.from({ length: count }, (_, i) => [`r${i}`, `n${i}`]).flat();
  return Object.fromEntries(['same', ...names].map((name) => [name, store.get('session', name)]));
}

const damaged = new Uint8Array(100);

describe('runs', () => {
  it('hold what 64 segments came to, and are read in their place', async () => {
    const store = await f.open();
    await writeEach(store, 150, mixed);
    const live = state(store, 150);
    await store.close();
    expect(f.keys('run')).toEqual([runKey(1, 64), runKey(65, 128)]);
    expect(f.keys('snap')).toEqual([]);
    expect(f.keys('log')).toHaveLength(151);

    f.objects.gets = [];
    const fromRuns = await f.open({ epoch: 2 });
    expect(f.objects.gets).toHaveLength(2 + 23);
    expect(f.objects.gets.slice(0, 3)).toEqual([runKey(1, 64), runKey(65, 128), logKey(129)]);
    expect(state(fromRuns, 150)).toEqual(live);
    await fromRuns.close();

    for (const key of f.keys('run')) f.objects.objects.delete(key);
    expect(state(await f.open({ epoch: 3 }), 150)).toEqual(live);
    expect(live.same).toBe(149);
    expect(live.r0).toBe('value 0');
    expect([live.n1, live.n2]).toEqual([undefined, 'short 2']);
  });

  it('go on where the last owner left off', async () => {
    const first = await f.open();
    await writeEach(first, 40, mixed);
    await first.close();
    const second = await f.open({ epoch: 2 });
    await writeEach(second, 22, (i) => mixed(40 + i));
    await second.close();
    expect(f.keys('run')).toEqual([runKey(1, 64)]);
    const third = await f.open({ epoch: 3 });
    await third.close();
    for (let number = 1; number <= 64; number++) f.objects.objects.delete(logKey(number));
    expect(state(await f.open({ epoch: 4 }), 62)).toEqual(expect.objectContaining({ same: 61, r0: 'value 0' }));
  });

  it('are written by the next owner when this one could not', async () => {
    const store = await f.open();
    f.objects.before = async (key) => {
      if (key.includes('/run/')) throw new Error('connection reset');
    };
    await writeEach(store, 70, mixed);
    await store.close();
    expect(f.keys('run')).toEqual([]);
    f.objects.before = async () => {};
    const next = await f.open({ epoch: 2 });
    await next.close();
    expect(f.keys('run')).toEqual([runKey(1, 72)]);
    expect(state(await f.open({ epoch: 3 }), 70).same).toBe(69);
  });

  it('are written while a snapshot is under way', async () => {
    const gate = Promise.withResolvers<void>();
    f.objects.before = (key) => (key.includes('/snap/') ? gate.promise : Promise.resolve());
    const store = await f.open();
    await writeEach(store, 15, () => ({ session: { big: randomText(12_000) } }));
    await writeEach(store, 64, mixed);
    await vi.waitFor(() => expect(f.keys('run')).toEqual([runKey(17, 80)]), 5_000);
    gate.resolve();
    await store.close();
    expect(f.keys('snap')).toEqual([snapKey(16)]);
    expect(state(await f.open({ epoch: 2 }), 64).same).toBe(63);
  });

  it('begin anew with a snapshot and go when what they cover goes', async () => {
    const store = await f.open();
    const grow = async () => {
      await writeEach(store, 70, mixed);
      await writeEach(store, 10, (i) => ({ session: { [`big${i}`]: randomText(12_000) } }));
    };
    await grow();
    await vi.waitFor(() => expect(f.keys('snap')).toHaveLength(1), 5_000);
    expect(f.keys('run')).toEqual([runKey(1, 64)]);
    const covered = Number(f.keys('snap')[0]?.slice(-12));
    f.clock.nowMs += 25 * 3_600_000;
    await grow();
    await vi.waitFor(() => {
      expect(f.keys('snap')).toHaveLength(2);
      expect(f.keys('run')).toEqual([runKey(covered + 1, covered + 64)]);
      expect(f.keys('log')[0]).toBe(logKey(covered + 1));
    }, 5_000);
  });

  it('open 20,000 keys and 300 segments behind them in 50 reads', async () => {
    const store = await f.open();
    const sessions: Record<string, unknown> = {};
    for (let i = 0; i < 20_000; i++) sessions[`${4915100000000 + i}_1.0`] = { version: 'v1', chain: randomText(120) };
    await write(store, { session: sessions });
    await writeEach(store, 314, (i) => ({
      session: { [`${4915100000000 + (i % 90)}_1.0`]: { version: 'v1', chain: randomText(1_000), i } },
    }));
    await store.close();
    expect(f.keys('snap')).toEqual([snapKey(16)]);
    expect(f.keys('run')).toEqual([runKey(17, 80), runKey(81, 144), runKey(145, 208), runKey(209, 272)]);

    f.objects.gets = [];
    const next = await f.open({ epoch: 2 });
    expect(f.objects.gets.length).toBeLessThanOrEqual(50);
    expect(next.get('session', '4915100019999_1.0')).toEqual(sessions['4915100019999_1.0']);
    expect(next.get('session', '4915100000043_1.0')).toEqual(expect.objectContaining({ i: 313 }));
    await next.close();
  });
});

describe('a run that cannot be used', () => {
  async function twoRuns(): Promise<Record<string, unknown>> {
    const store = await f.open();
    await writeEach(store, 150, mixed);
    await store.close();
    return state(await f.open({ epoch: 2 }), 150);
  }

  it('is replaced by its segments', async () => {
    const live = await twoRuns();
    f.objects.objects.set(runKey(1, 64), damaged);
    expect(state(await f.open({ epoch: 3 }), 150)).toEqual(live);
    f.objects.objects.set(runKey(65, 128), f.objects.objects.get(runKey(1, 64)) ?? damaged);
    expect(state(await f.open({ epoch: 4 }), 150)).toEqual(live);
  });

  it('is no loss for the segments under an intact one', async () => {
    const live = await twoRuns();
    f.objects.objects.delete(logKey(30));
    f.objects.objects.set(logKey(31), damaged);
    expect(state(await f.open({ epoch: 3 }), 150)).toEqual(live);
  });

  it('is never filled up with a guess: the missing segment under it is named', async () => {
    await twoRuns();
    f.objects.objects.set(runKey(65, 128), damaged);
    f.objects.objects.delete(logKey(100));
    await expect(f.open({ epoch: 3 })).rejects.toThrow('ten_1/acc_1/log/000000000100 is missing');
  });

  it('is not a run of other numbers or of another account', async () => {
    await twoRuns();
    f.objects.objects.set(runKey(1, 128), f.objects.objects.get(runKey(65, 128)) ?? damaged);
    const next = await f.open({ epoch: 3 });
    expect(next.get('session', 'r0')).toBe('value 0');
    expect(next.get('session', 'same')).toBe(149);
  });

  it('tells that its segments were written, when they are gone', async () => {
    await twoRuns();
    f.objects.objects.set(runKey(65, 128), damaged);
    for (let number = 90; number <= 152; number++) f.objects.objects.delete(logKey(number));
    await expect(f.open({ epoch: 3 })).rejects.toThrow('ten_1/acc_1/log/000000000090 is missing');
  });
});

describe('a stale owner and its runs', () => {
  /** An owner whose run is held back until `release`, with 64 segments written. */
  async function heldBack() {
    const gate = Promise.withResolvers<void>();
    f.objects.before = (key) => (key === runKey(1, 64) ? gate.promise : Promise.resolve());
    const stale = await f.open();
    await writeEach(stale, 63, mixed);
    return {
      stale,
      async release() {
        gate.resolve();
        await vi.waitFor(() => expect(f.keys('run')).toContain(runKey(1, 64)), 5_000);
      },
    };
  }

  it('writes what the log says, and hides nothing that a later owner has written', async () => {
    const { stale, release } = await heldBack();
    const next = await f.open({ epoch: 2 });
    await writeEach(next, 80, (i) => ({ session: { same: `new ${i}`, r0: null, [`n${i}`]: `new ${i}` } }));
    await expect(write(stale, { session: { same: 'stale' } })).rejects.toThrow('has written segment 65');
    const live = state(next, 80);
    await release();
    await vi.waitFor(() => expect(f.keys('run')).toEqual([runKey(1, 64), runKey(1, 65), runKey(66, 129)]), 5_000);
    const third = await f.open({ epoch: 3 });
    expect(state(third, 80)).toEqual(live);
    expect(live.same).toBe('new 79');
    expect(live.r0).toBeUndefined();
  });

  it('brings nothing back that was wiped meanwhile', async () => {
    const { release } = await heldBack();
    const next = await f.open({ epoch: 2 });
    await next.wipe();
    await release();
    expect(f.keys()).toEqual([logKey(66), runKey(1, 64), snapKey(66)]);
    f.objects.objects.delete(snapKey(66));
    const third = await f.open({ epoch: 3 });
    expect(third.get('session', 'same')).toBeUndefined();
    expect(third.get('session', 'r5')).toBeUndefined();
  });

  it('leaves the window of a wiped account empty', async () => {
    const store = await f.open();
    await writeEach(store, 50, mixed);
    await store.wipe();
    const linkedAnew = await f.open();
    await writeEach(linkedAnew, 64, (i) => ({ session: { [`later${i}`]: i } }));
    await linkedAnew.close();
    expect(f.keys('run')).toEqual([runKey(53, 116)]);
    const next = await f.open({ epoch: 2 });
    expect(next.get('session', 'r5')).toBeUndefined();
    expect(next.get('session', 'later63')).toBe(63);
  });
});

describe('the names kept for the next run', () => {
  const records = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ type: 'pre-key', id: `${i}`, value: undefined }));

  it('are each kept once, until the run is written', () => {
    const window = new MergeWindow(1);
    for (let number = 1; number <= 63; number++) window.add(number, records(3), 10);
    expect(window.due()).toBe(false);
    for (let number = 64; number <= 300; number++) window.add(number, records(3), 10);
    expect(window.due()).toBe(true);
    expect([window.from, window.to, window.bytes]).toEqual([1, 300, 3000]);
    expect([...window.names()]).toHaveLength(3);
    window.restart(301);
    expect([window.from, window.bytes, window.due(), [...window.names()]]).toEqual([301, 0, false, []]);
  });

  it('are about two thousand at most, however many keys a commit carries', () => {
    const window = new MergeWindow(1);
    window.add(1, records(20_000), 10);
    for (let number = 2; number <= 64; number++) window.add(number, records(2), 10);
    expect([...window.names()]).toHaveLength(2);
    expect([window.from, window.to, window.due()]).toEqual([2, 64, false]);
  });
});
