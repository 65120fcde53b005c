import { createHash, randomBytes } from 'node:crypto';
import { type BinaryNode, decryptPollVote, type proto } from '@whiskeysockets/baileys';
import { expect, test } from 'vitest';
import { type Client, get, linkAndLogin, post, simulate, until } from './client.ts';

const ACCOUNT = '15550100001';
const FRIEND = '15550200001';
const jid = (number: string) => `${number}@s.whatsapp.net`;
const sha256 = (text: string | Uint8Array) => createHash('sha256').update(text).digest();
const VCARD = 'BEGIN:VCARD\nVERSION:3.0\nFN:Bea\nTEL;waid=15550200009:+1 555 020 0009\nEND:VCARD';

/** The stanza in which the message of this order came, and the message as Baileys opened it. */
async function sendBy(simulator: { url: string }, client: Client, order: object) {
  const stanzas = new Map<string, BinaryNode>();
  const note = (node: BinaryNode) => stanzas.set(node.attrs.id ?? '', node);
  client.sock.ws.on('CB:message', note);
  const { json, status } = await post(simulator as never, `/phones/${FRIEND}/send`, { to: ACCOUNT, ...order });
  expect([status, json]).toEqual([201, expect.anything()]);
  const { id } = json as { id: string };
  await until(() => stanzas.has(id), 'the stanza');
  await until(() => client.received.some(({ key }) => key.id === id), 'the message');
  client.sock.ws.off('CB:message', note);
  const { attrs = {}, content } = stanzas.get(id) ?? {};
  const enc = (content as BinaryNode[]).find(({ tag }) => tag === 'enc')?.attrs ?? {};
  return { id, attrs, enc, received: client.received.find(({ key }) => key.id === id) };
}

test('a phone lists what it got as what it is, and an edit or revoke changes the message it is about', async () => {
  const simulator = await simulate();
  await post(simulator, '/phones', { number: FRIEND });
  const { sock } = await linkAndLogin(simulator, ACCOUNT);
  const to = jid(FRIEND);
  const send = (content: Parameters<typeof sock.sendMessage>[1], messageId: string, more = {}) =>
    sock.sendMessage(to, content, { messageId, ...more });

  const first = await send({ text: 'one' }, 'ONE');
  const second = await send({ text: 'two' }, 'TWO');
  if (!first || !second) throw new Error('Nothing was sent.');
  await send({ text: 'an answer' }, 'ANSWER', { quoted: first });
  await send({ text: 'one, better', edit: first.key }, 'EDIT');
  await send({ delete: second.key }, 'REVOKE');
  await send({ react: { text: '👍', key: first.key } }, 'REACTION');
  await send({ poll: { name: 'Which?', values: ['this', 'that'], selectableCount: 1 } }, 'POLL');
  await send({ location: { degreesLatitude: 52.5, degreesLongitude: 13.4, name: 'Here' } }, 'LOCATION');
  await send({ contacts: { displayName: 'Bea', contacts: [{ displayName: 'Bea', vcard: VCARD }] } }, 'CONTACT');
  const fileSha256 = sha256('a picture');
  const imageMessage = { mimetype: 'image/png', fileSha256, fileLength: 9, caption: 'Look' };
  await sock.relayMessage(to, { imageMessage }, { messageId: 'IMAGE' });
  await until(() => simulator.totals().received === 10, 'all of them');

  expect(await get(simulator, `/phones/${FRIEND}/messages`)).toMatchObject([
    { id: 'ONE', type: 'text', text: 'one, better', edited: true, repeats: 0 },
    { id: 'TWO', type: 'text', text: 'two', revoked: true },
    { id: 'ANSWER', type: 'text', text: 'an answer', replyTo: 'ONE' },
    { id: 'EDIT', type: 'edit', text: 'one, better', replyTo: 'ONE' },
    { id: 'REVOKE', type: 'revoke', text: '', replyTo: 'TWO' },
    { id: 'REACTION', type: 'reaction', text: '👍', replyTo: 'ONE' },
    { id: 'POLL', type: 'poll', text: 'Which?', poll: { name: 'Which?', options: ['this', 'that'], selectable: 1 } },
    { id: 'LOCATION', type: 'location', text: 'Here', location: { latitude: 52.5, longitude: 13.4, name: 'Here' } },
    { id: 'CONTACT', type: 'contact', text: 'Bea', contact: { name: 'Bea', vcard: VCARD } },
    {
      id: 'IMAGE',
      type: 'image',
      text: 'Look',
      media: { sha256: fileSha256.toString('hex'), size: 9, mimetype: 'image/png' },
    },
  ]);
  expect(simulator.totals()).toMatchObject({ distinct: 10, repeatsOnWire: 0, undecryptable: 0 });
});

