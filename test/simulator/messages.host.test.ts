import { type BinaryNode, encodeBigEndian } from '@whiskeysockets/baileys';
import { makeLibSignalRepository } from '@whiskeysockets/baileys/lib/Signal/libsignal.js';
import { expect, test } from 'vitest';
import type { ReceivedMessage } from '../../simulator/server.ts';
import { type Client, get, linkAndLogin, login, post, simulate, until } from './client.ts';

const ACCOUNT = '15550100001';
const FRIEND = '15550200001';
const STRANGER = '15550200002';
const DELIVERED = 3;
const READ = 4;

const jid = (number: string) => `${number}@s.whatsapp.net`;
const texts = (messages: ReceivedMessage[]) => messages.map(({ text }) => text);
const statusesOf = (client: Client, id: string) =>
  client.statuses.filter((status) => status.id === id).map(({ status }) => status);

test('each text arrives exactly once, with its id and its sender', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  await client.sock.sendMessage(jid(FRIEND), { text: 'first' }, { messageId: '3EB0000000000000000001' });
  await client.sock.sendMessage(jid(FRIEND), { text: 'second – ünïcode 🚚' }, { messageId: '3EB0000000000000000002' });

  await until(() => simulator.totals().received === 2, 'two messages');
  expect(await get(simulator, `/phones/${FRIEND}/messages`)).toMatchObject([
    { id: '3EB0000000000000000001', from: ACCOUNT, text: 'first', repeats: 0 },
    { id: '3EB0000000000000000002', from: ACCOUNT, text: 'second – ünïcode 🚚', repeats: 0 },
  ]);
  expect(await get(simulator, '/totals')).toEqual({
    received: 2,
    distinct: 2,
    repeatsOnWire: 0,
    usedCounters: 0,
    undecryptable: 0,
    connections: 1,
  });
});

test('a created phone delivers and reads, one that nobody created delivers only, one told not to does neither', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: FRIEND, name: 'Friend' });
  await post(simulator, '/phones', { number: '15550200003', behaviour: { deliver: false } });
  const client = await linkAndLogin(simulator, ACCOUNT);

  await client.sock.sendMessage(jid('15550200003'), { text: 'c' }, { messageId: 'C' });
  await client.sock.sendMessage(jid(STRANGER), { text: 'b' }, { messageId: 'B' });
  await client.sock.sendMessage(jid(FRIEND), { text: 'a' }, { messageId: 'A' });

  await until(() => statusesOf(client, 'A').includes(READ), 'the read receipt');
  expect(statusesOf(client, 'A')).toEqual([DELIVERED, READ]);
  expect(statusesOf(client, 'B')).toEqual([DELIVERED]);
  expect(statusesOf(client, 'C')).toEqual([]);
});

test('numbers that end in 0000 are not on WhatsApp unless somebody created them', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: '15550210000' });
  const client = await linkAndLogin(simulator, ACCOUNT);

  const found = await client.sock.onWhatsApp(jid(FRIEND), jid('15550200000'), jid('15550210000'));

  expect(found).toEqual([
    { jid: jid(FRIEND), exists: true },
    { jid: jid('15550210000'), exists: true },
  ]);
});

test('a message to a number that is not on WhatsApp is refused with 404', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  await client.sock.sendMessage(jid('15550200000'), { text: 'x' }, { messageId: 'X' });

  await until(() => client.statuses.some(({ id, error }) => id === 'X' && error === '404'), 'the refusal');
  expect(simulator.totals().received).toBe(0);
});

test('a text from a phone reaches the account, and the answer reaches the phone', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: FRIEND, name: 'Friend' });
  const client = await linkAndLogin(simulator, ACCOUNT);

  const sent = await post(simulator, `/phones/${FRIEND}/send`, { to: ACCOUNT, text: 'hello' });
  await until(() => client.received.some(({ message }) => message?.conversation === 'hello'), 'the text');
  await client.sock.sendMessage(jid(FRIEND), { text: 'hello yourself' });
  await until(() => simulator.totals().received === 1, 'the answer');
  await post(simulator, `/phones/${FRIEND}/send`, { to: ACCOUNT, text: 'bye' });
  await until(() => client.received.some(({ message }) => message?.conversation === 'bye'), 'the second text');

  expect(sent.status).toBe(201);
  const hello = client.received.find(({ message }) => message?.conversation === 'hello');
  expect(hello?.key).toMatchObject({ id: (sent.json as { id: string }).id, remoteJid: jid(FRIEND), fromMe: false });
  expect(hello?.pushName).toBe('Friend');
  expect(texts(await get(simulator, `/phones/${FRIEND}/messages`))).toEqual(['hello yourself']);
});

