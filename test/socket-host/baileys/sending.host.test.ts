import type { WASocket } from '@whiskeysockets/baileys';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { textContent } from '../../../lib/domain/content.ts';
import { sharedCaches } from '../../../socket-host/baileys/caches.ts';
import { NotSent, Unanswered } from '../../../socket-host/transport.ts';
import { type Connected, type Gateway, gateway } from './gateway.ts';
import { countQueries, sleep } from './probe.ts';

let g: Gateway;
beforeAll(async () => {
  g = await gateway();
});
afterAll(() => g.cleanUp());

let rows = 0;
const newId = () => `msg_${(++rows).toString(16).toUpperCase().padStart(18, '0')}`;

async function received(number: string): Promise<{ id: string; text: string; repeats: number }[]> {
  const { body } = await g.control('GET', `/phones/${number}/messages`);
  return body as { id: string; text: string; repeats: number }[];
}

async function reconnected(before: Connected, listener = {}): Promise<Connected> {
  await before.session.close();
  await before.store.barrier();
  const after = g.connect(before.store, {}, listener);
  await after.heard('drained');
  return after;
}

describe('a text', () => {
  it('arrives under our id, is acknowledged, delivered and read; the next one asks WhatsApp nothing', async () => {
    const { session, said, heard } = await g.linked('4915110000001');
    await g.control('POST', '/phones', { number: '4915120000001' });
    expect(await session.lookup('4915120000001')).toBe(true);
    const first = 'msg_0123456789ABCDEF01';
    expect(await session.send({ id: first, to: '4915120000001', content: textContent('Hello Ada') }, 5000)).toEqual({});
    await heard(`receipt ${first} read`);
    expect(said.receipts).toEqual([`${first} delivered`, `${first} read`]);

    const queries = countQueries(session);
    expect(await session.lookup('4915120000001')).toBe(true);
    const second = newId();
    expect(await session.send({ id: second, to: '4915120000001', content: textContent('Hello again') }, 5000)).toEqual(
      {},
    );
    await heard(`receipt ${second} delivered`);
    expect(queries()).toBe(0);
    expect(await received('4915120000001')).toMatchObject([
      { id: '3EB00123456789ABCDEF01', text: 'Hello Ada', repeats: 0 },
      { text: 'Hello again', repeats: 0 },
    ]);
  });

  it('to a known number asks WhatsApp nothing on another host either, and takes no new session', async () => {
    const before = await g.linked('4915110000032');
    const to = '4915120000032';
    await before.session.send({ id: newId(), to, content: textContent('one') }, 5000);
    await before.session.close();
    await before.store.close();
    const after = g.connect(await g.openStore('acc_4915110000032'), { caches: sharedCaches(Date.now) });
    await after.heard('drained');
    const lid = String(after.store.get('lid-mapping', to));
    const session = (): string[] => Object.keys((after.store.get('session', `${lid}_1.0`) as Sessions)._sessions);
    const [known] = session();
    // What each login asks comes first.
    await sleep(1_000);
    const queries = countQueries(after.session);
    expect(await after.session.lookup(to)).toBe(true);
    expect(await after.session.send({ id: newId(), to, content: textContent('two') }, 5000)).toEqual({});
    expect(queries()).toBe(0);
    expect(session()).toEqual([known]);
    expect((await received(to)).map(({ text, repeats }) => [text, repeats])).toEqual([
      ['one', 0],
      ['two', 0],
    ]);
  });

  it('needs one commit, whether the recipient is new or known', async () => {
    const { session, store } = await g.linked('4915110000002');
    await session.send({ id: newId(), to: '4915120000002', content: textContent('one') }, 5000);
    await sleep(600);
    const before = store.stats.puts;
    await session.send({ id: newId(), to: '4915120000002', content: textContent('two') }, 5000);
    await sleep(600);
    expect(store.stats.puts).toBe(before + 1);
  });

  it('that misses a new device of the recipient is followed by one question, and the next one reaches it', async () => {
    const number = '4915110000034';
    const { session } = await g.linked(number);
    const to = '4915120000034';
    await session.send({ id: newId(), to, content: textContent('one') }, 5000);
    const queries = countQueries(session, 'usync');
    await g.control('POST', '/phones', { number: to, behaviour: { devices: 2 } });
    for (const text of ['two', 'three', 'four'])
      await session.send({ id: newId(), to, content: textContent(text) }, 5000);
    expect(queries()).toBe(1);
    const { body } = await g.control('GET', `/accounts/${number}/wire`);
    const { stanzas } = body as { stanzas: { copies: string[] }[] };
    const theirs = stanzas.map(({ copies }) => copies.filter((jid) => jid.startsWith(to)));
    const [phone, both] = [[`${to}@s.whatsapp.net`], [`${to}@s.whatsapp.net`, `${to}:98@s.whatsapp.net`]];
    expect(theirs).toEqual([phone, phone, both, both]);
    expect((await received(to)).map(({ repeats }) => repeats)).toEqual([0, 0, 0, 0]);
  });

  it('to our own number goes once to each of our other devices, and its receipts count', async () => {
    const own = '4915110000033';
    const { session, heard } = await g.linked(own);
    await g.control('POST', '/phones', { number: own, behaviour: { devices: 2 } });
    expect(await session.lookup(own)).toBe(true);
    const id = 'msg_0123456789ABCDEF33';
    expect(await session.send({ id, to: own, content: textContent('Hello me') }, 5000)).toEqual({});
    await heard(`receipt ${id} delivered`);
    await heard(`receipt ${id} read`);
    const { body } = await g.control('GET', `/accounts/${own}/wire`);
    expect(body).toMatchObject({
      stanzas: [{ to: own, copies: [`${own}@s.whatsapp.net`, `${own}:98@s.whatsapp.net`] }],
    });
    expect(await received(own)).toMatchObject([{ text: 'Hello me', repeats: 0 }]);
  });

  it('carries the refusal of the server as a code, and tells it from acceptance', async () => {
    const { session } = await g.linked('4915110000003');
    expect(await session.send({ id: newId(), to: '4915120000003', content: textContent('accepted') }, 5000)).toEqual(
      {},
    );
    await sleep(100);
    const queries = countQueries(session);
    for (const code of [463, 479, 429]) {
      await g.control('POST', '/faults', { account: '4915110000003', kind: 'error-ack', code });
      expect(await session.send({ id: newId(), to: '4915120000003', content: textContent('refused') }, 5000)).toEqual({
        code,
      });
    }
    await sleep(100);
    // Baileys by itself would ask for a trust token after a 463, which counts as another reach-out.
    expect(queries()).toBe(0);
    expect(await session.send({ id: newId(), to: '4915120000003', content: textContent('accepted') }, 5000)).toEqual(
      {},
    );
  });

  it('asks for the devices again after a 479, and the message still arrives once', async () => {
    const { session } = await g.linked('4915110000004');
    const to = '4915120000004';
    await session.send({ id: newId(), to, content: textContent('one') }, 5000);
    const queries = countQueries(session);
    await session.send({ id: newId(), to, content: textContent('two'), refreshDevices: true }, 5000);
    expect(queries()).toBeGreaterThan(0);
    expect((await received(to)).map(({ text, repeats }) => [text, repeats])).toEqual([
      ['one', 0],
      ['two', 0],
    ]);
  });

  it('is sent again from its text when a device could not open it', async () => {
    const { session, said, store, heard } = await g.linked('4915110000005');
    const to = '4915120000005';
    const first = newId();
    await session.send({ id: first, to, content: textContent('one') }, 5000);
    await heard(`receipt ${first} delivered`);
    const lid = String(store.get('lid-mapping', to));
    const record = store.get('session', `${lid}_1.0`) as Sessions;
    for (const entry of Object.values(record._sessions)) {
      for (const chain of Object.values(entry._chains)) {
        if (chain.chainKey?.key !== undefined) chain.chainKey.key = Buffer.alloc(32, 7).toString('base64');
      }
    }
    await store.set({ session: { [`${lid}_1.0`]: record } });
    const id = newId();
    said.sent.set(id, { to, content: textContent('two, again') });
    await session.send({ id, to, content: textContent('two, lost') }, 5000);
    await heard(`receipt ${id} delivered`);
    expect((await received(to)).map(({ text }) => text)).toEqual(['one', 'two, again']);
  });
});

