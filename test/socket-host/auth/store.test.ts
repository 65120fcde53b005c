import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuthDiscarded, AuthUnavailable } from '../../../socket-host/auth/errors.ts';
import { type Fixture, fixture, logKey, randomText, write } from './fixture.ts';

let f: Fixture;
beforeEach(() => {
  f = fixture();
});
afterEach(() => f.cleanUp());

describe('what a commit makes durable', () => {
  it('gives back every kind of value after a restart', async () => {
    const first = await f.open();
    first.saveCreds({
      me: { id: '4915112345678:1@s.whatsapp.net' },
      account: { details: Buffer.from([9]) },
      registrationId: 77,
    });
    await first.set({
      session: { '4915112345678_1.0': { _sessions: { k: { chain: 'AAEC' } }, version: 'v1' } },
      'pre-key': { 5: { public: Buffer.from([1, 2]), private: new Uint8Array([3, 4]) } },
      'lid-mapping': { '4915112345678': '99887766' },
      'sender-key': { group: Buffer.from('bytes') },
    });
    await first.commit();
    await first.close();

    const second = await f.open({ epoch: 2 });
    expect(second.creds()).toEqual({
      me: { id: '4915112345678:1@s.whatsapp.net' },
      account: { details: Buffer.from([9]) },
      registrationId: 77,
    });
    expect(second.registered()).toBe(true);
    expect(second.get('session', '4915112345678_1.0')).toEqual({ _sessions: { k: { chain: 'AAEC' } }, version: 'v1' });
    expect(second.get('pre-key', '5')).toEqual({ public: Buffer.from([1, 2]), private: Buffer.from([3, 4]) });
    expect(second.get('lid-mapping', '4915112345678')).toBe('99887766');
    expect(second.get('sender-key', 'group')).toEqual(Buffer.from('bytes'));
    expect(second.get('session', 'unknown')).toBeUndefined();
  });

  it('keeps a deletion across a restart', async () => {
    const first = await f.open();
    await first.set({ 'pre-key': { 1: { public: 'a' }, 2: { public: 'b' } } });
    await first.set({ 'pre-key': { 1: null } });
    await first.close();
    const second = await f.open({ epoch: 2 });
    expect(second.get('pre-key', '1')).toBeUndefined();
    expect(second.get('pre-key', '2')).toEqual({ public: 'b' });
  });

  it('shows a change at once, but a crash before the commit takes it back', async () => {
    const crashed = await f.open();
    await crashed.set({ session: { a: 'old' } });
    await crashed.commit();
    await crashed.set({ session: { a: 'new' } });
    expect(crashed.get('session', 'a')).toBe('new');
    expect(crashed.pending()).toBe(1);

    const next = await f.open({ epoch: 2 });
    expect(next.get('session', 'a')).toBe('old');
  });

  it('writes pre-keys, app-state keys and sender keys before set returns', async () => {
    const store = await f.open();
    for (const type of ['pre-key', 'app-state-sync-key', 'sender-key']) {
      const puts = store.stats.puts;
      await store.set({ [type]: { 1: 'value' } });
      expect(store.stats.puts).toBe(puts + 1);
      expect(store.pending()).toBe(0);
    }
  });

  it('writes what nobody commits within half a second', async () => {
    const store = await f.open();
    await store.set({ session: { a: 'b' } });
    expect(f.keys()).toEqual([logKey(1)]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(f.keys()).toEqual([logKey(1), logKey(2)]);
  });

  it('lets what WhatsApp would be asked for again wait ten minutes for a commit, and no longer', async () => {
    const store = await f.open();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      await store.set({ 'lid-mapping': { a: 'b' }, tctoken: { a: 'token' } });
      store.setLookup('4915100000001', true);
      await vi.advanceTimersByTimeAsync(599_000);
      expect(f.keys()).toEqual([logKey(1)]);
      await vi.advanceTimersByTimeAsync(2_000);
      expect(f.keys()).toEqual([logKey(1), logKey(2)]);
      store.setLookup('4915100000002', true);
      await store.set({ session: { a: 'b' } });
      await vi.advanceTimersByTimeAsync(500);
      expect(f.keys()).toEqual([logKey(1), logKey(2), logKey(3)]);
      await vi.advanceTimersByTimeAsync(1_200_000);
      expect(store.stats.puts).toBe(3);
    } finally {
      vi.useRealTimers();
    }
  });

  it('writes a trust token that a contact has sent before set returns, and nobody else sends again; when we sent ours can wait', async () => {
    const store = await f.open();
    const token = Buffer.from('token 1');
    await store.set({ tctoken: { a: { token, timestamp: '1800000000' } } });
    expect(store.stats.puts).toBe(2);
    await store.set({ tctoken: { a: { token: Buffer.from('token 1'), timestamp: '1800000000', senderTimestamp: 5 } } });
    await store.set({ tctoken: { b: { token: Buffer.alloc(0), senderTimestamp: 5 }, c: null } });
    expect(store.stats.puts).toBe(2);
    await store.set({ tctoken: { a: { token: Buffer.from('token 2'), timestamp: '1800000009' } } });
    expect(store.stats.puts).toBe(3);
    // The process ends here.
    const next = await f.open({ epoch: 2 });
    expect(next.get('tctoken', 'a')).toEqual({ token: Buffer.from('token 2'), timestamp: '1800000009' });
    expect(next.get('tctoken', 'b')).toEqual({ token: Buffer.alloc(0), senderTimestamp: 5 });
  });

  it('keeps re-creatable types out of S3', async () => {
    const store = await f.open();
    await store.set({ 'device-list': { 4915112345678: ['0', '3'] } });
    await store.commit();
    expect(store.get('device-list', '4915112345678')).toEqual(['0', '3']);
    expect(f.objects.creates).toEqual([logKey(1)]);
  });

  it('remembers the answers of number lookups', async () => {
    const first = await f.open();
    first.setLookup('4915100000001', true);
    first.setLookup('4915100000002', false);
    await first.close();
    const second = await f.open({ epoch: 2 });
    expect(second.getLookup('4915100000001')).toEqual({ onWhatsApp: true, at: 1_800_000_000_000 });
    expect(second.getLookup('4915100000002')).toEqual({ onWhatsApp: false, at: 1_800_000_000_000 });
    expect(second.getLookup('4915100000003')).toBeUndefined();
  });
});

