import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closeInboundBatches } from '../../../functions/sweep/inbound-batches.ts';
import { orphanAccounts } from '../../../lib/aws/hosts/ownership.ts';
import { closeBatch, listBatches, overdueBatches } from '../../../lib/aws/inbound/inbound.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import type { InboundBatch, InboundMessage } from '../../../lib/domain/inbound/inbound.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import type { RunningHost } from '../../../socket-host/host/host.ts';
import { type Faults, type Gateway, startGateway, tenantId } from '../../harness/gateway.ts';
import { until } from '../../harness/until.ts';

let gateway: Gateway;
let host: RunningHost;
let faults: Faults;
beforeEach(() => {
  faults = {};
});
afterEach(() => gateway.stop());

async function start({ batchMs }: { batchMs: number }): Promise<Account> {
  gateway = await startGateway(systemClock);
  gateway.emulators.env.INBOUND_BATCH_MS = String(batchMs);
  gateway.emulators.env.METRICS_PORT = '0';
  host = await gateway.host(undefined, faults);
  const account = await gateway.account();
  await connected(account);
  return account;
}

const connected = (account: Account) =>
  until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');

async function says(
  account: Account,
  text: string,
  from = '79991000001',
  more: Partial<InboundMessage> = {},
): Promise<string> {
  const message = { id: `3A${randomUUID()}`, type: 'text' as const, text, at: Date.now(), from, ...more };
  await gateway.sessions.get(account.id)?.listener.onInbound(message);
  return message.id;
}

async function batches(account: Account): Promise<InboundBatch[]> {
  const { items } = await listBatches(gateway.deps.table, { tenantId, accountId: account.id }, { limit: 100 });
  return items.reverse();
}
const told = async (account: Account) =>
  (await batches(account))
    .filter(({ closedAt }) => closedAt !== undefined)
    .map(({ messages }) => messages.map(({ text }) => text));
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('messages of one chat', () => {
  it('in quick succession are one batch, closed when the chat falls quiet; another chat has its own', async () => {
    const account = await start({ batchMs: 600 });
    for (const text of ['one', 'two', 'three']) {
      await says(account, text);
      await wait(300);
    }
    await says(account, 'else', '79991000002', { fromLid: '555' });
    expect((await batches(account)).map(({ messages, closedAt }) => [messages.length, closedAt])).toEqual([
      [3, undefined],
      [1, undefined],
    ]);
    await until('closed', async () => (await told(account)).length === 2);
    expect(await told(account)).toEqual([['one', 'two', 'three'], ['else']]);
    expect((await batches(account))[1]).toMatchObject({
      tenantId,
      accountId: account.id,
      chat: '79991000002',
      from: '79991000002',
      fromLid: '555',
      messages: [{ type: 'text', text: 'else', at: expect.any(Number), id: expect.stringMatching(/^3A/) }],
    });
    expect(await overdueBatches(gateway.deps.table, Date.now() + 60_000)).toEqual([]);
    await says(account, 'later');
    await until('closed', async () => (await told(account)).length === 3);
  });

  it('that never falls quiet are told after five times the wait', async () => {
    const account = await start({ batchMs: 400 });
    const beganAt = Date.now();
    let sent = 0;
    while (Date.now() - beganAt < 2600) {
      await says(account, String(sent++));
      await wait(100);
    }
    await until('all told', async () => (await told(account)).flat().length === sent);
    const all = await told(account);
    expect(all.flat()).toEqual(Array.from({ length: sent }, (_, i) => String(i)));
    expect(all.length).toBe(2);
  });

  it('are told one by one at once where batching is off', async () => {
    const account = await start({ batchMs: 0 });
    await says(account, 'one');
    await says(account, 'two');
    expect(await told(account)).toEqual([['one'], ['two']]);
  });

  it('are told in several batches when they are many', async () => {
    const account = await start({ batchMs: 2000 });
    for (let i = 0; i < 60; i++) await says(account, String(i));
    expect(await told(account)).toEqual([Array.from({ length: 50 }, (_, i) => String(i))]);
  });

  it('go into a new batch when somebody has closed the open one, and none is told twice', async () => {
    const account = await start({ batchMs: 1000 });
    await says(account, 'one');
    const [open] = await batches(account);
    expect(await closeBatch(gateway.deps.table, { tenantId, accountId: account.id, id: open?.id ?? '' }, 1)).toBe(true);
    await says(account, 'two');
    await says(account, 'three');
    await until('closed', async () => (await told(account)).length === 2);
    expect(await told(account)).toEqual([['one'], ['two', 'three']]);
    expect((await batches(account))[0]).toMatchObject({ closedAt: 1 });
  });

  it('are stored once, however often WhatsApp delivers them, also when an answer of the table is lost', async () => {
    const account = await start({ batchMs: 300 });
    const id = await says(account, 'once');
    await says(account, 'once', '79991000001', { id });
    let failing = true;
    faults.after = (command) => {
      if (command !== 'TransactWriteItems' || !failing) return;
      failing = false;
      throw new Error('the answer was lost');
    };
    await expect(says(account, 'twice', '79991000001', { id: '3ALOST' })).rejects.toThrow('the answer was lost');
    await says(account, 'twice', '79991000001', { id: '3ALOST' });
    await until('closed', async () => (await told(account)).flat().length === 2);
    expect((await told(account)).flat()).toEqual(['once', 'twice']);
    // Neither can be read once its key has been used; one of them has been stored.
    gateway.sessions.get(account.id)?.listener.onUndecryptable('3ALOST', true);
    gateway.sessions.get(account.id)?.listener.onUndecryptable('3AUNKNOWN', true);
    await wait(100);
    const metrics = await (await fetch(host.metricsUrl ?? '')).text();
    expect(metrics).toContain('paceline_inbound_total{result="received"} 4');
    expect(metrics).toContain('paceline_inbound_total{result="stored"} 1');
    expect(metrics).toContain('paceline_inbound_total{result="repeated"} 3');
    expect(metrics).toContain('paceline_inbound_total{result="undecryptable"} 1');
  });
});