interface Sessions {
  _sessions: Record<string, { _chains: Record<string, { chainKey?: { key?: string } }> }>;
}

describe('a send without an answer', () => {
  it('is Unanswered when the ack does not come in time, and a receipt resolves it after reconnecting', async () => {
    const before = await g.linked('4915110000006');
    await g.control('POST', '/faults', { account: '4915110000006', kind: 'withhold-ack' });
    const id = newId();
    const sending = before.session.send({ id, to: '4915120000006', content: textContent('silence') }, 100);
    await expect(sending).rejects.toBeInstanceOf(Unanswered);
    const after = await reconnected(before);
    await after.heard(`receipt ${id} delivered`);
    expect(await after.session.send({ id, to: '4915120000006', content: textContent('silence') }, 5000)).toEqual({});
    expect(await received('4915120000006')).toMatchObject([{ text: 'silence', repeats: 1 }]);
  });

  it('is Unanswered when the connection drops before the ack', async () => {
    const { session, said, heard } = await g.linked('4915110000007');
    await g.control('POST', '/faults', { account: '4915110000007', kind: 'delay-ack', ms: 5000 });
    const sending = session.send({ id: newId(), to: '4915120000007', content: textContent('gone') }, 10_000);
    sending.catch(() => {});
    await sleep(200);
    await g.control('POST', '/faults', { account: '4915110000007', kind: 'drop' });
    await expect(sending).rejects.toBeInstanceOf(Unanswered);
    await heard('closed');
    expect(said.end?.code).toBe(428);
  });

  it('is NotSent on a session that is not open', async () => {
    const { session } = await g.linked('4915110000008');
    await session.close();
    const sending = session.send({ id: newId(), to: '4915120000008', content: textContent('late') }, 1000);
    await expect(sending).rejects.toBeInstanceOf(NotSent);
    expect(await received('4915120000008')).toEqual([]);
  });
});