describe('grouped commits', () => {
  it('carries the two sessions of one message in one PUT', async () => {
    const store = await f.open();
    await Promise.all([
      store.set({ session: { phone: 1 } }).then(() => store.commit()),
      new Promise((resolve) => setImmediate(resolve))
        .then(() => store.set({ session: { own: 2 } }))
        .then(() => store.commit()),
    ]);
    expect(f.objects.creates).toEqual([logKey(1), logKey(2)]);
  });

  it('lets every commit asked for during a PUT share the next one', async () => {
    const store = await f.open();
    const gate = Promise.withResolvers<void>();
    f.objects.before = (key) => (key === logKey(2) ? gate.promise : Promise.resolve());
    await store.set({ session: { first: 1 } });
    const first = store.commit();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const later = [];
    for (let i = 0; i < 50; i++) {
      await store.set({ session: { [`later${i}`]: i } });
      later.push(store.commit());
    }
    gate.resolve();
    await Promise.all([first, ...later]);
    expect(f.objects.creates).toEqual([logKey(1), logKey(2), logKey(3)]);
    const next = await f.open({ epoch: 2 });
    expect(next.get('session', 'first')).toBe(1);
    expect(next.get('session', 'later49')).toBe(49);
  });

  it('resolves without a PUT when nothing has changed', async () => {
    const store = await f.open();
    await store.commit();
    expect(store.stats.puts).toBe(1);
  });

  it('serves a commit asked for in the very step in which the one before ends', async () => {
    const store = await f.open();
    for (let i = 0; i < 30; i++) {
      await store.set({ session: { a: i } });
      await store.commit();
    }
    expect(store.stats.puts).toBe(31);
  });
});

