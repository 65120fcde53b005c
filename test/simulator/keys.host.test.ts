import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type BinaryNode, Curve, encodeBigEndian, generateSignalPubKey, S_WHATSAPP_NET } from '@whiskeysockets/baileys';
import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import { expect, onTestFinished, test } from 'vitest';
import { serverIdentity } from '../../simulator/wire/certificates.ts';
import { type Client, get, linkAndLogin, login, post, simulate, until } from './client.ts';

const ACCOUNT = '15550100001';

const childrenOf = (node: BinaryNode | undefined): BinaryNode[] => (Array.isArray(node?.content) ? node.content : []);

const bytes = (node: BinaryNode | undefined, ...path: string[]): Buffer => {
  let found = node;
  for (const tag of path) found = childrenOf(found).find((one) => one.tag === tag);
  return Buffer.from((found?.content as Uint8Array | undefined) ?? []);
};

/** The answer to a query; an error is `{code}`. */
async function ask(
  client: Client,
  type: string,
  xmlns: string,
  content?: BinaryNode[],
): Promise<BinaryNode | { code: number }> {
  const node: BinaryNode = { tag: 'iq', attrs: { to: S_WHATSAPP_NET, type, xmlns }, ...(content ? { content } : {}) };
  try {
    return await client.sock.query(node);
  } catch (error) {
    return { code: Number((error as { data?: unknown }).data) };
  }
}

const preKeysLeft = async (simulator: { url: string }) => {
  const [account] = await get<{ preKeysLeft: number }[]>(simulator as never, '/accounts');
  return account?.preKeysLeft;
};

/** The children of an upload of three prekeys, numbered from `first`. */
function uploadOf(
  { auth: { creds } }: Client,
  first: number,
  signature: Uint8Array = creds.signedPreKey.signature,
): BinaryNode[] {
  const key = (id: number, value: Uint8Array, more: BinaryNode[] = []): BinaryNode[] => [
    { tag: 'id', attrs: {}, content: encodeBigEndian(id, 3) },
    { tag: 'value', attrs: {}, content: value },
    ...more,
  ];
  const list = [0, 1, 2].map((n) => ({
    tag: 'key',
    attrs: {},
    content: key(first + n, Curve.generateKeyPair().public),
  }));
  const signed = [{ tag: 'signature', attrs: {}, content: signature }];
  return [
    { tag: 'registration', attrs: {}, content: encodeBigEndian(creds.registrationId) },
    { tag: 'type', attrs: {}, content: Buffer.of(5) },
    { tag: 'identity', attrs: {}, content: creds.signedIdentityKey.public },
    { tag: 'list', attrs: {}, content: list },
    { tag: 'skey', attrs: {}, content: key(creds.signedPreKey.keyId, creds.signedPreKey.keyPair.public, signed) },
  ];
}

test('both certificates are valid from the day before for a year, and the keys stay those of the folder', () => {
  const secret = Buffer.alloc(32, 7);
  const identity = serverIdentity(secret, Date.UTC(2026, 10, 30));
  const { CertChain } = proto;
  const { leaf, intermediate } = CertChain.decode(identity.certificates);

  for (const certificate of [leaf, intermediate]) {
    const details = CertChain.NoiseCertificate.Details.decode(certificate?.details ?? new Uint8Array());
    expect([Number(details.notBefore), Number(details.notAfter)]).toEqual([
      Date.UTC(2026, 10, 29) / 1000,
      Date.UTC(2027, 10, 30) / 1000,
    ]);
  }
  expect(serverIdentity(secret, 0).rootKeyHex).toBe(identity.rootKeyHex);
});

test('prekeys are kept whatever the order of the children, unless another key has signed or the identity is another', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const before = (await preKeysLeft(simulator)) ?? 0;
  const [registration, type, identity, list, skey] = uploadOf(client, 5_000) as [
    BinaryNode,
    BinaryNode,
    BinaryNode,
    BinaryNode,
    BinaryNode,
  ];

  const identityFirst = await ask(client, 'set', 'encrypt', [identity, type, skey, list, registration]);
  const forged = uploadOf(
    client,
    6_000,
    Curve.sign(Curve.generateKeyPair().private, generateSignalPubKey(client.auth.creds.signedPreKey.keyPair.public)),
  );
  const other = { ...identity, content: Curve.generateKeyPair().public };

  expect(identityFirst).toMatchObject({ attrs: { type: 'result' } });
  expect(await preKeysLeft(simulator)).toBe(before + 3);
  expect(await ask(client, 'set', 'encrypt', forged)).toEqual({ code: 406 });
  expect(await ask(client, 'set', 'encrypt', [registration, type, other, list, skey])).toEqual({ code: 406 });
  expect(await ask(client, 'set', 'encrypt', [{ tag: 'rotate', attrs: {}, content: forged.slice(4) }])).toEqual({
    code: 406,
  });
  expect(await preKeysLeft(simulator)).toBe(before + 3);
});