describe('durable before send', () => {
  it('puts nothing on the wire until the session is in S3', async () => {
    const { session } = await g.linked('4915110000010');
    await session.send({ id: newId(), to: '4915120000010', content: textContent('one') }, 5000);
    await sleep(600);
    const gate = Promise.withResolvers<void>();
    g.objects.before = () => gate.promise;
    const sending = session.send({ id: newId(), to: '4915120000010', content: textContent('two') }, 5000);
    await sleep(200);
    expect(await received('4915120000010')).toHaveLength(1);
    gate.resolve();
    g.objects.before = async () => {};
    expect(await sending).toEqual({});
    expect(await received('4915120000010')).toHaveLength(2);
  });

  it('goes on from S3 after a crash without using a counter twice', async () => {
    const crashed = await g.linked('4915110000011');
    const to = '4915120000011';
    for (const text of ['one', 'two', 'three'])
      await crashed.session.send({ id: newId(), to, content: textContent(text) }, 5000);
    // The process ends here: nothing is closed, nothing flushed. What S3 holds is all there is.
    const next = g.connect(await g.openStore('acc_4915110000011'));
    await next.heard('drained');
    expect(await next.session.send({ id: newId(), to, content: textContent('four') }, 5000)).toEqual({});
    expect((await received(to)).map(({ text }) => text)).toEqual(['one', 'two', 'three', 'four']);
    expect(g.simulator.totals()).toMatchObject({ usedCounters: 0 });
    await crashed.heard('closed');
    expect(crashed.said.end?.code).toBe(440);
  });

  it('cannot send once another owner has written: NotSent, and the session ends', async () => {
    const stale = await g.linked('4915110000012');
    await stale.session.send({ id: newId(), to: '4915120000012', content: textContent('one') }, 5000);
    await g.openStore('acc_4915110000012');
    const sending = stale.session.send({ id: newId(), to: '4915120000012', content: textContent('two') }, 5000);
    await expect(sending).rejects.toBeInstanceOf(NotSent);
    await stale.heard('closed');
    expect(stale.said.end).toEqual({ reason: 'unsaid', detail: 'a session could not be made durable' });
    expect((await received('4915120000012')).map(({ text }) => text)).toEqual(['one']);
  });

  it('cannot send while S3 is away, and sends after it is back', async () => {
    const before = await g.linked('4915110000013');
    await before.session.send({ id: newId(), to: '4915120000013', content: textContent('one') }, 5000);
    g.objects.before = async () => {
      throw new Error('unreachable');
    };
    const sending = before.session.send({ id: newId(), to: '4915120000013', content: textContent('two') }, 5000);
    await expect(sending).rejects.toBeInstanceOf(NotSent);
    await before.heard('closed');
    g.objects.before = async () => {};
    const after = await reconnected(before);
    await after.session.send({ id: newId(), to: '4915120000013', content: textContent('three') }, 5000);
    expect((await received('4915120000013')).map(({ text }) => text)).toEqual(['one', 'three']);
  });

  it('sends nothing once the lease is over', async () => {
    const { session, heard } = await g.linked('4915110000014');
    g.lease.held = false;
    const sending = session.send({ id: newId(), to: '4915120000014', content: textContent('late') }, 1000);
    await expect(sending).rejects.toBeInstanceOf(NotSent);
    await session.close();
    await heard('closed');
    g.lease.held = true;
    expect(await received('4915120000014')).toEqual([]);
  });
});

