import { expect, test } from 'vitest';
import type { AccountWire } from '../../simulator/wire-log.ts';
import { type Client, closeCode, connect, get, linkAndLogin, login, post, simulate, until } from './client.ts';

const ACCOUNT = '15550100001';
const FRIEND = '15550200001';
const FRIEND_JID = `${FRIEND}@s.whatsapp.net`;

/** The acks the server gives to messages, as they come over the wire. */
function acksOf(client: Client): { id: string; error?: string; atMs: number }[] {
  const acks: { id: string; error?: string; atMs: number }[] = [];
  client.sock.ws.on('CB:ack,class:message', (node: { attrs: Record<string, string> }) => {
    const { id = '', error } = node.attrs;
    acks.push({ id, ...(error ? { error } : {}), atMs: Date.now() });
  });
  return acks;
}

test('drop ends the connection without a word', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  const fault = await post(simulator, '/faults', { kind: 'drop' });

  expect(fault).toMatchObject({ status: 201, json: { kind: 'drop', applied: 1 } });
  expect(await closeCode(client)).toBe(428);
  await login(simulator, client.auth);
});

test.each([400, 402, 403, 405, 406, 411, 428, 440, 500, 501, 503, 515])(
  'close makes the client report %i',
  async (code) => {
    const simulator = await simulate();
    const client = await linkAndLogin(simulator, ACCOUNT);

    await post(simulator, '/faults', { kind: 'close', code, account: ACCOUNT });

    expect(await closeCode(client)).toBe(code);
    await login(simulator, client.auth);
  },
);

test('a restriction says how long it lasts', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  await post(simulator, '/faults', { kind: 'close', code: 402, ms: 90_000 });

  const { lastDisconnect } = await client.on('connection.update', ({ connection }) => connection === 'close');
  expect((lastDisconnect?.error as { data?: unknown } | undefined)?.data).toMatchObject({ code: '101', expire: '90' });
});

test('close with 401 removes the device: it must be linked again', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  await post(simulator, '/faults', { kind: 'close', code: 401 });

  expect(await closeCode(client)).toBe(401);
  expect(await closeCode(connect(simulator, client.auth))).toBe(401);
});

test('error-ack refuses the next message, which no phone receives', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  await post(simulator, '/faults', { kind: 'error-ack', code: 463, account: ACCOUNT });

  await client.sock.sendMessage(FRIEND_JID, { text: 'refused' }, { messageId: 'REFUSED' });
  await until(() => client.statuses.some(({ id, error }) => id === 'REFUSED' && error === '463'), 'the refusal');
  await client.sock.sendMessage(FRIEND_JID, { text: 'accepted' }, { messageId: 'ACCEPTED' });
  await until(() => simulator.totals().received === 1, 'the next message');

  expect(await get(simulator, `/phones/${FRIEND}/messages`)).toMatchObject([{ text: 'accepted' }]);
  expect(simulator.totals()).toMatchObject({ undecryptable: 0, usedCounters: 0 });
});

test('withhold-ack delivers the messages but keeps as many acks as ordered to itself', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const acks = acksOf(client);
  await post(simulator, '/faults', { kind: 'withhold-ack', count: 2 });

  for (const id of ['A', 'B', 'C']) await client.sock.sendMessage(FRIEND_JID, { text: id }, { messageId: id });
  await until(() => acks.length > 0, 'an ack');

  expect(acks.map(({ id }) => id)).toEqual(['C']);
  expect(simulator.totals().received).toBe(3);
});

test('the wire of an account shows each stanza, those that are refused or come again included', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  await post(simulator, '/faults', { kind: 'error-ack', code: 463, account: ACCOUNT });
  const startedMs = Date.now();

  for (const id of ['REFUSED', 'A', 'A']) await client.sock.sendMessage(FRIEND_JID, { text: id }, { messageId: id });
  await until(() => simulator.totals().received === 2, 'both');

  const { stanzas, forgotten } = await get<AccountWire>(simulator, `/accounts/${ACCOUNT}/wire`);
  expect(forgotten).toBe(0);
  expect(stanzas.map(({ id, to }) => [id, to])).toEqual([
    ['REFUSED', FRIEND],
    ['A', FRIEND],
    ['A', FRIEND],
  ]);
  const times = [startedMs, ...stanzas.map(({ atMs }) => atMs), Date.now()];
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(await get(simulator, `/accounts/${FRIEND}/wire`)).toEqual({ stanzas: [], forgotten: 0 });
});