test('only the sender of a message can take it back, and secrets of polls are not listed', async () => {
  const simulator = await simulate();
  const one = await linkAndLogin(simulator, ACCOUNT);
  const other = await linkAndLogin(simulator, '15550100002');
  await one.sock.sendMessage(jid(FRIEND), { text: 'mine' }, { messageId: 'MINE' });
  await one.sock.sendMessage(jid(FRIEND), { poll: { name: 'P', values: ['a', 'b'] } }, { messageId: 'POLL' });
  await until(() => simulator.totals().received === 2, 'both');

  await other.sock.sendMessage(jid(FRIEND), { delete: { remoteJid: jid(FRIEND), fromMe: true, id: 'MINE' } });
  await until(() => simulator.totals().received === 3, 'the revoke');

  const [mine, poll] = await get<Record<string, unknown>[]>(simulator, `/phones/${FRIEND}/messages`);
  expect(mine).toMatchObject({ id: 'MINE', text: 'mine' });
  expect(mine).not.toHaveProperty('revoked');
  expect(poll).not.toHaveProperty('secret');
});

const bytes = Buffer.from('%PDF-1.7 a file');
const media = (mimetype: string, more = {}) => ({ media: { base64: bytes.toString('base64'), mimetype, ...more } });
type Message = proto.IMessage | null | undefined;
test.each<[string, object, object, object, (message: Message) => unknown, unknown]>([
  ['text', { text: 'hello' }, { type: 'text' }, {}, (m) => m?.conversation, 'hello'],
  [
    'picture',
    media('image/png', { caption: 'Look' }),
    { type: 'media' },
    { mediatype: 'image' },
    (m) => m?.imageMessage?.caption,
    'Look',
  ],
  [
    'video',
    media('video/mp4'),
    { type: 'media' },
    { mediatype: 'video' },
    (m) => m?.videoMessage?.mimetype,
    'video/mp4',
  ],
  [
    'voice',
    media('audio/ogg'),
    { type: 'media' },
    { mediatype: 'audio' },
    (m) => m?.audioMessage?.mimetype,
    'audio/ogg',
  ],
  [
    'file',
    media('application/pdf', { fileName: 'a.pdf' }),
    { type: 'media' },
    { mediatype: 'document' },
    (m) => [
      m?.documentMessage?.fileName,
      Buffer.from(m?.documentMessage?.fileSha256 ?? []).toString('hex'),
      Number(m?.documentMessage?.fileLength),
    ],
    ['a.pdf', sha256(bytes).toString('hex'), bytes.length],
  ],
  [
    'location',
    { location: { latitude: 1, longitude: 2, name: 'There' } },
    { type: 'text' },
    {},
    (m) => m?.locationMessage?.name,
    'There',
  ],
  [
    'contact',
    { contact: { name: 'Bea', vcard: VCARD } },
    { type: 'media' },
    { mediatype: 'vcard' },
    (m) => m?.contactMessage?.vcard,
    VCARD,
  ],
  [
    'poll',
    { poll: { name: 'P', options: ['a', 'b'] } },
    { type: 'poll' },
    {},
    (m) => [m?.pollCreationMessageV3?.name, m?.messageContextInfo?.messageSecret?.length],
    ['P', 32],
  ],
  [
    'reaction',
    { reaction: { id: 'X', emoji: '👍' } },
    { type: 'reaction' },
    { 'decrypt-fail': 'hide' },
    (m) => m?.reactionMessage?.text,
    '👍',
  ],
  [
    'edit',
    { edit: { id: 'X', text: 'better' } },
    { type: 'text', edit: '1' },
    { 'decrypt-fail': 'hide' },
    (m) => (m?.editedMessage?.message ?? m)?.protocolMessage?.key?.id,
    'X',
  ],
  [
    'revoke',
    { revoke: { id: 'X' } },
    { type: 'text', edit: '7' },
    { 'decrypt-fail': 'hide' },
    (m) => m?.protocolMessage?.key?.id,
    'X',
  ],
])('a %s from a phone says outside the encryption what it is', async (_what, order, attrs, enc, read, expected) => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  const sent = await sendBy(simulator, client, order);

  expect(sent.attrs).toMatchObject(attrs);
  expect(sent.enc).toMatchObject(enc);
  expect(read(sent.received?.message)).toEqual(expected);
});