describe('a lookup', () => {
  it('asks once for each number and keeps the answer with the keys', async () => {
    const before = await g.linked('4915110000020');
    const queries = countQueries(before.session, 'usync');
    expect(await before.session.lookup('4915120000020')).toBe(true);
    expect(await before.session.lookup('4915120010000')).toBe(false);
    expect(queries()).toBe(2);
    expect(await before.session.lookup('4915120000020')).toBe(true);
    expect(await before.session.lookup('4915120010000')).toBe(false);
    expect(queries()).toBe(2);
    await before.session.close();
    await before.store.close();

    const store = await g.openStore('acc_4915110000020');
    const dayMs = 24 * 3_600_000;
    let daysLater = 0;
    const after = g.connect(store, { nowMs: () => Date.now() + daysLater * dayMs });
    await after.heard('drained');
    const later = countQueries(after.session, 'usync');
    expect(await after.session.lookup('4915120010000')).toBe(false);
    expect(later()).toBe(0);
    daysLater = 1;
    expect(await after.session.lookup('4915120000020')).toBe(true);
    expect(later()).toBe(0);
    expect(await after.session.lookup('4915120010000')).toBe(false);
    expect(later()).toBe(1);
  });

  it('knows without asking whom it has written to', async () => {
    const { session } = await g.linked('4915110000021');
    await session.send({ id: newId(), to: '4915120000021', content: textContent('hello') }, 5000);
    const queries = countQueries(session);
    expect(await session.lookup('4915120000021')).toBe(true);
    expect(queries()).toBe(0);
  });

  it('and the first message to a new number ask one question between them, and begin one session', async () => {
    const { session } = await g.linked('4915110000023');
    await session.send(
      { id: newId(), to: '4915120000023', content: textContent('our own devices are known now') },
      5000,
    );
    await sleep(100);
    const [lookups, all] = [countQueries(session, 'usync'), countQueries(session)];
    expect(await session.lookup('4915120000024')).toBe(true);
    expect(all()).toBe(1);
    expect(await session.send({ id: newId(), to: '4915120000024', content: textContent('hello') }, 5000)).toEqual({});
    await sleep(100);
    // Beside it: the keys to begin the session with, and our trust token for the person.
    expect([lookups(), all()]).toEqual([1, 3]);
    expect(await session.lookup('4915120030000')).toBe(false);
    expect([lookups(), all()]).toEqual([2, 4]);
  });

  it('is undefined, not no, when nobody answers', async () => {
    const { session } = await g.linked('4915110000022');
    await session.close();
    expect(await session.lookup('4915120000022')).toBeUndefined();
  });
});

