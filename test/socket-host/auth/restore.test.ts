import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuthFenced, RestoreRefused } from '../../../socket-host/auth/errors.ts';
import { planRestore, type RestorePoint, restoreAuth } from '../../../socket-host/auth/restore.ts';
import type { AuthStore } from '../../../socket-host/auth/store.ts';
import { completeVersions, surveyAuth } from '../../../socket-host/auth/versions.ts';
import { type Fixture, fixture, logKey, prefix, randomText, runKey, snapKey, write, writeEach } from './fixture.ts';

let f: Fixture;
beforeEach(() => {
  f = fixture();
});
afterEach(() => f.cleanUp());

const startMs = 1_800_000_000_000;
const damaged = new Uint8Array(100);

async function restore(point: RestorePoint, epoch: number) {
  const plan = await planRestore(f.objects, prefix, point);
  const { objects, clock } = f;
  const writer = { objects, host: 'restore-auth', epoch, mayWrite: () => true, nowMs: () => clock.nowMs };
  await restoreAuth({ ...writer, nonce: randomUUID }, plan);
  return plan;
}

/** Linked in segment 2, everything an account has in segment 3; each segment is a minute after the one before. */
async function linked(): Promise<AuthStore> {
  const store = await f.open();
  f.clock.nowMs += 60_000;
  store.saveCreds({ me: { id: 'old' }, account: {}, noiseKey: Buffer.from([1]) });
  await store.commit();
  f.clock.nowMs += 60_000;
  store.setLookup('4915100000001', true);
  await write(store, {
    session: { a: 'ratchet 1', b: 'ratchet 1' },
    'sender-key': { group: Buffer.from('chain') },
    'pre-key': { 1: { public: Buffer.from([1]) } },
    'identity-key': { a: Buffer.from('identity') },
    'app-state-sync-key': { k: { keyData: Buffer.from('key') } },
    'lid-mapping': { '4915100000001': '99' },
    tctoken: { a: { token: Buffer.from('t') } },
  });
  return store;
}

async function advance(store: AuthStore, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    f.clock.nowMs += 60_000;
    store.saveCreds({ me: { id: `newer ${i}` }, account: {} });
    await write(store, { session: { a: `newer ${i}` }, 'pre-key': { 1: null, 2: 'newer' } });
  }
}

function expectRestored(store: AuthStore): void {
  expect(store.creds()).toEqual({ me: { id: 'old' }, account: {}, noiseKey: Buffer.from([1]) });
  expect(store.registered()).toBe(true);
  expect(store.get('pre-key', '1')).toEqual({ public: Buffer.from([1]) });
  expect(store.get('pre-key', '2')).toBeUndefined();
  expect(store.get('identity-key', 'a')).toEqual(Buffer.from('identity'));
  expect(store.get('app-state-sync-key', 'k')).toEqual({ keyData: Buffer.from('key') });
  expect(store.get('lid-mapping', '4915100000001')).toBe('99');
  expect(store.get('tctoken', 'a')).toEqual({ token: Buffer.from('t') });
  expect(store.getLookup('4915100000001')).toEqual({ onWhatsApp: true, at: startMs + 120_000 });
  expect(store.get('session', 'a')).toBeUndefined();
  expect(store.get('session', 'b')).toBeUndefined();
  expect(store.get('sender-key', 'group')).toBeUndefined();
}

