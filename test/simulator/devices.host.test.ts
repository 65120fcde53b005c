import type { BinaryNode } from '@whiskeysockets/baileys';
import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import { expect, test } from 'vitest';
import type { ReceivedMessage } from '../../simulator/server.ts';
import { type Client, get, linkAndLogin, login, post, simulate, until } from './client.ts';

const ACCOUNT = '15550100001';
const OTHER = '15550100002';
const FRIEND = '15550200001';
const jid = (number: string) => `${number}@s.whatsapp.net`;

const textsOf = (client: Client, prefix: string) =>
  client.received.flatMap(({ message, key }) => {
    const text = message?.conversation ?? message?.extendedTextMessage?.text ?? '';
    return text.startsWith(prefix) ? [{ text, fromMe: key.fromMe, remoteJid: key.remoteJid }] : [];
  });

async function devicesOf(client: Client, number: string): Promise<number[]> {
  const devices = await client.sock.getUSyncDevices([jid(number)], false, false);
  return devices.map(({ device = 0 }) => device).sort((a, b) => a - b);
}

test('each device of a phone gets one copy, which counts as one message, and says that it came', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: FRIEND, behaviour: { devices: 3 } });
  const client = await linkAndLogin(simulator, ACCOUNT);
  const receipts: string[] = [];
  client.sock.ws.on('CB:receipt', ({ attrs }: BinaryNode) =>
    receipts.push(`${attrs.from} ${attrs.type ?? 'delivered'}`),
  );

  expect(await devicesOf(client, FRIEND)).toEqual([0, 97, 98]);
  for (const id of ['A', 'B']) await client.sock.sendMessage(jid(FRIEND), { text: id }, { messageId: id });
  await until(() => receipts.length === 8, 'all receipts');

  for (const of of [FRIEND, `${FRIEND}:97`, `${FRIEND}:98`]) {
    expect(await get(simulator, `/phones/${of}/messages`)).toMatchObject([
      { id: 'A', text: 'A', repeats: 0 },
      { id: 'B', text: 'B', repeats: 0 },
    ]);
  }
  expect(receipts.filter((one) => one.startsWith(`${FRIEND}:98@`))).toEqual([
    `${FRIEND}:98@s.whatsapp.net delivered`,
    `${FRIEND}:98@s.whatsapp.net delivered`,
  ]);
  expect(simulator.totals()).toMatchObject({ received: 2, distinct: 2, repeatsOnWire: 0, undecryptable: 0 });
});

test('the list of devices is whole, and signed by the phone', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: ACCOUNT, behaviour: { devices: 2 } });
  const first = await linkAndLogin(simulator, ACCOUNT);
  const second = await linkAndLogin(simulator, ACCOUNT);
  const stranger = await linkAndLogin(simulator, OTHER);

  const query: BinaryNode[] = [
    { tag: 'query', attrs: {}, content: [{ tag: 'devices', attrs: { version: '2' } }] },
    { tag: 'list', attrs: {}, content: [{ tag: 'user', attrs: { jid: jid(ACCOUNT) } }] },
  ];
  const answer: BinaryNode = await stranger.sock.query({
    tag: 'iq',
    attrs: { to: '@s.whatsapp.net', type: 'get', xmlns: 'usync' },
    content: [
      {
        tag: 'usync',
        attrs: { sid: '1', mode: 'query', last: 'true', index: '0', context: 'message' },
        content: query,
      },
    ],
  });

  const found = (node: BinaryNode, ...path: string[]): BinaryNode =>
    path.reduce((at, tag) => (at.content as BinaryNode[]).find((one) => one.tag === tag) as BinaryNode, node);
  const devices = found(answer, 'usync', 'list', 'user', 'devices');
  const listed = (found(devices, 'device-list').content as BinaryNode[]).map(({ attrs }) => attrs);
  expect(listed).toEqual([
    { id: '0' },
    { id: '1', 'key-index': '1' },
    { id: '2', 'key-index': '2' },
    { id: '98', 'key-index': '98' },
  ]);
  const signed = proto.ADVSignedKeyIndexList.decode(found(devices, 'key-index-list').content as Uint8Array);
  expect(proto.ADVKeyIndexList.decode(signed.details ?? new Uint8Array()).validIndexes).toEqual([0, 1, 2, 98]);
  expect(signed.accountSignature).toHaveLength(64);
  // Baileys leaves itself out.
  expect([await devicesOf(first, ACCOUNT), await devicesOf(second, ACCOUNT)]).toEqual([
    [0, 2, 98],
    [0, 1, 98],
  ]);
});

test('what one device of an account sends, the others get as sent by themselves', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: ACCOUNT, behaviour: { devices: 2 } });
  const sender = await linkAndLogin(simulator, ACCOUNT);
  const twin = await linkAndLogin(simulator, ACCOUNT, { emitOwnEvents: true });

  for (const n of [1, 2, 3]) await sender.sock.sendMessage(jid(FRIEND), { text: `copy ${n}` }, { messageId: `C${n}` });
  await until(() => textsOf(twin, 'copy').length === 3, 'the copies');
  await until(() => simulator.totals().received === 3, 'the messages');

  expect(textsOf(twin, 'copy')).toEqual(
    [1, 2, 3].map((n) => ({ text: `copy ${n}`, fromMe: true, remoteJid: jid(FRIEND) })),
  );
  expect(await get(simulator, `/phones/${ACCOUNT}:98/messages`)).toMatchObject([
    { id: 'C1' },
    { id: 'C2' },
    { id: 'C3' },
  ]);
  expect(await get(simulator, `/phones/${ACCOUNT}/messages`)).toEqual([]);
  expect(simulator.totals()).toMatchObject({ received: 3, undecryptable: 0, usedCounters: 0 });
});

