import { type BinaryNode, WA_CERT_DETAILS } from '@whiskeysockets/baileys';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Person } from '../../../lib/domain/people/person.ts';
import type { AuthStore } from '../../../socket-host/auth/store.ts';
import { sharedCaches } from '../../../socket-host/baileys/caches.ts';
import { hasChat, noteChat, noteRefusal } from '../../../socket-host/baileys/chats.ts';
import { participantHashes } from '../../../socket-host/baileys/device-lists.ts';
import { Drain } from '../../../socket-host/baileys/drain.ts';
import { ourEnd, sessionEnd } from '../../../socket-host/baileys/ending.ts';
import { ParticipantHashes } from '../../../socket-host/baileys/participant-hashes.ts';
import { receiptsOf, retryRequestIn } from '../../../socket-host/baileys/receipts.ts';
import { redact } from '../../../socket-host/baileys/redaction.ts';
import { trustRootKey } from '../../../socket-host/baileys/root-key.ts';
import { StanzaQueue } from '../../../socket-host/baileys/stanza-queue.ts';
import { Timelock } from '../../../socket-host/baileys/timelock.ts';
import { ClientVersion } from '../../../socket-host/baileys/version.ts';

describe('shared caches', () => {
  it('keeps the entries of two accounts apart, written one by one or together', async () => {
    const caches = sharedCaches(() => 0);
    const [a, b] = [caches.of('t/a/'), caches.of('t/b/')];
    await a.devices.mset?.([{ key: '49151', value: ['a'] }]);
    await b.devices.set('49151', ['b']);
    expect(await a.devices.mget?.(['49151', '49152'])).toEqual({ 49151: ['a'], 49152: undefined });
    expect(await b.devices.get('49151')).toEqual(['b']);
    a.forgetDevices(['49151']);
    expect(await a.devices.get('49151')).toBeUndefined();
    expect(await b.devices.get('49151')).toEqual(['b']);
    await b.devices.flushAll();
    expect(await b.devices.get('49151')).toBeUndefined();
  });

  it('keeps device lists for a week and the most recently used ones when full', async () => {
    let nowMs = 0;
    const { devices } = sharedCaches(() => nowMs, { devices: 2, retries: 2, calls: 2, unreadable: 2 }).of('t/a/');
    await devices.set('1', 'one');
    await devices.set('2', 'two');
    await devices.get('1');
    await devices.set('3', 'three');
    expect([await devices.get('1'), await devices.get('2'), await devices.get('3')]).toEqual([
      'one',
      undefined,
      'three',
    ]);
    nowMs = 7 * 24 * 3_600_000 - 1;
    expect(await devices.get('1')).toBe('one');
    nowMs += 1;
    expect(await devices.get('1')).toBeUndefined();
  });
});

describe('a chat', () => {
  /** The keys of an account in memory. */
  function keysOf(held: Record<string, Record<string, unknown>>, lookups: Record<string, string> = {}) {
    return {
      get: (type: string, id: string) => held[type]?.[id],
      async set(data: Record<string, Record<string, unknown>>) {
        for (const [type, values] of Object.entries(data)) held[type] = { ...held[type], ...values };
      },
      getLookup: (number: string) =>
        lookups[number] === undefined ? undefined : { onWhatsApp: true, at: 0, address: lookups[number] },
    } as unknown as AuthStore;
  }
  const wrote = { from: '4915120000007', fromLid: '100000000000007', at: 1_000 };

  it('is there with a person who has written from a linked device alone', () => {
    const store = keysOf({ 'lid-mapping': { 4915120000007: '100000000000007' } });
    expect(hasChat(store, '4915120000007', 2_000)).toBe(false);
    noteChat(store, wrote, 12);
    expect(hasChat(store, '4915120000007', 2_000)).toBe(true);
    noteRefusal(store, '4915120000007', 3_000);
    expect(hasChat(store, '4915120000007', 4_000)).toBe(false);
    noteChat(store, wrote, 12);
    expect(hasChat(store, '4915120000007', 5_000)).toBe(true);
  });

  it('is that of the number which WhatsApp answers with, where no hidden id is known', () => {
    const store = keysOf({ session: { '554899120009.0': {} } }, { 5548999120009: '554899120009' });
    expect(hasChat(store, '5548999120009', 2_000)).toBe(true);
    noteRefusal(store, '5548999120009', 3_000);
    expect(hasChat(store, '5548999120009', 4_000)).toBe(false);
    noteChat(store, { from: '554899120009', at: 5_000 }, 0);
    expect(hasChat(store, '5548999120009', 6_000)).toBe(true);
  });
});