describe('batches whose owner is gone', () => {
  it('are closed by the next owner', async () => {
    const account = await start({ batchMs: 60_000 });
    await says(account, 'one');
    await says(account, 'two');
    const [open] = await batches(account);
    expect(open?.closedAt).toBeUndefined();
    const session = gateway.sessions.get(account.id);
    await orphanAccounts(gateway.deps.table, host.id);
    await until('owned anew', async () => gateway.sessions.get(account.id) !== session);
    await until('closed', async () => (await told(account)).length === 1);
    await says(account, 'three');
    expect((await batches(account)).map(({ messages }) => messages.map(({ text }) => text))).toEqual([
      ['one', 'two'],
      ['three'],
    ]);
  });

  it('are closed before the account is given up in good order', async () => {
    const account = await start({ batchMs: 60_000 });
    await says(account, 'one');
    await host.stop();
    expect(await told(account)).toEqual([['one']]);
  });

  it('are closed by the sweep when nobody takes the account, once', async () => {
    const account = await start({ batchMs: 1000 });
    await says(account, 'one');
    faults.before = (command) => {
      if (command === 'UpdateItem') throw new Error('the table is away');
    };
    await wait(1500);
    faults.before = undefined;
    expect(await told(account)).toEqual([]);
    const swept = { batchesClosed: 0 } as Parameters<typeof closeInboundBatches>[1];
    const later = { ...gateway.deps, nowMs: () => Date.now() + 60_000 };
    await closeInboundBatches({ ...gateway.deps }, swept);
    expect(swept.batchesClosed).toBe(0);
    await closeInboundBatches(later, swept);
    await closeInboundBatches(later, swept);
    expect(swept.batchesClosed).toBe(1);
    expect(await told(account)).toEqual([['one']]);
  });
});