describe('a number that WhatsApp knows by another', () => {
  const wireOf = async (account: string) => {
    const { body } = await g.control('GET', `/accounts/${account}/wire`);
    return (body as { stanzas: { to: string }[] }).stanzas.map(({ to }) => to);
  };

  it('is sent to where WhatsApp says, after a restart too; typing and receipts are of that address', async () => {
    const before = await g.linked('4915110000050');
    await g.control('POST', '/phones', { number: '5548999120009', behaviour: { answersAs: '554899120009' } });
    const [to, sentTo] = ['5548999120009', '554899120009'];
    const shown = vi.spyOn(Reflect.get(before.session, 'sock') as WASocket, 'sendPresenceUpdate');
    expect(await before.session.lookup(to)).toBe(true);
    await before.session.typing(to, true);
    expect(shown).toHaveBeenCalledWith('composing', '554899120009@s.whatsapp.net');
    const id = newId();
    expect(await before.session.send({ id, to, content: textContent('one') }, 5000)).toEqual({ sentTo });
    await before.heard(`receipt ${id} read`);
    // The process ends here. The next one sends the same message to the same address, and asks nothing.
    const after = g.connect(await g.openStore('acc_4915110000050'), { caches: sharedCaches(Date.now) });
    await after.heard('drained');
    const queries = countQueries(after.session, 'usync');
    expect(await after.session.lookup(to)).toBe(true);
    expect(await after.session.send({ id, to, content: textContent('one') }, 5000)).toEqual({ sentTo });
    expect(queries()).toBe(0);
    expect(await wireOf('4915110000050')).toEqual([sentTo, sentTo]);
    expect(await received(to)).toMatchObject([{ text: 'one', repeats: 1 }]);
    // Written to under this number, the person is there without another question.
    expect(await after.session.lookup(sentTo)).toBe(true);
    expect(queries()).toBe(0);
  });

  it('is asked for again where an earlier version kept no address, once; other numbers are not', async () => {
    const { session, store } = await g.linked('4915110000051');
    await g.control('POST', '/phones', { number: '5548999120011', behaviour: { answersAs: '554899120011' } });
    for (const number of ['5548999120011', '5548999120012', '4915120000051']) store.setLookup(number, true);
    const queries = countQueries(session, 'usync');
    for (const number of ['4915120000051', '5548999120011', '5548999120012', '5548999120012'])
      expect(await session.lookup(number)).toBe(true);
    expect(queries()).toBe(2);
    expect(store.getLookup('5548999120011')).toMatchObject({ onWhatsApp: true, address: '554899120011' });
    expect(store.getLookup('5548999120012')).toMatchObject({ onWhatsApp: true, address: '5548999120012' });
  });

  it('that is no spelling of it is told before anything is sent; receipts then name the number asked too', async () => {
    await g.control('POST', '/phones', { number: '4915120000052', behaviour: { answersAs: '4915120000053' } });
    const learnt: unknown[] = [];
    const givers: string[][] = [];
    let may = false;
    const { session, heard } = await g.linked('4915110000052', {
      async onAddressesLearnt(person) {
        learnt.push(person);
        return may;
      },
      async onReceipt({ from }) {
        givers.push(from);
      },
    });
    expect(await session.lookup('4915120000052')).toBe(true);
    const lid = session.personAt('4915120000052').lid;
    expect(learnt).toEqual([{ phoneNumber: '4915120000052', otherNumber: '4915120000053', lid }]);
    const message = { id: newId(), to: '4915120000052', content: textContent('hello') };
    expect(await session.send(message, 5000)).toEqual({ withheld: true });
    expect(await wireOf('4915110000052')).toEqual([]);
    may = true;
    expect(await session.send(message, 5000)).toEqual({ sentTo: '4915120000053' });
    await g.control('POST', '/phones/4915120000052/send', { to: '4915110000052', text: 'thanks' });
    await heard('inbound thanks');
    while (givers.length < 2) await sleep(10);
    expect(givers[0]).toEqual(['4915120000053', '4915120000052', `lid:${lid}`]);
    expect(session.personAt('4915120000052').otherNumber).toBe('4915120000053');
    expect(session.personAt('4915120000053').otherNumber).toBeUndefined();
  });
});

