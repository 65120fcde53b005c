import type { BinaryNode } from '@whiskeysockets/baileys';
import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { textContent } from '../../../lib/domain/content.ts';
import type { InboundMessage } from '../../../lib/domain/inbound/inbound.ts';
import type { TransportSession } from '../../../socket-host/transport.ts';
import { type Gateway, gateway } from './gateway.ts';
import { sleep, stanzasOf } from './probe.ts';

let g: Gateway;
beforeAll(async () => {
  g = await gateway();
});
afterAll(() => g.cleanUp());

async function phoneSays(from: string, to: string, text: string): Promise<string> {
  await g.control('POST', '/phones', { number: from });
  const { body } = await g.control('POST', `/phones/${from}/send`, { to, text });
  return (body as { id: string }).id;
}

describe('a text from a phone', () => {
  it('is told with its number, its LID and its text, and comes once', async () => {
    const first = await g.linked('4915130000001');
    const id = await phoneSays('4915140000001', '4915130000001', 'STOP please');
    await first.heard('inbound STOP please');
    expect(first.said.inbound).toEqual([
      {
        id,
        from: '4915140000001',
        fromLid: expect.stringMatching(/^\d+$/),
        type: 'text',
        text: 'STOP please',
        at: expect.any(Number),
      },
    ]);
    expect(Math.abs((first.said.inbound[0]?.at ?? 0) - Date.now())).toBeLessThan(10_000);
    await sleep(100);
    await first.session.close();
    const second = g.connect(first.store);
    await second.heard('drained');
    expect(second.said.inbound).toEqual([]);
  });

  it('that waited at the server is handled before the session says it has drained', async () => {
    const first = await g.linked('4915130000002');
    await first.session.close();
    for (const text of ['one', 'two', 'three']) await phoneSays('4915140000002', '4915130000002', text);
    const slow: string[] = [];
    const second = g.connect(
      first.store,
      {},
      {
        onInbound: async ({ text }) => {
          await sleep(30);
          slow.push(String(text));
        },
        onDrained: () => slow.push('drained'),
      },
    );
    await second.heard('open 4915130000002');
    while (!slow.includes('drained')) await sleep(5);
    expect(slow).toEqual(['one', 'two', 'three', 'drained']);
  });
});

describe('messages of one person', () => {
  it('are told in the order they were written, the first ones too', async () => {
    const number = '4915130000031';
    const inbound: InboundMessage[] = [];
    await g.linked(number, {
      onInbound: async (message) => {
        await sleep(50);
        inbound.push(message);
      },
    });
    const people = Array.from({ length: 6 }, (_, i) => `491514000031${i}`);
    const texts = ['one', 'two', 'three'];
    await Promise.all(people.map((from) => g.control('POST', '/phones', { number: from })));
    await Promise.all(
      people.map(async (from) => {
        for (const text of texts) await g.control('POST', `/phones/${from}/send`, { to: number, text });
      }),
    );
    while (inbound.length < people.length * texts.length) await sleep(5);
    const told = people.map((from) => inbound.filter((one) => one.from === from).map(({ text }) => text));
    expect(told).toEqual(people.map(() => texts));
  });

  it('that waited at the server are told before those that come now', async () => {
    const number = '4915130000032';
    const first = await g.linked(number);
    await first.session.close();
    const texts = Array.from({ length: 12 }, (_, i) => `waited ${i}`);
    for (const text of texts) await phoneSays('4915140000320', number, text);
    const told: string[] = [];
    const onInbound = async ({ text }: InboundMessage) => {
      await sleep(60);
      told.push(String(text));
    };
    const second = g.connect(first.store, {}, { onInbound });
    await second.heard(`open ${number}`);
    await phoneSays('4915140000320', number, 'now');
    while (told.length < 13) await sleep(5);
    expect(told).toEqual([...texts, 'now']);
  });
});

/** A stanza as if it had come from the server. */
function comes(session: TransportSession, attrs: Record<string, string>, content: BinaryNode[] | undefined): void {
  const stanza = { tag: 'message', attrs: { type: 'text', ...attrs }, content };
  for (const event of ['frame', 'CB:message']) stanzasOf(session).emit(event, stanza);
}

const enc = (type: string): BinaryNode => ({ tag: 'enc', attrs: { type, v: '2' }, content: Uint8Array.of(1, 2, 3) });
const now = () => String(Math.floor(Date.now() / 1000));