describe('a restored version', () => {
  it('has the keys as they were and no session', async () => {
    const store = await linked();
    await advance(store, 5);
    await store.close();
    const plan = await restore({ before: startMs + 150_000 }, 2);
    expect(plan.version).toEqual({ number: 3, at: startMs + 120_000 });
    expect([plan.number, plan.kept.length, plan.dropped]).toEqual([9, 7, 3]);
    expect(f.keys('snap')).toEqual([snapKey(9)]);
    expectRestored(await f.open({ epoch: 3 }));
  });

  it('gives no pre-key number out again, neither one it sees in what came after nor one that damage may hide', async () => {
    const store = await f.open();
    const uploaded = (from: number, to: number) =>
      Object.fromEntries(Array.from({ length: to - from }, (_, i) => [from + i, 'pair']));
    const creds = { me: {}, account: {}, nextPreKeyId: 813, firstUnuploadedPreKeyId: 813, signedPreKey: { keyId: 1 } };
    await store.saveCreds(creds);
    await store.set({ 'pre-key': uploaded(1, 813) });
    f.clock.nowMs += 60_000;
    await store.set({ 'pre-key': uploaded(813, 1625) });
    await store.saveCreds({ ...creds, nextPreKeyId: 1625, firstUnuploadedPreKeyId: 1625 });
    await store.set({ 'pre-key': { 5: null, 1500: null } });
    await store.close();
    await restore({ before: startMs }, 2);
    const restored = await f.open({ epoch: 3 });
    // Above 1624 by more than one upload, which is 812 at most. The one before is not there, so Baileys uploads at its next login.
    expect(restored.creds()).toEqual({ ...creds, nextPreKeyId: 2625, firstUnuploadedPreKeyId: 2625 });
    expect(restored.get('pre-key', '812')).toBe('pair');
    expect(restored.get('pre-key', '2624')).toBeUndefined();
  });

  it('is the newest one that is complete when what follows is damaged', async () => {
    const store = await linked();
    await store.close();
    f.objects.objects.set(logKey(4), damaged);
    const next = f.open({ epoch: 2 });
    await expect(next).rejects.toThrow('log/000000000004 is not an auth object');
    const plan = await restore({ before: startMs + 3_600_000 }, 2);
    expect([plan.version.number, plan.number]).toEqual([3, 5]);
    const store2 = await f.open({ epoch: 3 });
    expectRestored(store2);
    await write(store2, { session: { a: 'new' } });
    await store2.close();
    expect((await f.open({ epoch: 4 })).get('session', 'a')).toBe('new');
  });

  it('can be taken from before a gap, a damaged snapshot and damaged runs', async () => {
    const store = await linked();
    const { nowMs } = f.clock;
    await advance(store, 70);
    await writeEach(store, 20, () => ({ session: { big: randomText(9_000) } }));
    await store.close();
    expect(f.keys('run')).toEqual([runKey(1, 64)]);
    const snapshots = f.keys('snap');
    for (const key of [...snapshots, runKey(1, 64), logKey(80)]) f.objects.objects.set(key, damaged);
    f.objects.objects.delete(logKey(70));
    await expect(f.open({ epoch: 2 })).rejects.toThrow(snapshots.at(-1));
    expect((await restore({ before: nowMs }, 2)).version.number).toBe(3);
    expectRestored(await f.open({ epoch: 3 }));
  });

  it('stays readable without its snapshot, whatever is damaged before it', async () => {
    const store = await linked();
    await advance(store, 5);
    await store.close();
    await restore({ number: 3 }, 2);
    f.objects.objects.set(snapKey(9), damaged);
    f.objects.objects.set(logKey(2), damaged);
    f.objects.objects.delete(logKey(5));
    expectRestored(await f.open({ epoch: 3 }));
  });

  it('leaves the older ones for another try', async () => {
    const store = await linked();
    await advance(store, 5);
    await store.close();
    await restore({ number: 3 }, 2);
    const plan = await restore({ number: 6 }, 3);
    expect(plan.number).toBe(10);
    expect((await f.open({ epoch: 4 })).creds()).toEqual({ me: { id: 'newer 2' }, account: {} });
  });

  it('lets what it replaced be removed after a day', async () => {
    const store = await linked();
    await store.close();
    await restore({ number: 3 }, 2);
    const next = await f.open({ epoch: 3 });
    await writeEach(next, 16, () => ({ session: { a: randomText(9_000) } }));
    await vi.waitFor(() => expect(f.keys('snap')).toHaveLength(2), 5_000);
    f.clock.nowMs += 25 * 3_600_000;
    await writeEach(next, 16, () => ({ session: { a: randomText(9_000) } }));
    await next.close();
    expect(f.keys().filter((key) => Number(key.slice(-12)) < 4)).toEqual([]);
  });
});