describe('a timelock', () => {
  const untilMs = Date.UTC(2026, 11, 1);
  const named = { isActive: true, timeEnforcementEnds: new Date(untilMs) };
  afterEach(() => {
    vi.useRealTimers();
  });

  it('that is told without an end has not ended', () => {
    const told: (number | undefined)[] = [];
    const timelock = new Timelock((until) => told.push(until));
    timelock.take({ isActive: true });
    timelock.take({ isActive: true, timeEnforcementEnds: new Date(Number.NaN) });
    timelock.take(named);
    timelock.take({ isActive: false });
    expect(told).toEqual([Number.NaN, Number.NaN, untilMs, undefined]);
  });

  it.each([
    ['that there is none', { isActive: false }, []],
    ['no end', { isActive: true }, []],
    ['an end', named, [untilMs]],
  ])('is not ended by an answer that comes late and names %s', async (_what, answer, expected) => {
    vi.useFakeTimers();
    const told: (number | undefined)[] = [];
    const timelock = new Timelock((until) => told.push(until));
    const answered = Promise.withResolvers<typeof answer>();
    const asked = timelock.ask({ fetchAccountReachoutTimelock: () => answered.promise as never });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await asked).toBeUndefined();
    // As Baileys does.
    timelock.take(answer);
    answered.resolve(answer);
    await vi.advanceTimersByTimeAsync(0);
    expect(told).toEqual(expected);
  });

  it('is heard of while it is asked for', async () => {
    const told: (number | undefined)[] = [];
    const timelock = new Timelock((until) => told.push(until));
    const ask = async () => {
      timelock.take(named);
      timelock.take({ isActive: false });
      return named as never;
    };
    expect(await timelock.ask({ fetchAccountReachoutTimelock: ask })).toBe(untilMs);
    expect(told).toEqual([undefined]);
  });
});

describe('the root key', () => {
  it('is trusted only in stage local', () => {
    const before = Buffer.from(WA_CERT_DETAILS.PUBLIC_KEY);
    expect(() => trustRootKey('11'.repeat(32), 'prod')).toThrow('only in stage local');
    expect(() => trustRootKey('11', 'local')).toThrow('32 bytes');
    expect(Buffer.from(WA_CERT_DETAILS.PUBLIC_KEY)).toEqual(before);
    trustRootKey('11'.repeat(32), 'local');
    expect(Buffer.from(WA_CERT_DETAILS.PUBLIC_KEY).toString('hex')).toBe('11'.repeat(32));
    before.copy(WA_CERT_DETAILS.PUBLIC_KEY);
  });
});