describe('messages that cannot be read', () => {
  const kinds: object[] = [
    { text: 'lost' },
    { image: { caption: 'lost' } },
    { location: { latitude: 1, longitude: 2 } },
    { edit: { id: '3A01', text: 'lost' } },
  ];
  const sends = async (from: string, to: string, body: object): Promise<string> => {
    const answer = await g.control('POST', `/phones/${from}/send`, { to, ...body });
    expect(answer.status).toBe(201);
    return (answer.body as { id: string }).id;
  };
  /** Of each kind in turn, cut in half by a readable one. */
  const sendsLost = async (from: string, to: string, count: number) => {
    const ids: string[] = [];
    for (let i = 0; i < count; i++) {
      const kind = kinds[i % kinds.length] ?? {};
      if (i === count / 2) await sends(from, to, kind);
      ids.push(await sends(from, to, { ...kind, corrupt: true }));
    }
    return ids;
  };

  it.each([
    [12, '4915130000041'],
    [40, '4915130000042'],
  ])(
    'and waited, %i of them, do not hold up a STOP behind them; nothing is drained before it is read',
    async (count, number) => {
      const first = await g.linked(number);
      await first.session.close();
      const stranger = `${number}1`;
      await Promise.all([stranger, `${number}2`].map((from) => g.control('POST', '/phones', { number: from })));
      const lost = await sendsLost(stranger, number, count);
      await sends(`${number}2`, number, { text: 'STOP' });
      const second = g.connect(first.store);
      await second.heard(`open ${number}`);
      const loggedInAt = Date.now();
      await second.heard('inbound STOP', 4000);
      await second.heard('drained', 4000);
      expect(Date.now() - loggedInAt).toBeLessThan(4000);
      const { events } = second.said;
      expect(events.filter((event) => event.startsWith('undecryptable'))).toEqual(
        lost.map((id) => `undecryptable ${id}`),
      );
      expect(events.indexOf('drained')).toBeGreaterThan(events.indexOf('inbound STOP'));
    },
  );

  it('now, 40 of them, do not hold up a STOP behind them', async () => {
    const number = '4915130000043';
    const { heard } = await g.linked(number);
    await Promise.all(['1', '2'].map((end) => g.control('POST', '/phones', { number: number + end })));
    const lost = await sendsLost(`${number}1`, number, 40);
    await sends(`${number}2`, number, { text: 'STOP' });
    await heard('inbound STOP', 4000);
    await heard(`undecryptable ${lost.at(-1)}`, 1);
  });

  it('are asked for again a hundred times an hour, then only acked and counted', async () => {
    const number = '4915130000044';
    const { session, said, heard } = await g.linked(number);
    const answers: string[] = [];
    stanzasOf(session).on('frame', ({ tag, attrs }: { tag: string; attrs: { type?: string; id: string } }) => {
      if (tag === 'ack' && attrs.type === 'retry') answers.push(attrs.id);
    });
    const from = (lid: string, id: string) => comes(session, { id, from: lid, t: now() }, [enc('msg')]);
    for (let i = 1; i <= 130; i++) from('800000000000001:3@lid', `LOST${i}`);
    from('800000000000002@lid', 'OTHER');
    await heard('undecryptable OTHER');
    while (!answers.includes('OTHER')) await sleep(5);
    const asked = Array.from({ length: 100 }, (_, i) => `LOST${i + 1}`);
    expect(answers).toEqual([...asked, 'OTHER']);
    const counted = Array.from({ length: 30 }, (_, i) => `undecryptable LOST${i + 101} for good`);
    expect(said.events.slice(-131)).toEqual([
      ...asked.map((id) => `undecryptable ${id}`),
      ...counted,
      'undecryptable OTHER',
    ]);
  });

  it('delay nobody, whatever they hold instead of a ciphertext', async () => {
    const number = '4915130000045';
    const { session, said, heard } = await g.linked(number);
    const answers: string[] = [];
    stanzasOf(session).on('frame', ({ tag, attrs }: { tag: string; attrs: { type?: string; id: string } }) => {
      if (tag === 'ack' && attrs.type === 'retry') answers.push(attrs.id);
    });
    const contents: [string, BinaryNode[] | undefined][] = [
      ['group', [enc('skmsg')]],
      ['unknown', [enc('xmsg')]],
      ['bot', [enc('msmsg')]],
      ['typeless', [{ tag: 'enc', attrs: {}, content: Uint8Array.of(1) }]],
      ['empty', [{ tag: 'enc', attrs: { type: 'msg', v: '2' } }]],
      ['absent', [{ tag: 'unavailable', attrs: {} }]],
      ['hosted', [{ tag: 'unavailable', attrs: { type: 'hosted_unavailable_fanout' } }]],
      ['nothing', undefined],
    ];
    for (const [id, content] of contents) comes(session, { id, from: '800000000000003@lid', t: now() }, content);
    comes(session, { id: 'old', from: '800000000000003@lid', t: '1' }, undefined);
    comes(session, { id: 'odd', from: '800000000000003@lid', recipient: '1@lid', t: now() }, undefined);
    comes(session, { from: '800000000000003@lid', t: now() }, undefined);
    await phoneSays(`${number}1`, number, 'STOP');
    await heard('inbound STOP', 4000);
    const ids = [...contents.map(([id]) => id), 'old', 'odd'];
    expect(said.events.slice(2)).toEqual([...ids.map((id) => `undecryptable ${id} for good`), 'inbound STOP']);
    expect(answers).toEqual([]);
    expect(said.end).toBeUndefined();
  });

  it('are passed over on the third connection when they have got stuck on two', async () => {
    const number = '4915130000046';
    const { session, heard } = await g.linked(number);
    const { unreadable } = g.caches.of(`ten_1/acc_${number}/`);
    for (const _ of [1, 2]) unreadable.gotStuck('STUCK');
    comes(session, { id: 'STUCK', from: '800000000000004@lid', t: now() }, [enc('msg')]);
    await heard('undecryptable STUCK for good', 4000);
  });
});