it('shows typing without failing, connected or not', async () => {
  const { session } = await g.linked('4915110000030');
  await session.typing('4915120000030', true);
  await session.typing('4915120000030', false);
  await session.close();
  await session.typing('4915120000030', true);
});

it('sends side by side calls one after the other, each with its own answer', async () => {
  const { session } = await g.linked('4915110000031');
  const to = ['4915120000031', '4915120000032', '4915120000033', '4915120000031'];
  const acks = await Promise.all(
    to.map((number) => session.send({ id: newId(), to: number, content: textContent('hi') }, 5000)),
  );
  expect(acks).toEqual([{}, {}, {}, {}]);
  expect(await received('4915120000031')).toHaveLength(2);
  expect(g.simulator.totals()).toMatchObject({ usedCounters: 0 });
});

describe('a chat, as WhatsApp sees it when it refuses first contacts', () => {
  it('begins with a message that was taken, not with one that was refused, and with whatever the person writes', async () => {
    const [number, stranger, taken] = ['4915110000463', '4915120000463', '4915120000464'];
    const { session, heard, store } = await g.linked(number);
    for (const phone of [stranger, taken]) await g.control('POST', '/phones', { number: phone });
    expect([session.hasChat(stranger), session.hasChat(taken), session.hasChat(number)]).toEqual([false, false, true]);
    await session.send({ id: newId(), to: taken, content: textContent('one') }, 5000);
    expect(session.hasChat(taken)).toBe(true);
    await g.control('POST', '/faults', { account: number, kind: 'error-ack', code: 463 });
    expect(await session.send({ id: newId(), to: stranger, content: textContent('two') }, 5000)).toEqual({ code: 463 });
    expect(session.hasChat(stranger)).toBe(false);
    await store.set({ tctoken: { [`${session.personAt(stranger).lid}@lid`]: token(Date.now() - 5 * 7 * 86_400_000) } });
    expect(session.hasChat(stranger)).toBe(false);
    await store.set({ tctoken: { [`${session.personAt(stranger).lid}@lid`]: token(Date.now() + 1000) } });
    expect(session.hasChat(stranger)).toBe(true);
    await store.set({ tctoken: { [`${session.personAt(stranger).lid}@lid`]: undefined } });
    expect(session.hasChat(stranger)).toBe(false);
    await g.control('POST', `/phones/${stranger}/send`, { to: number, text: 'I write first' });
    await heard('inbound I write first');
    await sleep(50);
    expect(session.hasChat(stranger)).toBe(true);
  });

  it('is asked about once after a 463, and a change that WhatsApp tells is heard', async () => {
    const number = '4915110000465';
    const { session, said, heard } = await g.linked(number);
    expect(await session.firstContactsRefusedUntil()).toBeUndefined();
    expect(said.events).not.toContain('first contacts taken');
    await g.control('POST', '/faults', { account: number, kind: 'timelock', ms: 3_600_000 });
    await heard('first contacts refused');
    const untilMs = (await session.firstContactsRefusedUntil()) ?? 0;
    expect(Math.abs(untilMs - Date.now() - 3_600_000)).toBeLessThan(10_000);
    await g.control('POST', '/faults', { account: number, kind: 'timelock', ms: 0 });
    await heard('first contacts taken');
  });
});

const token = (atMs: number) => ({ token: Buffer.from('t'), timestamp: String(Math.floor(atMs / 1000)) });
