import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keys } from '../../lib/aws/keys.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import { messageId } from '../../lib/domain/ids.ts';
import type { Counter } from '../../lib/domain/messages/counter.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { numberOf, rowsTo } from '../factories.ts';
import { type Faults, type Gateway, startGateway, tenantId } from '../harness/gateway.ts';
import { moveMessage } from '../harness/move-message.ts';
import { until } from '../harness/until.ts';

/** A message each 700 ms. */
const paced: Partial<Account> = {
  useLimits: true,
  pacing: { perMinute: null, gapMs: [700, 700], restEvery: null, delayMs: [0, 0] },
};

describe('a receipt of an account that is paced and has more to send', () => {
  let gateway: Gateway;
  const faults: Faults = {};
  beforeEach(async () => {
    delete faults.before;
    delete faults.after;
    gateway = await startGateway(systemClock);
    await gateway.host(undefined, faults);
  });
  afterEach(() => gateway.stop());

  /** The first message is out and delivered. */
  async function underWay(count: number) {
    const account = await gateway.account(paced);
    await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
    const contract = await gateway.contract(account, rowsTo(count));
    const listener = gateway.sessions.get(account.id)?.listener;
    if (listener === undefined) throw new Error('no connection');
    const receive = (kind: 'delivered' | 'read', row: number) =>
      listener.onReceipt({ messageId: messageId(contract.id, row), kind, at: Date.now(), from: [numberOf(row)] });
    const states = async () => (await gateway.messages(contract)).map(({ state }) => state);
    await until('on the wire', async () => gateway.wire.length === 1, 15_000, 1);
    await receive('delivered', 0);
    expect((await states())[0]).toBe('DELIVERED');
    return { account, contract, receive, states };
  }
  const numbersOf = (contract: Contract) =>
    gateway.deps.table.get<Counter>(keys.counter(tenantId, contract.id, contract.accountIds[0] ?? ''));
  const completed = (contract: Contract) =>
    until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');

  it('is written with the outcome of the next message', async () => {
    const { contract, receive, states } = await underWay(3);
    await until('the second is on the wire', async () => gateway.wire.length === 2, 15_000, 1);
    let transactions = 0;
    faults.before = (command) => {
      if (command === 'TransactWriteItems') transactions += 1;
    };
    await receive('read', 0);
    expect(transactions).toBe(1);
    expect((await states()).slice(0, 2)).toEqual(['READ', 'SENT']);
    expect(await numbersOf(contract)).toMatchObject({ read: 1, delivered: 0, sent: 1 });
    await completed(contract);
    expect(await numbersOf(contract)).toMatchObject({ read: 1, delivered: 0, sent: 2, failed: 0 });
  });

  it('lets the outcome go alone when its message is not as this host knew it', async () => {
    const { contract, receive } = await underWay(3);
    const [first] = await gateway.messages(contract);
    if (first === undefined) throw new Error('no message');
    await moveMessage(gateway.deps.table, first, 'READ', Date.now(), { readAt: first.deliveredAt ?? 0 });
    await receive('read', 0);
    await completed(contract);
    expect(await gateway.messages(contract)).toMatchObject([
      { state: 'READ', readAt: first.deliveredAt },
      { state: 'SENT' },
      { state: 'SENT' },
    ]);
    expect(await numbersOf(contract)).toMatchObject({ read: 1, delivered: 0, sent: 2, failed: 0 });
  });

  it.each(['before', 'after'] as const)(
    'is counted once, and so is the outcome, when the call that carries both fails %s it stood',
    async (when) => {
      const { contract, receive, states } = await underWay(3);
      await until('the second is on the wire', async () => gateway.wire.length === 2, 15_000, 1);
      let transactions = 0;
      faults[when] = (command) => {
        if (command === 'TransactWriteItems' && ++transactions === 1) throw new Error('no answer');
      };
      await receive('read', 0);
      await completed(contract);
      expect(await states()).toEqual(['READ', 'SENT', 'SENT']);
      expect(await numbersOf(contract)).toMatchObject({ read: 1, delivered: 0, sent: 2, failed: 0 });
      expect(new Set(gateway.wire.map(({ id }) => id)).size).toBe(3);
      expect(gateway.wire).toHaveLength(3);
    },
  );

  it('is not held back once nothing is left to send', async () => {
    const { contract, receive, states } = await underWay(1);
    const atMs = performance.now();
    await receive('read', 0);
    expect(performance.now() - atMs).toBeLessThan(2_000);
    expect(await states()).toEqual(['READ']);
    expect(await numbersOf(contract)).toMatchObject({ read: 1, delivered: 0, sent: 0 });
  });
});