test('two accounts write to each other, and receipts go back; what came while one was away waits', async () => {
  const simulator = await simulate();
  const one = await linkAndLogin(simulator, ACCOUNT);
  const two = await linkAndLogin(simulator, OTHER);

  await one.sock.sendMessage(jid(OTHER), { text: 'to you 1' }, { messageId: 'ONE' });
  await until(() => textsOf(two, 'to you').length === 1, 'the message');
  await two.sock.sendMessage(jid(ACCOUNT), { text: 'to me' }, { messageId: 'TWO' });
  await until(() => textsOf(one, 'to me').length === 1, 'the answer');
  two.end();
  await until(() => simulator.totals().connections === 1, 'the end of the connection');
  await one.sock.sendMessage(jid(OTHER), { text: 'to you 2' }, { messageId: 'THREE' });
  const again = await login(simulator, two.auth);
  await until(() => textsOf(again, 'to you').length === 1, 'what waited');
  await again.sock.readMessages([{ remoteJid: jid(ACCOUNT), id: 'THREE', fromMe: false }]);
  await until(() => one.statuses.some(({ id, status }) => id === 'THREE' && status === 4), 'the read receipt');

  expect(textsOf(again, 'to you')).toEqual([{ text: 'to you 2', fromMe: false, remoteJid: jid(ACCOUNT) }]);
  // The phones themselves have theirs too.
  expect((await get<ReceivedMessage[]>(simulator, `/phones/${OTHER}/messages`)).map(({ id }) => id)).toEqual([
    'ONE',
    'THREE',
  ]);
  expect(simulator.totals()).toMatchObject({ received: 3, undecryptable: 0, repeatsOnWire: 0 });
});

test('an account that cannot open what another account sent asks it, and gets the message anew', async () => {
  const simulator = await simulate();
  // Baileys' own cache does not find a message for a request that names the device.
  const getMessage = async () => ({ conversation: 'to you 2' });
  const one = await linkAndLogin(simulator, ACCOUNT, { getMessage });
  const two = await linkAndLogin(simulator, OTHER);
  await one.sock.sendMessage(jid(OTHER), { text: 'to you 1' });
  await until(() => textsOf(two, 'to you').length === 1, 'the message');

  for (const key of [...two.auth.keys.keys()]) if (key.startsWith('session ')) two.auth.keys.delete(key);
  await one.sock.sendMessage(jid(OTHER), { text: 'to you 2' });
  await until(() => textsOf(two, 'to you 2').length === 1, 'the message anew');

  expect(simulator.totals()).toMatchObject({ distinct: 2, undecryptable: 0 });
});

test('a lookup says what phones say about themselves, and names a person by the hidden id where that is asked', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const lid = (await client.sock.signalRepository.lidMapping.getLIDForPN(jid(FRIEND))) ?? '';
  const protocols = ['business', 'status', 'picture', 'lid', 'disappearing_mode'].map((tag) => ({ tag, attrs: {} }));
  const contact: BinaryNode = { tag: 'contact', attrs: { addressing_mode: 'lid' } };
  const user = (number: string): BinaryNode => ({
    tag: 'user',
    attrs: {},
    content: [{ tag: 'contact', attrs: {}, content: Buffer.from(`+${number}`) }],
  });

  const answer: BinaryNode = await client.sock.query({
    tag: 'iq',
    attrs: { to: '@s.whatsapp.net', type: 'get', xmlns: 'usync' },
    content: [
      {
        tag: 'usync',
        attrs: { sid: '1', mode: 'query', last: 'true', index: '0', context: 'interactive' },
        content: [
          { tag: 'query', attrs: {}, content: [contact, ...protocols] },
          { tag: 'list', attrs: {}, content: [user(FRIEND), user('15550200000')] },
        ],
      },
    ],
  });

  const [, list] = ((answer.content as BinaryNode[])[0]?.content ?? []) as BinaryNode[];
  const [friend, nobody] = (list?.content ?? []) as BinaryNode[];
  expect(friend?.attrs).toEqual({ jid: expect.stringMatching(/^\d{15}@lid$/), pn_jid: jid(FRIEND) });
  expect(lid === '' || friend?.attrs.jid === lid).toBe(true);
  expect(((friend?.content ?? []) as BinaryNode[]).map(({ tag }) => tag)).toEqual([
    'contact',
    'business',
    'status',
    'picture',
    'lid',
    'disappearing_mode',
  ]);
  expect(nobody).toMatchObject({
    attrs: { jid: jid('15550200000') },
    content: [{ tag: 'contact', attrs: { type: 'out' } }],
  });
  expect(await client.sock.getBusinessProfile(jid(FRIEND))).toBeUndefined();
  await expect(client.sock.profilePictureUrl(jid(FRIEND))).rejects.toThrow('item-not-found');
});