test('what came while the account was offline comes at its next login, once', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: FRIEND });
  const first = await linkAndLogin(simulator, ACCOUNT);
  await first.sock.sendMessage(jid(FRIEND), { text: 'x' }, { messageId: 'X' });
  await until(() => simulator.totals().received === 1, 'the message');
  first.end();
  await until(() => simulator.totals().connections === 0, 'the end of the connection');
  await post(simulator, `/phones/${FRIEND}/send`, { to: ACCOUNT, text: 'while you were away' });

  const second = await login(simulator, first.auth);
  await until(() => second.received.some(({ message }) => message?.conversation === 'while you were away'), 'the text');
  await until(() => statusesOf(second, 'X').includes(READ), 'the receipts');
  second.end();
  await until(() => simulator.totals().connections === 0, 'the end of the second connection');
  const third = await login(simulator, first.auth);
  await third.on('connection.update', ({ receivedPendingNotifications }) => receivedPendingNotifications === true);

  expect(third.received).toEqual([]);
  expect(third.statuses).toEqual([]);
});

test('a text that the account did not acknowledge comes again at its next login', async () => {
  const simulator = await simulate();
  const deaf = await linkAndLogin(simulator, ACCOUNT, {
    makeSignalRepository: (...parts) => ({
      ...makeLibSignalRepository(...parts),
      decryptMessage: () => new Promise(() => undefined),
    }),
  });
  const sent = await post(simulator, `/phones/${FRIEND}/send`, { to: ACCOUNT, text: 'anybody there?' });
  const { id } = sent.json as { id: string };
  await until(() => deaf.onWire.includes(id), 'the text');
  deaf.end();

  const client = await login(simulator, deaf.auth);
  await until(() => client.received.some(({ key }) => key.id === id), 'the text again');

  expect(client.onWire.filter((received) => received === id)).toHaveLength(1);
});

test('a message under a used counter is dropped silently and counted', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  await client.sock.sendMessage(jid(FRIEND), { text: 'one' }, { messageId: 'ONE' });
  const before = new Map(client.auth.keys);
  await client.sock.sendMessage(jid(FRIEND), { text: 'two' }, { messageId: 'TWO' });
  await until(() => simulator.totals().received === 2, 'two messages');

  client.auth.keys.clear();
  for (const [key, value] of before) client.auth.keys.set(key, value);
  await client.sock.sendMessage(jid(FRIEND), { text: 'three' }, { messageId: 'THREE' });
  await until(() => simulator.totals().usedCounters === 1, 'the used counter');
  await client.sock.sendMessage(jid(FRIEND), { text: 'four' }, { messageId: 'FOUR' });
  await until(() => simulator.totals().received === 3, 'the message after it');

  expect(texts(await get(simulator, `/phones/${FRIEND}/messages`))).toEqual(['one', 'two', 'four']);
  expect(simulator.totals()).toMatchObject({ received: 3, usedCounters: 1, undecryptable: 0 });
  expect(statusesOf(client, 'THREE')).toEqual([]);
});

test('the same id under a fresh counter is a repeat: counted, and shown once', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  for (let times = 0; times < 3; times++) await client.sock.sendMessage(jid(FRIEND), { text: 'x' }, { messageId: 'X' });
  await client.sock.sendMessage(jid(STRANGER), { text: 'x' }, { messageId: 'X' });
  await until(() => simulator.totals().received === 4, 'four messages');

  expect(await get(simulator, `/phones/${FRIEND}/messages`)).toMatchObject([{ id: 'X', text: 'x', repeats: 2 }]);
  expect(simulator.totals()).toMatchObject({ received: 4, distinct: 2, repeatsOnWire: 2, usedCounters: 0 });
});