test('a message comes by number, by hidden id with the number, or by hidden id alone, asked for again likewise', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const byNumber = await sendBy(simulator, client, { text: 'a', addressing: 'pn' });
  const lid = byNumber.attrs.sender_lid ?? '';

  const byLid = await sendBy(simulator, client, { text: 'b', addressing: 'lid' });
  for (const key of [...client.auth.keys.keys()]) if (key.startsWith('session ')) client.auth.keys.delete(key);
  const again = await sendBy(simulator, client, { text: 'c', addressing: 'lid' });
  const hidden = await sendBy(simulator, client, { text: 'd', hidden: true });

  expect(byNumber.attrs).toMatchObject({ from: jid(FRIEND), sender_lid: lid, addressing_mode: 'pn' });
  expect(lid).toMatch(/^\d{15}@lid$/);
  for (const { attrs } of [byLid, again])
    expect(attrs).toMatchObject({ from: lid, sender_pn: jid(FRIEND), addressing_mode: 'lid' });
  expect(again.enc).toMatchObject({ type: 'pkmsg', count: '1' });
  expect(hidden.attrs).toMatchObject({ from: lid, addressing_mode: 'lid' });
  expect(hidden.attrs).not.toHaveProperty('sender_pn');
});

test('a phone votes in a poll it has got, and only in that', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const secret = randomBytes(32);
  const poll = { name: 'Which?', values: ['this', 'that'], messageSecret: secret };
  await client.sock.sendMessage(jid(FRIEND), { poll }, { messageId: 'POLL' });
  await until(() => simulator.totals().received === 1, 'the poll');

  const { attrs, received } = await sendBy(simulator, client, { vote: { id: 'POLL', choices: ['that'] } });
  const unknown = await post(simulator, `/phones/${FRIEND}/send`, {
    to: ACCOUNT,
    vote: { id: 'NONE', choices: ['that'] },
  });
  const wrong = await post(simulator, `/phones/${FRIEND}/send`, {
    to: ACCOUNT,
    vote: { id: 'POLL', choices: ['other'] },
  });

  const update = received?.message?.pollUpdateMessage;
  const { selectedOptions } = decryptPollVote(update?.vote ?? {}, {
    pollCreatorJid: jid(ACCOUNT),
    pollMsgId: 'POLL',
    pollEncKey: secret,
    voterJid: jid(FRIEND),
  });
  expect(attrs.type).toBe('poll');
  expect(update?.pollCreationMessageKey?.id).toBe('POLL');
  expect(selectedOptions?.map((option) => Buffer.from(option).toString('hex'))).toEqual([
    sha256('that').toString('hex'),
  ]);
  expect([unknown.json, wrong.json]).toMatchObject([{ code: 'UNKNOWN_POLL' }, { code: 'UNKNOWN_CHOICE' }]);
});

test('a phone gives an account its privacy token, and takes one', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  const given = await post(simulator, `/phones/${FRIEND}/send`, { to: ACCOUNT, token: true });
  await until(
    () => [...client.auth.keys.keys()].some((key) => key.startsWith('tctoken ') && key !== 'tctoken __index'),
    'the token',
  );
  const tokens = [{ tag: 'token', attrs: { jid: jid(FRIEND), t: '1', type: 'trusted_contact' } }];
  const taken: BinaryNode = await client.sock.query({
    tag: 'iq',
    attrs: { to: '@s.whatsapp.net', type: 'set', xmlns: 'privacy' },
    content: [{ tag: 'tokens', attrs: {}, content: tokens }],
  });

  expect(given.json).toMatchObject({ token: expect.stringMatching(/^[0-9a-f]{32}$/) });
  expect(taken.attrs.type).toBe('result');
});

test('a phone that is set up anew has new keys, says so, and is written to under them', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  await client.sock.sendMessage(jid(FRIEND), { text: 'before' });
  await until(() => simulator.totals().received === 1, 'the first message');
  const notices: string[] = [];
  client.sock.ws.on('CB:notification,type:encrypt', ({ attrs, content }: BinaryNode) =>
    notices.push(`${attrs.from} ${(content as BinaryNode[])[0]?.tag}`),
  );

  await post(simulator, `/phones/${FRIEND}/reinstall`, {});
  await until(() => notices.length === 1, 'the notice');
  await client.sock.sendMessage(jid(FRIEND), { text: 'after' });
  await until(() => simulator.totals().received === 2, 'the second message');
  await sendBy(simulator, client, { text: 'it is me' });

  expect(notices).toEqual([`${jid(FRIEND)} identity`]);
  expect(simulator.totals()).toMatchObject({ distinct: 2, undecryptable: 0, usedCounters: 0 });
});
