import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AccountHot } from '../../lib/domain/accounts/account.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import type { Endpoints } from '../../local/process/environment.ts';
import { unpack } from '../fixtures/release-0.1.0/archive.ts';
import type { MadeFolder, MadeOrder } from '../fixtures/release-0.1.0/orders.ts';
import { type ContractView, reached, startWorld, type World } from '../harness/local-stack.ts';
import { productTable } from '../harness/product-table.ts';
import { shiftClock, shiftedClock } from '../harness/shifted-clock.ts';
import { until } from '../harness/until.ts';
import { type Receiver, startReceiver } from '../webhook/receiver.ts';

/*
 * The stack of today on a data folder that the previous release left behind when it was killed, see ../fixtures/release-0.1.0/README.md. Who
 * changes a stored form gives it a reader for the old one; then everything that was ordered still ends right.
 */

const fixture = new URL('../fixtures/release-0.1.0/folder.br', import.meta.url);
/** Every lease, wait and look of the folder is due by then. */
const downForMs = 20 * 60_000;
/** On a machine with other work: alone, all orders end within half a minute. */
const endsWithinMs = 240_000;

let world: World;
let receiver: Receiver;
let made: MadeFolder;
let endpoints: Endpoints;

beforeAll(async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'paceline-previous-'));
  await unpack(await readFile(fixture), dataDir);
  made = JSON.parse(await readFile(join(dataDir, 'orders.json'), 'utf8'));
  receiver = await startReceiver(systemClock, { secret: made.webhookSecret });
  const offsetMs = made.madeAtMs + downForMs - Date.now();
  adapt(join(dataDir, 'dynamodb', 'dynoxide.sqlite'), offsetMs);
  shiftClock(offsetMs);
  world = await startWorld({
    dataDir,
    quiet: true,
    processEnv: shiftedClock(offsetMs),
    // Functions and hosts get NODE_OPTIONS of their own from the template, which come after those of all processes.
    env: shiftedClock(offsetMs),
    onEndpoints: (found) => {
      endpoints = found;
    },
  });
}, 240_000);
afterAll(async () => {
  await receiver?.stop();
  await world?.stop();
});

/**
 * Puts the receiver of this run where the folder has one. Dynoxide dates stream records by the machine's clock and takes no other, so a trigger
 * dates them by the clock of all other processes: events are as old as their records, and their deliveries are due at that time.
 */
function adapt(file: string, offsetMs: number): void {
  const database = new DatabaseSync(file);
  const tables = database.prepare('SELECT table_name FROM _tables').all();
  for (const { table_name: name } of tables) {
    const sql = `UPDATE "${name}" SET item_json = replace(item_json, ?, ?)`;
    database.prepare(sql).run(made.receiverUrl, receiver.url);
  }
  database.exec(`CREATE TRIGGER clock AFTER INSERT ON _stream_records BEGIN
    UPDATE _stream_records SET created_at = created_at + (${Math.floor(offsetMs / 1000)}) WHERE id = NEW.id;
  END`);
  database.close();
}

const named = (name: string): MadeOrder => {
  const order = made.orders.find((one) => one.name === name);
  if (order === undefined) throw new Error(`The folder has no order ${name}.`);
  return order;
};
const start = (name: string) => world.api('POST', `/v1/contracts/${named(name).id}/start`);
const read = (name: string) => world.read(named(name).id);
const state = async (name: string, wanted: string) =>
  until(`${name}: ${wanted}`, async () => (await read(name)).status === wanted, endsWithinMs, 100);
const total = ({ counts }: ContractView) => Object.values(counts).reduce((sum, count) => sum + count, 0);
/** How often each text is shown on a phone. */
async function shown(phone: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const { text } of await world.received(phone)) found.set(text, (found.get(text) ?? 0) + 1);
  return found;
}

/** The deliveries of an endpoint in a state. */
const deliveries = (endpointId: string, status: string) =>
  world.all<object>(`/v1/webhooks/${endpointId}/deliveries?status=${status}`);