/** Spoils the key under which the client sends next. */
function spoilSendingKeys(client: Client): void {
  const SENDING = 1;
  for (const [key, value] of client.auth.keys) {
    if (!key.startsWith('session ')) continue;
    const record = structuredClone(value) as {
      _sessions: Record<string, { _chains: Record<string, { chainType: number; chainKey: { key: string } }> }>;
    };
    for (const session of Object.values(record._sessions)) {
      for (const chain of Object.values(session._chains)) {
        if (chain.chainType === SENDING) chain.chainKey.key = Buffer.alloc(32, 7).toString('base64');
      }
    }
    client.auth.keys.set(key, record);
  }
}

test('a phone asks again for what it cannot decrypt; sent anew, it counts as received', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  await client.sock.sendMessage(jid(FRIEND), { text: 'one' });
  await until(() => simulator.totals().received === 1, 'the first message');

  spoilSendingKeys(client);
  await client.sock.sendMessage(jid(FRIEND), { text: 'two' }, { messageId: 'TWO' });
  await until(() => simulator.totals().undecryptable === 1, 'the undecryptable message');
  await until(() => simulator.totals().received === 2, 'the message sent again');

  expect(texts(await get(simulator, `/phones/${FRIEND}/messages`))).toEqual(['one', 'two']);
  expect(simulator.totals()).toMatchObject({ distinct: 2, repeatsOnWire: 0, undecryptable: 0, usedCounters: 0 });
});

test('what cannot be decrypted and is never sent again stays undecryptable', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT, { enableRecentMessageCache: false });
  await client.sock.sendMessage(jid(FRIEND), { text: 'one' });
  await until(() => simulator.totals().received === 1, 'the first message');

  spoilSendingKeys(client);
  await client.sock.sendMessage(jid(FRIEND), { text: 'two' }, { messageId: 'TWO' });
  await until(() => simulator.totals().undecryptable === 1, 'the undecryptable message');
  await client.sock.sendMessage(jid(STRANGER), { text: 'three' });
  await until(() => simulator.totals().received === 2, 'a message to someone else');

  expect(simulator.totals()).toMatchObject({ distinct: 2, undecryptable: 1 });
});

test('an account that cannot decrypt gets the text again, encrypted with fresh keys', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  for (const key of [...client.auth.keys.keys()]) if (key.startsWith('pre-key ')) client.auth.keys.delete(key);

  await post(simulator, `/phones/${FRIEND}/send`, { to: ACCOUNT, text: 'can you read this?' });

  await until(() => client.received.some(({ message }) => message?.conversation === 'can you read this?'), 'the text');
});

test('an account that acknowledges first and asks again afterwards gets the text again', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const sent = await post(simulator, `/phones/${FRIEND}/send`, { to: ACCOUNT, text: 'once more, please' });
  const { id } = sent.json as { id: string };
  await until(() => client.received.some(({ key }) => key.id === id), 'the text');
  const again = Promise.withResolvers<BinaryNode>();
  client.sock.ws.on('CB:message', (node: BinaryNode) => again.resolve(node));
  const { registrationId } = client.auth.creds;

  await client.sock.sendNode({
    tag: 'receipt',
    attrs: { id, type: 'retry', to: jid(FRIEND) },
    content: [
      { tag: 'retry', attrs: { count: '1', id, t: '1', v: '1' } },
      { tag: 'registration', attrs: {}, content: encodeBigEndian(registrationId) },
    ],
  });

  const { attrs, content } = await again.promise;
  expect(attrs).toMatchObject({ id, from: jid(FRIEND) });
  expect((content as BinaryNode[])[0]?.attrs).toMatchObject({ type: 'pkmsg', count: '1' });
});

const enc = (type = 'msg', v = '2'): BinaryNode => ({ tag: 'enc', attrs: { v, type }, content: Buffer.of(1, 2, 3) });
const token: BinaryNode = { tag: 'tctoken', attrs: {}, content: Buffer.of(1) };
test.each([
  ['nothing encrypted', { type: 'text' }, [], '400'],
  ['an empty ciphertext', { type: 'text' }, [{ tag: 'enc', attrs: { v: '2', type: 'msg' } }], '400'],
  [
    'a copy without ciphertext',
    { type: 'text' },
    [{ tag: 'participants', attrs: {}, content: [{ tag: 'to', attrs: { jid: jid(FRIEND) } }] }],
    '400',
  ],
  ['a type that does not exist', { type: 'chat' }, [enc()], '479'],
  ['no type', {}, [enc()], '479'],
  ['a ciphertext of unknown type', { type: 'text' }, [enc('plain')], '479'],
  ['a ciphertext of version 1', { type: 'text' }, [enc('msg', '1')], '479'],
  ['a trust token to its own phone', { type: 'text', category: 'peer' }, [enc(), token], '479'],
])('a message with %s is refused', async (_what, attrs, content: BinaryNode[], code) => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const acked = Promise.withResolvers<string | undefined>();
  client.sock.ws.on('CB:ack,class:message', (node: BinaryNode) => acked.resolve(node.attrs.error));

  await client.sock.sendNode({ tag: 'message', attrs: { id: 'X', to: jid(FRIEND), ...attrs }, content });

  expect(await acked.promise).toBe(code);
  expect(simulator.totals()).toMatchObject({ received: 0, undecryptable: 0 });
});