describe('the client version', () => {
  it('is asked for once by all who ask at the same time', async () => {
    let asked = 0;
    const version = new ClientVersion(async () => {
      asked += 1;
      return [2, 3000, 99];
    });
    const before = version.current;
    expect(await Promise.all([version.refreshVersion(), version.refreshVersion()])).toEqual([true, true]);
    expect(asked).toBe(1);
    expect(before).not.toEqual([2, 3000, 99]);
    expect(version.current).toEqual([2, 3000, 99]);
    expect(await version.refreshVersion()).toBe(false);
  });

  it('that another host has learnt is used, unless the own one is newer', () => {
    const version = new ClientVersion();
    const [major, minor, patch] = version.current;
    for (const useless of [`${major}.${minor}.${patch - 1}`, '2.3000', '2.3000.x', '1.9999.9999999999', '']) {
      version.use(useless);
      expect(version.current).toEqual([major, minor, patch]);
    }
    version.use(`${major}.${minor}.${patch + 1}`);
    expect(version.current).toEqual([major, minor, patch + 1]);
  });

  it('is waited for only so long, and asked for anew by the next who needs it', async () => {
    let asked = 0;
    vi.stubGlobal('fetch', async (_url: string, { signal }: { signal?: AbortSignal }) => {
      asked += 1;
      if (asked > 1) return new Response('"client_revision":1234567');
      return await new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
      });
    });
    try {
      const version = new ClientVersion(undefined, 50);
      const refused = await Promise.allSettled([version.refreshVersion(), version.refreshVersion()]);
      expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      expect(await version.refreshVersion()).toBe(true);
      expect(version.current).toEqual([2, 3000, 1234567]);
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe('how a session ended', () => {
  const boom = (message: string, statusCode: number, data?: object) =>
    Object.assign(new Error(message), { output: { statusCode }, data });

  it('keeps codes that WhatsApp gave', () => {
    expect(sessionEnd(boom('Stream Errored (conflict)', 440), false)).toEqual({
      reason: 'replaced',
      code: 440,
      detail: 'Stream Errored (conflict)',
    });
    expect(sessionEnd(boom('Connection Failure', 402, { reason: '402', expire: '86400' }), false)).toEqual({
      reason: 'restricted',
      code: 402,
      detail: 'Connection Failure',
      expireSec: 86400,
    });
  });

  it('gives none to what WhatsApp cannot have said', () => {
    expect(sessionEnd(boom('WebSocket Error (Unexpected server response: 403)', 403), false).code).toBeUndefined();
    expect(sessionEnd(boom('WebSocket Error (connect ECONNREFUSED)', 408), true).code).toBeUndefined();
    expect(sessionEnd(undefined, false)).toEqual({ reason: 'unsaid', detail: 'closed by us' });
    expect(sessionEnd(undefined, false, ourEnd('no answer'))).toEqual(ourEnd('no answer'));
  });

  it('keeps 408 of a linking session for codes that nobody used', () => {
    expect(sessionEnd(boom('QR refs attempts ended', 408), true).code).toBe(408);
    expect(sessionEnd(boom('Connection was lost', 408), true).code).toBe(428);
    expect(sessionEnd(boom('Connection was lost', 408), false).code).toBe(408);
  });

  it('shows no number', () => {
    expect(sessionEnd(boom('no session for 4915112345678@s.whatsapp.net', 500), false).detail).toBe(
      'no session for ..78@s.whatsapp.net',
    );
    expect(redact('4915112345678 and 1234')).toBe('..78 and 1234');
  });
});

describe('receipts', () => {
  const me = { id: '4915100000001:5@s.whatsapp.net', lid: '700:5@lid' };
  const known = ({ phoneNumber, lid }: Person) => [
    ...(phoneNumber === undefined ? [] : [phoneNumber]),
    ...(lid === undefined ? [] : [`lid:${lid}`]),
    ...(lid === '800' ? ['4915100000009'] : []),
  ];
  const node = (attrs: Record<string, string>, content?: object[]) =>
    ({
      tag: 'receipt',
      attrs: { id: '3EB0000000000000000001', t: '1800000000', ...attrs },
      content,
    }) as unknown as BinaryNode;
  const receipt = (attrs: Record<string, string>, content?: object[]) => receiptsOf(node(attrs, content), me, known);
  const retry = (attrs: Record<string, string>) => retryRequestIn(node({ type: 'retry', ...attrs }), me, known);
  const list = { tag: 'list', attrs: {}, content: [{ tag: 'item', attrs: { id: '3EB0000000000000000002' } }] };

  it('stands for every message it lists, and tells who gave it', () => {
    const from = ['4915100000009'];
    expect(receipt({ from: '4915100000009:3@s.whatsapp.net', type: 'read' }, [list])).toEqual([
      { messageId: 'msg_000000000000000001', kind: 'read', at: 1_800_000_000_000, from },
      { messageId: 'msg_000000000000000002', kind: 'read', at: 1_800_000_000_000, from },
    ]);
    expect(receipt({ from: '800@lid' })).toMatchObject([{ kind: 'delivered', from: ['lid:800', '4915100000009'] }]);
    expect(receipt({ from: '800@lid', type: 'played' })).toMatchObject([{ kind: 'read' }]);
    expect(receipt({ from: '900@lid', sender_pn: '4915100000008@s.whatsapp.net' })).toMatchObject([
      { from: ['4915100000008', 'lid:900'] },
    ]);
  });

  it('says nothing when it is a retry request, of a group, by somebody for another, or of a message that is not ours', () => {
    expect(receipt({ from: '4915100000009@s.whatsapp.net', type: 'retry' })).toEqual([]);
    expect(receipt({ from: '4915100000009@s.whatsapp.net', type: 'sender' })).toEqual([]);
    expect(receipt({ from: '123-456@g.us', participant: '4915100000009@s.whatsapp.net' })).toEqual([]);
    const participant = '4915100000009@s.whatsapp.net';
    expect(receipt({ from: '4915100000008@s.whatsapp.net', participant })).toEqual([]);
    expect(receipt({ from: '4915100000009@s.whatsapp.net', id: 'AAAA' })).toEqual([]);
  });

  it('of our own devices tells of the chat with ourselves, not of what they have sent to others', () => {
    const from = ['4915100000001', 'lid:700'];
    expect(receipt({ from: '4915100000001@s.whatsapp.net' })).toMatchObject([{ kind: 'delivered', from }]);
    expect(receipt({ from: '4915100000001@s.whatsapp.net', type: 'sender' })).toMatchObject([{ kind: 'delivered' }]);
    expect(receipt({ from: '700@lid', type: 'read-self' })).toMatchObject([{ kind: 'read', from }]);
    const recipient = '4915100000009@s.whatsapp.net';
    expect(receipt({ from: '4915100000001@s.whatsapp.net', type: 'sender', recipient })).toEqual([]);
  });

  it('that asks for a retry names who the message must have been for', () => {
    expect(retry({ from: '4915100000009:3@s.whatsapp.net' })).toMatchObject({
      ids: ['3EB0000000000000000001'],
      recipient: ['4915100000009'],
      own: false,
    });
    expect(retry({ from: '800@lid' })).toMatchObject({ recipient: ['lid:800', '4915100000009'] });
    const recipient = '4915100000009@s.whatsapp.net';
    expect(retry({ from: '4915100000001@s.whatsapp.net', recipient })).toMatchObject({
      recipient: ['4915100000009'],
      own: true,
    });
    expect(retry({ from: '700:2@lid' })).toMatchObject({
      recipient: ['4915100000001', 'lid:700'],
      own: true,
      node: { attrs: { recipient: '4915100000001@s.whatsapp.net' } },
    });
    expect(retry({ from: '123-456@g.us', participant: recipient })).toBeUndefined();
    expect(retry({ from: '4915100000008@s.whatsapp.net', participant: recipient })).toBeUndefined();
    expect(retry({ from: '4915100000008@s.whatsapp.net', type: 'read' })).toBeUndefined();
  });
});

describe('the hash over devices in an ack', () => {
  const ack = (phash?: string, more = {}) =>
    ({ tag: 'ack', attrs: { id: '3EB01', class: 'message', ...(phash ? { phash } : {}), ...more } }) as BinaryNode;

  it('is over all devices of both sides, by number or by LID, in any order', () => {
    const devices = [{ user: '15550200001', device: 0 }, { user: '15550100001', device: 1 }, { user: '15550100001' }];
    const lids = new Map([
      ['15550200001', '200'],
      ['15550100001', '100'],
    ]);
    // sha256 of 15550100001.0:0@s.whatsapp.net15550100001.0:1@s.whatsapp.net15550200001.0:0@s.whatsapp.net, and likewise of 100.0:0@lid..
    expect(participantHashes(devices, lids)).toEqual(['2:euv7VZMD', '2:ULRC8cnK']);
  });

  it('that differs means stale devices: the recipient is asked for once for each, our own at most every ten minutes', () => {
    const hashes = new ParticipantHashes();
    const missed = (phash: string | undefined, nowMs: number, address = '49151', more = {}) => {
      hashes.expect('3EB01', address, ['2:number', '2:lid']);
      return hashes.missedBy(ack(phash, more), nowMs);
    };
    expect(missed('2:number', 0)).toBeUndefined();
    expect(missed('2:lid', 0)).toBeUndefined();
    expect(missed(undefined, 0)).toBeUndefined();
    expect(missed('2:new', 0, '49151', { error: '479' })).toBeUndefined();
    expect(missed('2:new', 0)).toEqual({ address: '49151', own: true });
    expect(missed('2:new', 1)).toBeUndefined();
    expect(missed('2:new', 2, '49152')).toEqual({ address: '49152', own: false });
    expect(missed('2:newer', 600_000)).toEqual({ address: '49151', own: true });
    expect(hashes.missedBy(ack('2:number'), 600_000)).toBeUndefined();
  });
});

describe('drain', () => {
  let drained: number;
  let drain: Drain;
  beforeEach(() => {
    vi.useFakeTimers();
    drained = 0;
    drain = new Drain(() => {
      drained += 1;
    });
  });
  afterEach(() => {
    drain.end();
    vi.useRealTimers();
  });

  it('is over once the session is open, the marker has come and every message is dealt with', () => {
    drain.arrived();
    drain.arrived();
    drain.mark();
    drain.open();
    drain.handled();
    vi.advanceTimersByTime(3_600_000);
    expect(drained).toBe(0);
    drain.handled();
    drain.mark();
    expect(drained).toBe(1);
  });

  it('is over after five quiet seconds without a marker', () => {
    drain.open();
    vi.advanceTimersByTime(4000);
    drain.heard();
    vi.advanceTimersByTime(4999);
    expect(drained).toBe(0);
    vi.advanceTimersByTime(1);
    expect(drained).toBe(1);
  });

  it('says nothing after the session has ended', () => {
    drain.end();
    drain.open();
    drain.mark();
    vi.advanceTimersByTime(60_000);
    expect(drained).toBe(0);
  });
});

describe('the line of messages', () => {
  const message = (id: string) => ({ tag: 'message', attrs: { id } });
  let stuck: (string | undefined)[];
  let line: StanzaQueue;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    stuck = [];
    line = new StanzaQueue(({ attrs }) => stuck.push(attrs.id));
  });
  afterEach(() => {
    line.end();
    vi.useRealTimers();
  });

  it('handles one after the other, also behind one that fails', async () => {
    const handled: string[] = [];
    const handle = (id: string, ms: number) => async () => {
      for (let i = 0; i < ms; i++) await null;
      handled.push(id);
      if (id === 'A') throw new Error('not handled');
    };
    const takes = [line.take(message('A'), handle('A', 20)), line.take(message('B'), handle('B', 0))];
    expect((await Promise.allSettled(takes)).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(handled).toEqual(['A', 'B']);
  });

  it('calls one stuck that Baileys has not moved for a minute, and counts none of the time in which it is stored', async () => {
    const [stored, never] = [Promise.withResolvers<void>(), new Promise<void>(() => {})];
    const began = Promise.withResolvers<void>();
    void line.take(message('A'), async () => {
      await line.own(() => stored.promise);
      began.resolve();
      await never;
    });
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(stuck).toEqual([]);
    stored.resolve();
    await began.promise;
    await vi.advanceTimersByTimeAsync(59_999);
    expect(stuck).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(stuck).toEqual(['A']);
  });

  it('leaves what is still in it when the connection has ended', async () => {
    const first = Promise.withResolvers<void>();
    const handled: string[] = [];
    const takes = [
      line.take(message('A'), () => first.promise),
      line.take(message('B'), async () => {
        handled.push('B');
      }),
    ];
    line.end();
    first.resolve();
    await Promise.all(takes);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect([handled, stuck]).toEqual([[], []]);
  });
});

describe('messages that cannot be read', () => {
  it('are asked for again a hundred times an hour for each person of each account', () => {
    let nowMs = 0;
    const caches = sharedCaches(() => nowMs);
    const [a, b] = [caches.of('t/a/').unreadable, caches.of('t/b/').unreadable];
    const asked = () => Array.from({ length: 1000 }, () => a.mayAskAgain('555')).filter((may) => may).length;
    expect(asked()).toBe(100);
    expect([a.mayAskAgain('556'), b.mayAskAgain('555')]).toEqual([true, true]);
    nowMs = 3_599_999;
    expect(asked()).toBe(0);
    nowMs += 1;
    expect(asked()).toBe(100);
  });

  it('are counted for a bounded number of people', () => {
    const { unreadable } = sharedCaches(() => 0, { devices: 1, retries: 1, calls: 1, unreadable: 2 }).of('t/a/');
    for (let i = 0; i < 100; i++) unreadable.mayAskAgain('1');
    expect(unreadable.mayAskAgain('1')).toBe(false);
    for (const person of ['2', '3']) unreadable.mayAskAgain(person);
    expect(unreadable.mayAskAgain('1')).toBe(true);
  });

  it('are passed over once they have been stuck twice', () => {
    const { unreadable } = sharedCaches(() => 0).of('t/a/');
    unreadable.gotStuck('3A01');
    expect(unreadable.isPassedOver('3A01')).toBe(false);
    unreadable.gotStuck('3A01');
    expect([unreadable.isPassedOver('3A01'), unreadable.isPassedOver('3A02')]).toEqual([true, false]);
  });
});