test('the digest names all that the server holds, with its hash', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const { creds, keys } = client.auth;

  const answer = (await ask(client, 'get', 'encrypt', [{ tag: 'digest', attrs: {} }])) as BinaryNode;

  const [digest] = childrenOf(answer);
  expect(childrenOf(digest).map(({ tag }) => tag)).toEqual([
    'registration',
    'type',
    'identity',
    'skey',
    'list',
    'hash',
  ]);
  expect(bytes(digest, 'registration').readUInt32BE()).toBe(creds.registrationId);
  expect(bytes(digest, 'identity')).toEqual(Buffer.from(creds.signedIdentityKey.public));
  expect(bytes(digest, 'skey', 'signature')).toEqual(Buffer.from(creds.signedPreKey.signature));
  const list = childrenOf(childrenOf(digest).find(({ tag }) => tag === 'list'));
  const ids = list.map(({ content }) => Buffer.from(content as Uint8Array).readUIntBE(0, 3));
  const hash = createHash('sha1')
    .update(creds.signedIdentityKey.public)
    .update(creds.signedPreKey.keyPair.public)
    .update(creds.signedPreKey.signature);
  for (const id of ids) hash.update((keys.get(`pre-key ${id}`) as { public: Uint8Array }).public);
  expect(ids.length).toBe(await preKeysLeft(simulator));
  expect(bytes(digest, 'hash')).toEqual(hash.digest());
});

test('a device hears once that its prekeys run out, and not before', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'paceline-simulator-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  const first = await simulate({ dataDir });
  const linked = await linkAndLogin(first, ACCOUNT);
  const left = (await preKeysLeft(first)) ?? 0;
  linked.end();
  await first.stop();
  const database = new DatabaseSync(join(dataDir, 'simulator.sqlite'));
  database.prepare('UPDATE accounts SET pre_keys_used = pre_keys_used + ?').run(left - 7);
  database.close();
  const simulator = await simulate({ dataDir });
  const client = await login(simulator, linked.auth);
  // Baileys would upload new keys at the first notice, and begin anew.
  client.sock.ws.removeAllListeners('CB:notification');
  const notices: (string | undefined)[] = [];
  client.sock.ws.on('CB:notification,type:encrypt', ({ content }: { content: BinaryNode[] }) =>
    notices.push(content[0]?.attrs.value),
  );

  for (const from of ['15550200001', '15550200002', '15550200003', '15550200004', '15550200005']) {
    await post(simulator, `/phones/${from}/send`, { to: ACCOUNT, text: `by ${from}` });
    await until(() => client.received.some(({ message }) => message?.conversation === `by ${from}`), 'the text');
  }

  expect(await preKeysLeft(simulator)).toBe(2);
  expect(notices).toEqual(['4']);
});

test.each([
  ['set', 'w:unheard-of', [{ tag: 'do', attrs: {} }], 501],
  ['get', 'w:unheard-of', [{ tag: 'tell', attrs: {} }], 501],
  ['set', 'privacy', [{ tag: 'privacy', attrs: {} }], 501],
  ['set', 'blocklist', [{ tag: 'item', attrs: { action: 'block', jid: '1@lid' } }], 501],
  ['get', 'w:m', [{ tag: 'media_conn', attrs: {} }], 501],
])('%s %s with %o is refused with %i', async (type, xmlns, content, code) => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  expect(await ask(client, type, xmlns, content)).toEqual({ code });
});

test('whatever Baileys asks at its login and later by itself is answered', async () => {
  const simulator = await simulate();
  const refused: unknown[] = [];
  const client = await linkAndLogin(simulator, ACCOUNT, { syncFullHistory: true, markOnlineOnConnect: true });
  client.sock.ws.on('CB:iq,type:error', (node: BinaryNode) => refused.push(node));

  await client.sock.fetchBlocklist();
  await client.sock.fetchPrivacySettings(true);
  await client.sock.cleanDirtyBits('account_sync');
  await client.sock.sendWAMBuffer(Buffer.of(1));
  await client.sock.groupFetchAllParticipating();
  await client.sock.uploadPreKeys(3);
  await client.sock.rotateSignedPreKey();
  await client.sock.digestKeyBundle();

  expect(refused).toEqual([]);
});