describe('what a phone sends', () => {
  const [phone, number] = ['4915140000010', '4915130000010'];
  const sends = async (body: object): Promise<string> => {
    await g.control('POST', '/phones', { number: phone });
    const answer = await g.control('POST', `/phones/${phone}/send`, { to: number, ...body });
    expect(answer.status).toBe(201);
    return (answer.body as { id: string }).id;
  };

  it('is told by kind', async () => {
    const { said } = await g.linked(number);
    const sent = `3EB0${'F'.repeat(18)}`;
    const ids: string[] = [];
    for (const body of [
      { text: 'hello' },
      { image: { caption: 'a picture', bytes: 54_321 } },
      { location: { latitude: 52.5, longitude: 13.4, name: 'Berlin' } },
      { contact: { name: 'Ann', vcard: 'BEGIN:VCARD' } },
      { reaction: { id: sent, emoji: '👍' } },
      { reaction: { id: sent, emoji: '' } },
      { edit: { id: '3A01', text: 'hello again' } },
      { edit: { id: '3A02', text: 'of a message that never came', encrypted: true } },
      { delete: { id: '3A01' } },
    ]) {
      ids.push(await sends(body));
      while (said.inbound.length < ids.length) await sleep(5);
    }
    const common = { from: phone, fromLid: expect.stringMatching(/^\d+$/), at: expect.any(Number) };
    expect(said.inbound).toEqual(
      [
        { type: 'text', text: 'hello' },
        {
          type: 'image',
          text: 'a picture',
          media: { mimeType: 'image/jpeg', sizeBytes: 54_321, width: 640, height: 480 },
        },
        { type: 'location', location: { latitude: 52.5, longitude: 13.4, name: 'Berlin' } },
        { type: 'contact', contacts: [{ name: 'Ann', vcard: 'BEGIN:VCARD' }] },
        { type: 'reaction', emoji: '👍', target: sent },
        { type: 'reaction', emoji: null, target: sent },
        { type: 'edit', text: 'hello again', target: '3A01' },
        { type: 'edit', target: '3A02' },
        { type: 'delete', target: '3A01' },
      ].map((content, index) => ({ ...common, id: ids[index], ...content })),
    );
  });

  it.each([
    [false, false],
    [true, false],
    [false, true],
  ])('is an encrypted edit of what it has sent, by its hidden id alone: %s, later: %s', async (first, later) => {
    const { said, heard } = await g.linked(`491513000005${Number(first)}${Number(later)}`);
    const to = `491513000005${Number(first)}${Number(later)}`;
    await g.control('POST', '/phones', { number: phone });
    const { body } = await g.control('POST', `/phones/${phone}/send`, { to, text: 'hello', hidden: first });
    const { id } = body as { id: string };
    await heard('inbound hello');
    const edit = { id, text: 'STOP', encrypted: true };
    await g.control('POST', `/phones/${phone}/send`, { to, edit, hidden: later });
    await heard('inbound STOP');
    expect(said.inbound.at(-1)).toMatchObject({ type: 'edit', text: 'STOP', target: id });
  });

  it('is told as other where only phones show it, and comes once', async () => {
    const number = '4915130000047';
    const { session, said, heard } = await g.linked(number);
    const attrs = { id: 'ONCE', from: '800000000000005@lid', t: '1800000000' };
    comes(session, attrs, [{ tag: 'unavailable', attrs: { type: 'view_once' } }]);
    await heard('inbound undefined');
    expect(said.inbound).toEqual([
      { id: 'ONCE', from: '800000000000005', fromLid: '800000000000005', type: 'other', at: 1_800_000_000_000 },
    ]);
    expect(said.events.filter((event) => event.startsWith('undecryptable'))).toEqual([]);
  });

  it('has its number when WhatsApp tells only the LID and the account knows whose it is, else the LID', async () => {
    const { said, session } = await g.linked('4915130000011');
    const strange = async (from: string) => {
      await g.control('POST', '/phones', { number: from });
      await g.control('POST', `/phones/${from}/send`, { to: '4915130000011', text: 'STOP', hidden: true });
    };
    await session.send({ id: `msg_${'9'.repeat(18)}`, to: '4915140000011', content: textContent('hello') }, 5000);
    expect(said.events).toContain('lid of 4915140000011');
    await strange('4915140000011');
    while (said.inbound.length < 1) await sleep(5);
    await strange('4915140000012');
    while (said.inbound.length < 2) await sleep(5);
    const [known, unknown] = said.inbound;
    expect(known).toMatchObject({ from: '4915140000011', fromLid: session.personAt('4915140000011').lid });
    expect(unknown?.from).toBe(unknown?.fromLid);
    expect(unknown?.from).not.toBe('4915140000012');
  });

  it('is asked for again when it cannot be read, counted, and told once it can', async () => {
    const first = await g.linked('4915130000012');
    await phoneSays('4915140000013', '4915130000012', 'one');
    await first.heard('inbound one');
    // The session is lost here, not at the phone.
    const lid = first.session.personAt('4915140000013').lid;
    await first.store.set({ session: { [`${lid}_1.0`]: null, [`${lid}.0`]: null } });
    const id = await phoneSays('4915140000013', '4915130000012', 'two');
    await first.heard(`undecryptable ${id}`);
    await first.heard('inbound two');
    expect(first.said.inbound.map(({ text }) => text)).toEqual(['one', 'two']);
    expect(first.said.events.filter((event) => event.startsWith('undecryptable'))).toHaveLength(1);
  });

  it.each([
    ['no protobuf', Uint8Array.of(0xff, 0xff, 0xff)],
    ['a text that breaks off', Uint8Array.of(0x0a, 0x7f, 0x61)],
  ])('does not end the connection, now or on the next, when it holds %s', async (_, bytes) => {
    const number = `491513000002${bytes[0] === 0xff ? 1 : 2}`;
    const first = await g.linked(number);
    await phoneSays('4915140000016', number, 'before');
    await first.heard('inbound before');
    const garbage = vi.spyOn(proto.Message, 'encode').mockReturnValueOnce({ finish: () => bytes } as never);
    const id = await phoneSays('4915140000016', number, 'whatever');
    garbage.mockRestore();
    await first.heard(`undecryptable ${id}`);
    await phoneSays('4915140000016', number, 'after');
    await first.heard('inbound after');
    expect(first.said.end).toBeUndefined();
    expect(first.said.inbound.map(({ text }) => text)).toEqual(['before', 'after']);
    await first.session.close();
    const second = g.connect(first.store);
    await second.heard('drained');
    expect(second.said.end).toBeUndefined();
  });

  it('is not what only clients see: history, settings, keys', async () => {
    const { said, session } = await g.linked('4915130000013');
    await g.control('POST', '/faults', { account: '4915130000013', kind: 'noise', count: 2 });
    await sleep(400);
    expect(said.inbound).toEqual([]);
    expect(said.events.filter((event) => event.startsWith('undecryptable'))).toEqual([]);
    expect(
      await session.send({ id: `msg_${'8'.repeat(18)}`, to: '4915140000014', content: textContent('x') }, 5000),
    ).toEqual({});
  });
});