const stopped = ['canceled', 'deleted'];
const neverSent = [...stopped, 'opted out', 'awaited'];
/** The moves that are told of each order; by default its start and its completion. Its progress depends on the time and is left out. */
const moves: Record<string, string[]> = {
  canceled: ['contract.canceled', 'contract.started'],
  deleted: ['contract.canceled', 'contract.paused', 'contract.started'],
  failed: ['contract.completed', 'contract.failed', 'contract.resumed', 'contract.started'],
  // Its one recipient was not written to.
  'opted out': ['contract.failed', 'contract.started'],
  paused: ['contract.completed', 'contract.paused', 'contract.resumed', 'contract.started'],
  'paused in hand': ['contract.completed', 'contract.paused', 'contract.resumed', 'contract.started'],
};

it('goes on with every order of the previous release and sends each message once', async () => {
  // The previous release's own words for what they are.
  expect(await world.read(named('paused').id)).toMatchObject({ status: 'PAUSED', totalCount: 20 });
  expect(await world.read(named('paused in hand').id)).toMatchObject({ status: 'PAUSED', totalCount: 8 });
  expect(await world.read(named('running').id)).toMatchObject({ status: 'IN_PROGRESS', totalCount: 128 });
  for (const account of ['running', 'slow']) {
    await world.api('PATCH', `/v1/accounts/${made.accounts[account]}`, { useLimits: false });
  }

  await world.api('DELETE', `/v1/contracts/${named('deleted').id}`);
  for (const name of ['paused', 'paused in hand', 'imported', 'skipping', 'opted out']) await start(name);
  await world.api('POST', `/v1/contracts/${named('failed').id}/retry-failed`);
  await state('unread', 'PENDING');
  await start('unread');

  for (const order of made.orders.filter(({ name }) => !neverSent.includes(name))) {
    await state(order.name, 'COMPLETED');
    const ended = await world.read(order.id);
    expect([order.name, reached(ended)]).toEqual([order.name, order.phones.length]);
    // A number that is none counts as failed.
    const failed = order.name === 'skipping' ? 1 : 0;
    expect(ended.counts).toMatchObject({ pending: 0, queued: 0, sending: 0, failed, canceled: 0, expired: 0 });
    expect([order.name, total(ended)]).toEqual([order.name, ended.totalCount]);
  }
  expect((await read('skipping')).counts).toMatchObject({ suppressed: 1 });
  await state('canceled', 'CANCELED');
  await until('its last message', async () => {
    const { counts } = await read('canceled');
    return (counts.queued ?? 0) + (counts.sending ?? 0) + (counts.pending ?? 0) === 0;
  });
  await expect(read('deleted')).rejects.toThrow(/404/);
  expect((await read('awaited')).status).toBe('IMPORTING');

  // What people have on their phones: every text of theirs once, and of what was stopped none twice.
  const phones = new Set(made.orders.flatMap((order) => order.phones));
  for (const phone of phones) {
    const texts = await shown(phone);
    for (const order of made.orders) {
      for (const [row, to] of order.phones.entries()) {
        if (to !== phone) continue;
        const text = `${order.name} ${row}`;
        const count = texts.get(text) ?? 0;
        if (stopped.includes(order.name)) expect([text, count <= 1]).toEqual([text, true]);
        else expect([phone, text, count]).toEqual([phone, text, neverSent.includes(order.name) ? 0 : 1]);
        texts.delete(text);
      }
    }
    expect([phone, [...texts.keys()].filter((text) => !text.startsWith('You will receive'))]).toEqual([phone, []]);
  }
  const canceled = await read('canceled');
  const seen = await Promise.all(named('canceled').phones.map((phone) => shown(phone)));
  expect(seen.filter((texts, row) => texts.has(`canceled ${row}`)).length).toBe(reached(canceled));
  expect(await world.totals()).toMatchObject({ usedCounters: 0, undecryptable: 0 });
}, 400_000);