describe('an owner from before the restore', () => {
  it('is stopped by its next commit', async () => {
    const stale = await linked();
    await advance(stale, 2);
    await restore({ number: 3 }, 2);
    await stale.set({ session: { a: 'rolled on' } });
    await expect(stale.commit()).rejects.toThrow(AuthFenced);
    expect(f.fenced).toEqual(['restore-auth of epoch 2 has written segment 6']);
    expectRestored(await f.open({ epoch: 3 }));
  });

  it('cannot open the account under its old epoch', async () => {
    await linked();
    await restore({ number: 3 }, 2);
    await expect(f.open({ epoch: 1 })).rejects.toThrow(AuthFenced);
  });

  it('brings nothing back with a run that was under way', async () => {
    const gate = Promise.withResolvers<void>();
    f.objects.before = (key) => (key === runKey(1, 64) ? gate.promise : Promise.resolve());
    const stale = await linked();
    await advance(stale, 61);
    await restore({ number: 3 }, 2);
    gate.resolve();
    await vi.waitFor(() => expect(f.keys('run')).toEqual([runKey(1, 64)]), 5_000);
    f.objects.objects.set(snapKey(65), damaged);
    expectRestored(await f.open({ epoch: 3 }));
  });

  it('keeps the account when it wrote after the plan was made', async () => {
    const store = await linked();
    const plan = await planRestore(f.objects, prefix, { number: 3 });
    await write(store, { session: { a: 'still here' } });
    const { objects } = f;
    const writer = { objects, host: 'restore-auth', epoch: 2, mayWrite: () => true, nowMs: () => f.clock.nowMs };
    await expect(restoreAuth({ ...writer, nonce: randomUUID }, plan)).rejects.toThrow(
      'Another host has just written number 4',
    );
    await write(store, { session: { a: 'and here' } });
    expect(f.fenced).toEqual([]);
  });
});

describe('what cannot be restored', () => {
  it('is refused with a reason, and nothing is written', async () => {
    const store = await linked();
    await advance(store, 3);
    await store.close();
    f.objects.objects.set(logKey(5), damaged);
    const before = f.keys();
    const attempt = (point: RestorePoint) => planRestore(f.objects, prefix, point);
    await expect(attempt({ number: 6 })).rejects.toThrow(
      'Number 6 is not complete; the newest complete version has number 4.',
    );
    await expect(attempt({ number: 77 })).rejects.toThrow(RestoreRefused);
    await expect(attempt({ before: startMs - 1 })).rejects.toThrow('the oldest one is of 2027-01-15T08:00:00.000Z');
    await expect(attempt({ number: 1 })).rejects.toThrow('The account was not linked at number 1');
    f.objects.objects.set(logKey(1), damaged);
    await expect(attempt({ number: 4 })).rejects.toThrow('No complete version of the account is left');
    expect(f.keys()).toEqual(before);
  });

  it('is what was wiped', async () => {
    const store = await linked();
    await store.wipe();
    await store.close();
    await expect(planRestore(f.objects, prefix, { before: startMs * 2 })).rejects.toThrow('was not linked');
  });
});

describe('the survey of an account', () => {
  it('names every object with its number, time, size and damage', async () => {
    const store = await linked();
    await writeEach(store, 70, (i) => ({ session: { a: i } }));
    await store.close();
    f.objects.objects.set(logKey(50), damaged);
    f.objects.objects.set(logKey(60), f.objects.objects.get(logKey(61)) ?? damaged);
    const found = await surveyAuth(f.objects, prefix);
    expect(found.filter(({ damage }) => damage !== undefined)).toEqual([
      { key: logKey(50), kind: 'segment', from: 50, number: 50, damage: 'is not an auth object' },
      { key: logKey(60), kind: 'segment', from: 60, number: 60, damage: `was written as ${logKey(61)}` },
    ]);
    expect(found.find(({ kind }) => kind === 'run')).toEqual({
      key: runKey(1, 64),
      kind: 'run',
      from: 1,
      number: 64,
      at: startMs + 120_000,
      epoch: 1,
      size: f.objects.objects.get(runKey(1, 64))?.length,
      resets: false,
      highestPreKey: 1,
    });
    const numbers = completeVersions(found).map(({ number }) => number);
    expect([numbers[48], numbers[49], numbers.at(-1), numbers.length]).toEqual([49, 64, 73, 59]);
  });
});