it('does not send the first message to somebody who is not to be written to, once their LID is known', async () => {
  const learnt: object[] = [];
  const { session } = await g.linked('4915130000014', {
    async onAddressesLearnt(person) {
      learnt.push(person);
      return false;
    },
  });
  const message = { id: `msg_${'7'.repeat(18)}`, to: '4915140000015', content: textContent('not wanted') };
  expect(await session.send(message, 5000)).toEqual({ withheld: true });
  expect(learnt).toEqual([{ phoneNumber: '4915140000015', lid: session.personAt('4915140000015').lid }]);
  expect((await g.control('GET', '/phones/4915140000015/messages')).body).toEqual([]);
});

describe('stored before receipt', () => {
  it('sends no receipt when the listener fails: the session ends, WhatsApp delivers again, and the text can still be read', async () => {
    const number = '4915130000003';
    let failing = true;
    const stored: string[] = [];
    const store = async (message: InboundMessage) => {
      if (failing) throw new Error('the table is away');
      stored.push(`${message.id} ${message.text}`);
    };
    const first = await g.linked(number, { onInbound: store });
    await first.session.send(
      { id: `msg_${'A'.repeat(18)}`, to: '4915140000003', content: textContent('question') },
      5000,
    );
    const id = await phoneSays('4915140000003', number, 'answer');
    await first.heard('closed');
    expect(first.said.end).toEqual({ reason: 'unsaid', detail: 'an inbound message could not be stored' });
    const again = g.connect(first.store, {}, { onInbound: store });
    await again.heard('closed');
    failing = false;
    const third = g.connect(first.store, {}, { onInbound: store });
    await third.heard('drained');
    expect(stored).toEqual([`${id} answer`]);
    const last = await phoneSays('4915140000003', number, 'and another');
    while (stored.length < 2) await sleep(5);
    expect(stored[1]).toBe(`${last} and another`);
    expect(
      await third.session.send({ id: `msg_${'B'.repeat(18)}`, to: '4915140000003', content: textContent('ok') }, 5000),
    ).toEqual({});
    expect(g.simulator.totals()).toMatchObject({ usedCounters: 0, undecryptable: 0 });
  });

  it('does not let a send meanwhile make the keys of an unstored message durable', async () => {
    const number = '4915130000004';
    const gate = Promise.withResolvers<void>();
    const first = await g.linked(number, { onInbound: () => gate.promise });
    await first.session.send(
      { id: `msg_${'C'.repeat(18)}`, to: '4915140000004', content: textContent('warm up') },
      5000,
    );
    await phoneSays('4915140000004', number, 'not stored');
    await sleep(150);
    const sending = first.session.send(
      { id: `msg_${'D'.repeat(18)}`, to: '4915140000005', content: textContent('other') },
      5000,
    );
    sending.catch(() => {});
    await sleep(50);
    gate.reject(new Error('the table is away'));
    await first.heard('closed');
    // The process ends here; its successor must be able to read what is delivered again.
    const second = g.connect(await g.openStore(`acc_${number}`));
    await second.heard('inbound not stored');
    expect(g.simulator.totals()).toMatchObject({ usedCounters: 0 });
  });

  it('keeps the receipt back until the message is stored', async () => {
    const number = '4915130000005';
    const first = await g.linked(number, { onInbound: () => new Promise(() => {}) });
    await phoneSays('4915140000006', number, 'patience');
    await sleep(150);
    await g.control('POST', '/faults', { account: number, kind: 'drop' });
    await first.heard('closed');
    const second = g.connect(await g.openStore(`acc_${number}`));
    await second.heard('inbound patience');
  });

  it('writes nothing when the lease ends while the message is being stored', async () => {
    const number = '4915130000006';
    const first = await g.linked(number, {
      onInbound: async () => {
        g.lease.held = false;
      },
    });
    await phoneSays('4915140000007', number, 'too late');
    await first.heard('closed');
    g.lease.held = true;
    const second = g.connect(await g.openStore(`acc_${number}`));
    await second.heard('inbound too late');
  });
});

it('leaves groups, status and newsletters alone', async () => {
  const { session, said } = await g.linked('4915130000007');
  const ciphertext = new Uint8Array([1, 2, 3]);
  for (const from of ['123-456@g.us', 'status@broadcast', '999@newsletter']) {
    stanzasOf(session).emit('CB:message', {
      tag: 'message',
      attrs: { id: 'X', from, participant: '4915140000008@s.whatsapp.net', t: '1', type: 'text' },
      content: [{ tag: 'enc', attrs: { type: 'msg', v: '2' }, content: ciphertext }],
    });
  }
  await sleep(100);
  expect(said.inbound).toEqual([]);
  expect(
    await session.send({ id: `msg_${'E'.repeat(18)}`, to: '4915140000008', content: textContent('alive') }, 5000),
  ).toEqual({});
});