it('keeps who opted out, and takes new orders for the others', async () => {
  await until('opted out', async () => (await read('opted out')).counts.suppressed === 1);
  const accountId = made.accounts.quick ?? '';
  const newcomer = '12015550199';
  const rows = [made.silentPhone, newcomer].map((phoneNumber) => ({ phoneNumber, message: 'New' }));
  const contract = await world.contract(accountId, rows);
  expect(await world.ended(contract.id)).toMatchObject({ status: 'COMPLETED', counts: { suppressed: 1, failed: 0 } });
  expect((await shown(newcomer)).get('New')).toBe(1);
  expect([...(await shown(made.silentPhone)).keys()]).toEqual([expect.stringContaining('no more messages')]);
}, 120_000);

it('takes the file of an import that was begun', async () => {
  const { id } = named('awaited');
  const upload = await world.api<{ uploadUrl: string; method: string; headers: Record<string, string> }>(
    'POST',
    `/v1/contracts/${id}/import`,
    { format: 'csv' },
  );
  const lines = named('awaited').phones.map((number, row) => `+${number},awaited ${row}`);
  const body = ['phoneNumber,message', ...lines, ''].join('\n');
  const put = await fetch(upload.uploadUrl, { method: upload.method, headers: upload.headers, body });
  expect(put.status).toBe(200);
  await state('awaited', 'PENDING');
  await start('awaited');
  expect(await world.ended(id)).toMatchObject({ status: 'COMPLETED', totalCount: 2 });
}, 120_000);

it('answers a repeated call as it did, and orders nothing again', async () => {
  const { stack } = world;
  const before = await world.totals();
  const response = await fetch(`${stack.apiUrl}/v1/contracts`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${stack.apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': made.repeat.key,
    },
    body: JSON.stringify(made.repeat.body),
  });
  expect([response.status, ((await response.json()) as ContractView).id]).toEqual([201, made.repeat.id]);
  expect((await world.totals()).distinct).toBe(before.distinct);
});

it('tells what was to be told, each once and signed', async () => {
  const { requests } = receiver;
  const containing = (type: string, text: string) =>
    requests.filter(({ body }) => body.type === type && JSON.stringify(body.data).includes(text)).length;
  const movesOf = ({ id }: MadeOrder) =>
    requests
      .filter(({ body }) => (body.data.contract as ContractView | undefined)?.id === id)
      .map(({ body }) => body.type)
      .filter((type) => type !== 'contract.progress')
      .toSorted();
  const expected = made.orders.map((order) => ({
    order,
    types: moves[order.name] ?? ['contract.completed', 'contract.started'],
  }));

  for (const { order, types } of expected) {
    await until(`${order.name}: its moves`, async () => movesOf(order).length >= types.length, endsWithinMs);
  }
  await until('the last word', async () => containing('message.received', 'The last word') > 0, endsWithinMs);
  const { items: webhooks } = await world.api<{ items: { id: string }[] }>('GET', '/v1/webhooks');
  expect(webhooks).toHaveLength(2);
  for (const { id } of webhooks) {
    await until(`${id}: nothing waits`, async () => (await deliveries(id, 'pending')).length === 0, endsWithinMs);
    expect(await deliveries(id, 'failed')).toEqual([]);
  }

  for (const { order, types } of expected) expect([order.name, movesOf(order)]).toEqual([order.name, types]);
  expect(containing('message.received', 'The last word')).toBe(1);
  expect(containing('suppression.created', made.silentPhone)).toBe(1);
  expect(new Set(requests.map(({ id }) => id)).size).toBe(requests.length);
  expect(requests.filter(({ verified }) => !verified)).toEqual([]);
}, 250_000);

it('leaves nothing in hand or counted as in a lane', async () => {
  const { table, close } = await productTable(endpoints);
  try {
    const [tenant] = await table.queryAll<{ sk: string }>({ pk: 'TENANTS' });
    for (const id of Object.values(made.accounts)) {
      const hot = await until(`${id}: idle`, async () => {
        const found = await table.get<AccountHot>({ pk: `T#${tenant?.sk}#A#${id}`, sk: 'O' });
        return found?.inHand === undefined ? found : undefined;
      });
      expect(hot).toMatchObject({ queuedExpress: 0, queuedBulk: 0 });
    }
  } finally {
    close();
  }
});