test('delay-ack holds the ack back for as long as ordered', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  const acks = acksOf(client);
  await post(simulator, '/faults', { kind: 'delay-ack', ms: 300 });

  const sentMs = Date.now();
  await client.sock.sendMessage(FRIEND_JID, { text: 'x' }, { messageId: 'X' });
  await until(() => acks.length === 1, 'the ack');

  expect((acks[0]?.atMs ?? 0) - sentMs).toBeGreaterThanOrEqual(295);
});

test('refuse-login refuses as many logins as ordered', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);
  client.end();
  await post(simulator, '/faults', { kind: 'refuse-login', code: 405, count: 2, account: ACCOUNT });

  expect(await closeCode(connect(simulator, client.auth))).toBe(405);
  expect(await closeCode(connect(simulator, client.auth))).toBe(405);
  await login(simulator, client.auth);
});

test('a ban closes with 403 and refuses logins until it is lifted', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  await post(simulator, '/faults', { kind: 'ban', account: ACCOUNT });

  expect(await closeCode(client)).toBe(403);
  expect(await closeCode(connect(simulator, client.auth))).toBe(403);
  expect((await fetch(`${simulator.url}/faults`, { method: 'DELETE' })).status).toBe(204);
  await login(simulator, client.auth);
});

test('a fault of one account leaves the others alone, and a lifted one never comes', async () => {
  const simulator = await simulate();
  const one = await linkAndLogin(simulator, ACCOUNT);
  const other = await linkAndLogin(simulator, '15550100002');
  const acks = acksOf(other);
  await post(simulator, '/faults', { kind: 'withhold-ack', account: ACCOUNT, count: 5 });
  await post(simulator, '/faults', { kind: 'drop', account: ACCOUNT });

  expect(await closeCode(one)).toBe(428);
  await other.sock.sendMessage(FRIEND_JID, { text: 'x' }, { messageId: 'X' });
  await until(() => acks.length === 1, 'the ack of the other account');
  await fetch(`${simulator.url}/faults`, { method: 'DELETE' });
  const again = await login(simulator, one.auth);
  const acksAgain = acksOf(again);
  await again.sock.sendMessage(FRIEND_JID, { text: 'y' }, { messageId: 'Y' });
  await until(() => acksAgain.length === 1, 'the ack after the fault was lifted');
});

test('noise disturbs nothing: messages still go out and come in', async () => {
  const simulator = await simulate();
  const client = await linkAndLogin(simulator, ACCOUNT);

  const fault = await post(simulator, '/faults', { kind: 'noise', count: 3, ms: 5 });
  await client.sock.sendMessage(FRIEND_JID, { text: 'x' });
  await post(simulator, `/phones/${FRIEND}/send`, { to: ACCOUNT, text: 'y' });
  await until(() => client.received.some(({ message }) => message?.conversation === 'y'), 'the text');
  await until(() => simulator.totals().received === 1, 'the message');

  expect(fault.json).toMatchObject({ applied: 1 });
  expect(simulator.totals()).toMatchObject({ undecryptable: 0, usedCounters: 0, connections: 1 });
});

test('a timelock is told at once and whenever it is asked for, and so is its end', async () => {
  const simulator = await simulate();
  const { sock, on } = await linkAndLogin(simulator, ACCOUNT);
  const before = Date.now();

  await post(simulator, '/faults', { kind: 'timelock', account: ACCOUNT, ms: 3_600_000 });

  const { reachoutTimeLock: notice } = await on('connection.update', (update) => update.reachoutTimeLock !== undefined);
  expect(notice?.isActive).toBe(true);
  expect(Math.abs(Number(notice?.timeEnforcementEnds) - before - 3_600_000)).toBeLessThan(10_000);
  expect(await sock.fetchAccountReachoutTimelock()).toMatchObject({
    isActive: true,
    timeEnforcementEnds: notice?.timeEnforcementEnds,
  });
  await post(simulator, '/faults', { kind: 'timelock', account: ACCOUNT, ms: 0 });
  await on('connection.update', (update) => update.reachoutTimeLock?.isActive === false);
  expect(await sock.fetchAccountReachoutTimelock()).toMatchObject({ isActive: false });
});
