import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import type { Totals } from '../../simulator/server.ts';
import { type Address, connect, get, linkAndLogin, login, newAuth, post, simulate, until } from './client.ts';

const ACCOUNT = '15550100001';
const FRIEND = '15550200001';
const FRIEND_JID = `${FRIEND}@s.whatsapp.net`;
const MAIN = join(import.meta.dirname, '../../simulator/main.ts');

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'paceline-simulator-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The simulator as a process of its own. */
async function spawnSimulator(dataDir: string, ipc = false): Promise<Address & { child: ChildProcess }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], {
    env: { ...process.env, SIMULATOR_DATA_DIR: dataDir, SIMULATOR_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit', ...(ipc ? (['ipc'] as const) : [])],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  if (!child.stdout) throw new Error('The process has no output.');
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { ...JSON.parse(String(line)), child };
}

async function kill(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
  const exit = once(child, 'exit');
  child.kill(signal);
  const [code] = await exit;
  return code;
}

const totalsOf = (simulator: Address) => get<Totals>(simulator, '/totals');

test('a simulator started again on its folder is the same server with the same phones', async () => {
  const dataDir = dataFolder();
  const first = await simulate({ dataDir });
  await post(first, '/phones', { number: FRIEND, name: 'Friend' });
  const client = await linkAndLogin(first, ACCOUNT);
  await client.sock.sendMessage(FRIEND_JID, { text: 'before' }, { messageId: 'BEFORE' });
  await until(() => first.totals().received === 1, 'the first message');
  client.end();
  await until(() => first.totals().connections === 0, 'the end of the connection');
  await post(first, `/phones/${FRIEND}/send`, { to: ACCOUNT, text: 'for later' });
  await first.stop();

  const second = await simulate({ dataDir });
  const again = await login(second, client.auth);
  await again.sock.sendMessage(FRIEND_JID, { text: 'after' }, { messageId: 'AFTER' });
  await until(() => second.totals().received === 2, 'the second message');
  await until(() => again.statuses.filter(({ status }) => status === 4).length === 2, 'both read receipts');

  expect(second.rootKeyHex).toBe(first.rootKeyHex);
  expect(await get(second, `/phones/${FRIEND}/messages`)).toMatchObject([
    { id: 'BEFORE', text: 'before', repeats: 0 },
    { id: 'AFTER', text: 'after', repeats: 0 },
  ]);
  expect(second.totals()).toMatchObject({ distinct: 2, repeatsOnWire: 0, usedCounters: 0, undecryptable: 0 });
  expect(again.received.some(({ message }) => message?.conversation === 'for later')).toBe(true);
});

test('a folder of an older version goes on: columns and keys that it lacks come by themselves', async () => {
  const dataDir = dataFolder();
  const first = await simulate({ dataDir });
  const client = await linkAndLogin(first, ACCOUNT);
  await client.sock.sendMessage(FRIEND_JID, { text: 'before' }, { messageId: 'BEFORE' });
  await until(() => first.totals().received === 1, 'the first message');
  client.end();
  await until(() => first.totals().connections === 0, 'the end of the connection');
  await post(first, `/phones/${FRIEND}/send`, { to: ACCOUNT, text: 'for later' });
  await first.stop();
  const database = new DatabaseSync(join(dataDir, 'simulator.sqlite'));
  database.exec(`
    ALTER TABLE phones DROP COLUMN installs;
    ALTER TABLE messages DROP COLUMN content;
    DELETE FROM outbox WHERE kind = 'settled';
    UPDATE accounts SET device = json_remove(device, '$.signedPreKeySignature', '$.deviceIdentity');
  `);
  database.close();

  const second = await simulate({ dataDir });
  const again = await login(second, client.auth);
  await until(() => again.received.some(({ message }) => message?.conversation === 'for later'), 'what waited');
  await again.sock.sendMessage(FRIEND_JID, { text: 'after' }, { messageId: 'AFTER' });
  await until(() => second.totals().received === 2, 'the second message');

  expect(second.rootKeyHex).toBe(first.rootKeyHex);
  expect(await get(second, `/phones/${FRIEND}/messages`)).toMatchObject([
    { id: 'BEFORE', type: 'text', text: 'before', repeats: 0 },
    { id: 'AFTER', type: 'text', text: 'after', repeats: 0 },
  ]);
  // Its digest was not whole, so the device has uploaded its keys anew.
  await until(
    () =>
      again.sock.digestKeyBundle().then(
        () => true,
        () => false,
      ),
    'a whole digest',
  );
});

test('what was acknowledged survives a SIGKILL, ratchets included', async () => {
  const dataDir = dataFolder();
  const first = await spawnSimulator(dataDir);
  const client = await linkAndLogin(first, ACCOUNT);
  const acked = new Set<string>();
  client.sock.ws.on('CB:ack,class:message', ({ attrs }: { attrs: { id: string } }) => {
    acked.add(attrs.id);
    if (acked.size === 30) first.child.kill('SIGKILL');
  });
  const gone = once(first.child, 'exit');
  for (let n = 0; n < 60; n++) {
    await client.sock.sendMessage(FRIEND_JID, { text: `text ${n}` }, { messageId: `ID${n}` }).catch(() => undefined);
  }
  await gone;

  const second = await spawnSimulator(dataDir);
  const again = await login(second, client.auth);
  const kept = new Set((await get<{ id: string }[]>(second, `/phones/${FRIEND}/messages`)).map(({ id }) => id));
  await again.sock.sendMessage(FRIEND_JID, { text: 'after' }, { messageId: 'AFTER' });
  await until(async () => (await totalsOf(second)).received === kept.size + 1, 'the message after the crash');

  expect(acked.size).toBeGreaterThanOrEqual(30);
  expect([...acked].filter((id) => !kept.has(id))).toEqual([]);
  expect(await totalsOf(second)).toMatchObject({ repeatsOnWire: 0, usedCounters: 0, undecryptable: 0 });
});

test('the process ends cleanly on SIGTERM, with connections open', async () => {
  const simulator = await spawnSimulator(dataFolder());
  const waiting = connect(simulator, newAuth());
  await waiting.on('connection.update', ({ qr }) => qr !== undefined);

  expect(await kill(simulator.child, 'SIGTERM')).toBe(0);
});

test('the process ends when the parent that it talks to goes away', async () => {
  const simulator = await spawnSimulator(dataFolder(), true);
  const exit = once(simulator.child, 'exit');

  simulator.child.disconnect();

  expect(await exit).toEqual([0, null]);
});

test('the process ends within two seconds when its parent is killed', async () => {
  const script = `require('node:child_process').spawn(process.execPath, [process.argv[1]], { stdio: ['ignore', 'inherit', 'inherit'] });`;
  const parent = spawn(process.execPath, ['-e', script, MAIN], { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void parent.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: parent.stdout }), 'line');
  const { url }: Address = JSON.parse(String(line));
  const killedMs = Date.now();

  await kill(parent, 'SIGKILL');

  const answers = () =>
    fetch(`${url}/totals`).then(
      () => true,
      () => false,
    );
  await until(async () => !(await answers()), 'the end of the simulator');
  expect(Date.now() - killedMs).toBeLessThan(2_000);
});