describe('what commits cost', () => {
  it('writes at most 1.1 objects a message, runs and snapshots included', async () => {
    const store = await f.open();
    for (let i = 0; i < 200; i++) {
      const recipient = `${4915100000000 + (i % 120)}`;
      if (i < 120) {
        store.setLookup(recipient, true);
        await store.set({ 'lid-mapping': { [recipient]: `${99000000 + i}`, [`${99000000 + i}_reverse`]: recipient } });
      }
      const encrypt = async (id: string) => {
        await store.set({ session: { [id]: { version: 'v1', chain: randomText(1_800) } } });
        await store.commit();
      };
      await Promise.all([encrypt(`${99000000 + (i % 120)}_1.0`), encrypt('own_1.2')]);
      if (i < 120) await store.set({ tctoken: { [recipient]: { token: Buffer.alloc(0), senderTimestamp: i } } });
    }
    await store.close();
    expect(f.keys('log')).toHaveLength(201);
    expect(f.keys('snap').length).toBeGreaterThan(3);
    expect(f.objects.creates.length).toBeLessThanOrEqual(220);
  });

  it('keeps within that when each commit alone is large enough for a snapshot', async () => {
    const store = await f.open();
    for (let i = 0; i < 100; i++) await write(store, { session: { a: randomText(100_000) } });
    await store.close();
    expect(f.keys('snap').length).toBeGreaterThan(3);
    expect(f.objects.creates.length).toBeLessThanOrEqual(110);
  });

  it('tells of each commit its bytes and its time, and of nothing else', async () => {
    const told: { bytes: number; ms: number }[] = [];
    const store = await f.open({ onCommit: (commit) => told.push(commit) });
    await write(store, { session: { a: randomText(1000) } });
    f.objects.before = () => new Promise((resolve) => setTimeout(resolve, 30));
    await write(store, { session: { a: randomText(5000) } });
    f.objects.before = async () => {
      throw new Error('connection reset');
    };
    await expect(write(store, { session: { a: 1 } })).rejects.toThrow(AuthUnavailable);
    expect(told.map(({ bytes }) => bytes)).toEqual(
      [logKey(2), logKey(3)].map((key) => f.objects.objects.get(key)?.length),
    );
    expect(told[1]?.ms).toBeGreaterThan(20);
    expect(told[1]?.ms).toBeLessThan(1000);
  });
});

describe('discard', () => {
  it('goes back to what is durable and rejects the commits that waited for more', async () => {
    const store = await f.open();
    await store.set({ session: { a: 'durable' } });
    await store.commit();
    await store.set({ session: { a: 'dropped', b: 'dropped' } });
    const waiting = store.commit();
    store.discard();
    await expect(waiting).rejects.toThrow(AuthDiscarded);
    expect(store.get('session', 'a')).toBe('durable');
    expect(store.get('session', 'b')).toBeUndefined();
    await store.set({ session: { c: 'later' } });
    await store.commit();
    const next = await f.open({ epoch: 2 });
    expect(next.get('session', 'a')).toBe('durable');
    expect(next.get('session', 'c')).toBe('later');
  });
});

describe('an unreachable bucket', () => {
  it('rejects the commit, and the next one writes the same segment before anything else', async () => {
    const store = await f.open();
    f.objects.before = async () => {
      throw new Error('connection reset');
    };
    await store.set({ session: { a: 1 } });
    await expect(store.commit()).rejects.toThrow(AuthUnavailable);
    expect(store.get('session', 'a')).toBe(1);
    f.objects.before = async () => {};
    await store.set({ session: { b: 2 } });
    await store.commit();
    expect(f.objects.creates).toEqual([logKey(1), logKey(2), logKey(3)]);
    const next = await f.open({ epoch: 2 });
    expect([next.get('session', 'a'), next.get('session', 'b')]).toEqual([1, 2]);
    expect(f.fenced).toEqual([]);
  });

  it('takes its own segment for written when only the answer was lost', async () => {
    const store = await f.open();
    f.objects.after = async () => {
      throw new Error('connection reset');
    };
    await store.set({ session: { a: 1 } });
    await expect(store.commit()).rejects.toThrow(AuthUnavailable);
    f.objects.after = async () => {};
    await store.commit();
    expect(f.fenced).toEqual([]);
    await store.set({ session: { b: 2 } });
    await store.commit();
    const next = await f.open({ epoch: 2 });
    expect([next.get('session', 'a'), next.get('session', 'b')]).toEqual([1, 2]);
  });

  it('recognises its own barrier when the answer to it was lost', async () => {
    f.objects.create = async (key, body) => {
      // The SDK repeats the PUT by itself and reports the 412 of the repeat.
      f.objects.objects.set(key, Uint8Array.from(body));
      return 'exists';
    };
    const store = await f.open();
    expect([...f.objects.objects.keys()]).toEqual([logKey(1)]);
    await store.close();
  });
});