test('the history a phone shares after linking comes from the account itself', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  await until(() => client.received.length === 3, 'the history');

  expect(client.onWire).toEqual(client.received.map(({ key }) => key.id));
  expect(client.received.map(({ key }) => key.fromMe)).toEqual([true, true, true]);
  expect(client.received.map(({ message }) => message?.protocolMessage?.historySyncNotification?.syncType)).toEqual([
    0, 4, 3,
  ]);
});

test('a phone that answers under another number is named by it, reached by it, and writes from it', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: '5548999120009', behaviour: { answersAs: '554899120009' } });
  const client = await linkAndLogin(simulator, ACCOUNT);

  expect(await client.sock.onWhatsApp(jid('5548999120009'))).toEqual([{ jid: jid('554899120009'), exists: true }]);
  await client.sock.sendMessage(jid('554899120009'), { text: 'hello' }, { messageId: '3EB0000000000000000009' });
  await until(() => statusesOf(client, '3EB0000000000000000009').includes(READ), 'the receipts');
  await post(simulator, '/phones/5548999120009/send', { to: ACCOUNT, text: 'yes?' });
  const answer = () => client.received.find(({ message }) => message?.conversation === 'yes?');
  await until(() => answer() !== undefined, 'the answer');

  expect(answer()?.key.remoteJid).toBe(jid('554899120009'));
  const received = [{ id: '3EB0000000000000000009', text: 'hello', repeats: 0 }];
  expect(await get(simulator, '/phones/5548999120009/messages')).toMatchObject(received);
  expect(await get(simulator, '/phones/554899120009/messages')).toMatchObject(received);
  expect(await get(simulator, `/accounts/${ACCOUNT}/wire`)).toMatchObject({ stanzas: [{ to: '554899120009' }] });
});

test('receipts and retry requests come as they are ordered, true or not', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const seen: unknown[] = [];
  client.sock.ws.on('CB:receipt', ({ attrs, content }: { attrs: object; content?: { tag: string }[] }) =>
    seen.push({ ...attrs, t: undefined, children: content?.map(({ tag }) => tag) }),
  );
  const send = (order: object) => post(simulator, `/phones/${STRANGER}/send`, { to: ACCOUNT, ...order });

  expect((await send({ readFor: ['A', 'B'] })).status).toBe(201);
  await send({ retryFor: 'C', participant: FRIEND });
  await send({ deliveredFor: 'D', group: true });
  expect((await send({ text: 'x', group: true })).status).toBe(422);
  await until(() => seen.length === 3, 'three receipts');

  expect(seen).toMatchObject([
    { id: 'A', from: jid(STRANGER), type: 'read', children: ['list'] },
    { id: 'C', from: jid(STRANGER), participant: jid(FRIEND), children: ['retry', 'registration', 'keys'] },
    { id: 'D', from: '120363000000000001@g.us', participant: jid(STRANGER) },
  ]);
});

test('an ack says whose devices the message should have reached', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const hashes: unknown[] = [];
  client.sock.ws.on('CB:ack,class:message', ({ attrs }: { attrs: { phash?: string } }) => hashes.push(attrs.phash));

  await client.sock.sendMessage(jid(FRIEND), { text: 'x' });
  await until(() => hashes.length === 1, 'the ack');

  // sha256 of 15550100001.0:0@s.whatsapp.net15550100001.0:1@s.whatsapp.net15550200001.0:0@s.whatsapp.net
  expect(hashes).toEqual(['2:euv7VZMD']);
});
