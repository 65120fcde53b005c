import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConnectionEvents } from '../../lib/aws/accounts/connection-events.ts';
import { keys } from '../../lib/aws/keys.ts';
import { decodeEvents } from '../../lib/domain/accounts/connection-events.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import { messageId } from '../../lib/domain/ids.ts';
import type { Counter } from '../../lib/domain/messages/counter.ts';
import type { MessageState } from '../../lib/domain/messages/message.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { numberOf, rowsTo } from '../factories.ts';
import { type Faults, type Gateway, startGateway, tenantId } from '../harness/gateway.ts';
import { until } from '../harness/until.ts';

describe('an outcome that no next message takes along', () => {
  let gateway: Gateway;
  const faults: Faults = {};
  beforeEach(async () => {
    delete faults.before;
    delete faults.after;
    gateway = await startGateway(systemClock);
    await gateway.host(undefined, faults);
  });
  afterEach(() => gateway.stop());

  async function ordered(settings: Parameters<Gateway['account']>[0] = {}, count = 1) {
    const account = await gateway.account(settings);
    await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
    const contract = await gateway.contract(account, rowsTo(count));
    const listener = gateway.sessions.get(account.id)?.listener;
    if (listener === undefined) throw new Error('no connection');
    const receive = (kind: 'delivered' | 'read', row = 0) =>
      listener.onReceipt({ messageId: messageId(contract.id, row), kind, at: Date.now(), from: [numberOf(row)] });
    return { account, contract, receive };
  }
  const first = async (contract: Contract) => (await gateway.messages(contract))[0];
  const becomes = (contract: Contract, state: MessageState) =>
    until(state, async () => (await first(contract))?.state === state);
  const onWire = (count: number) => until('on the wire', async () => gateway.wire.length === count, 15_000, 1);
  const completed = (contract: Contract) =>
    until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
  const numbersOf = (contract: Contract, account: string) =>
    gateway.deps.table.get<Counter>(keys.counter(tenantId, contract.id, account));
  /** Counts the transactions that write a message, those of the account's own items left out. */
  function countTransactions(): () => number {
    let count = 0;
    faults.before = (command) => {
      if (command === 'TransactWriteItems') count += 1;
    };
    return () => count;
  }

  it('waits a moment for the first receipt, and both are one write', async () => {
    const { contract, receive, account } = await ordered();
    await onWire(1);
    const transactions = countTransactions();
    const received = receive('delivered');
    await received;
    expect(transactions()).toBe(1);
    const message = await first(contract);
    expect(message).toMatchObject({ state: 'DELIVERED', attempts: 1 });
    expect(message?.deliveredAt).toBeGreaterThanOrEqual(message?.sentAt ?? Number.NaN);
    await completed(contract);
    expect(await numbersOf(contract, account.id)).toMatchObject({ sent: 0, delivered: 1 });
    await until('totals', async () => (await gateway.readHot(account.id))?.messageCount === 1);
  });

  it("leaves its first receipt among the connection's events, once", async () => {
    const { receive, account } = await ordered();
    await onWire(1);
    // Until the ack has come.
    await systemClock.sleep(100);
    await Promise.all([receive('delivered'), receive('read')]);
    gateway.sessions.get(account.id)?.end({ code: 428, detail: 'gone' });
    const kinds = async () => {
      const item = await readConnectionEvents(gateway.deps.table, { tenantId, accountId: account.id });
      return item === undefined ? [] : decodeEvents(item.events).map(({ kind }) => kind);
    };
    await until('the events are stored', async () => (await kinds()).includes('closed'));
    expect((await kinds()).filter((kind) => kind === 'delivered')).toHaveLength(1);
  });

  it('is SENT within two seconds where none comes', async () => {
    const { contract } = await ordered();
    await onWire(1);
    const fromMs = performance.now();
    await becomes(contract, 'SENT');
    expect(performance.now() - fromMs).toBeLessThan(2_000);
    await completed(contract);
  });

  it('goes with the next message of a paced account where its gap is shorter than the wait', async () => {
    const { contract, receive } = await ordered(
      {
        useLimits: true,
        pacing: { gapMs: [300, 300], restEvery: null, perMinute: null, delayMs: [0, 0], warmUp: false },
      },
      3,
    );
    await onWire(1);
    await receive('read');
    await completed(contract);
    expect((await gateway.messages(contract)).map(({ state }) => state)).toEqual(['READ', 'SENT', 'SENT']);
    const [one, two, three] = gateway.wire.map(({ at }) => at);
    // Timers fire up to a millisecond early, and the wall clock counts whole ones.
    expect((two ?? 0) - (one ?? 0)).toBeGreaterThanOrEqual(298);
    expect((three ?? 0) - (two ?? 0)).toBeGreaterThanOrEqual(298);
  });

  it.each(['before', 'after'] as const)(
    'is right when the write it shares with a receipt fails %s it stood',
    async (when) => {
      const { contract, receive, account } = await ordered();
      await onWire(1);
      let left = 1;
      faults[when] = (command) => {
        if (command === 'TransactWriteItems' && left-- > 0) throw new Error('no answer');
      };
      await receive('delivered');
      expect(await first(contract)).toMatchObject({ state: 'DELIVERED', attempts: 1 });
      await completed(contract);
      expect(await numbersOf(contract, account.id)).toMatchObject({ sent: 0, delivered: 1 });
      await until('totals', async () => (await gateway.readHot(account.id))?.messageCount === 1);
      expect(gateway.wire).toHaveLength(1);
    },
  );

  it('does not swallow a receipt when the outcome turns out to be written without it', async () => {
    const { contract, receive, account } = await ordered();
    // The outcome stands although the host was not answered, and a receipt joins what is believed to be open.
    let left = 2;
    await onWire(1);
    faults.after = (command) => {
      if (command === 'TransactWriteItems' && left-- > 0) throw new Error('no answer');
    };
    await becomes(contract, 'SENT');
    await receive('read');
    expect(await first(contract)).toMatchObject({ state: 'READ', attempts: 1 });
    await completed(contract);
    expect(await numbersOf(contract, account.id)).toMatchObject({ sent: 0, delivered: 0, read: 1 });
  });

  it('does not swallow a receipt that comes while it is read whether the outcome stands', async () => {
    const { contract, receive, account } = await ordered();
    await onWire(1);
    let transactions = 0;
    let received: Promise<void> | undefined;
    faults.after = (command) => {
      // The outcome stands, though the host is not answered.
      if (command === 'TransactWriteItems' && transactions === 1) throw new Error('no answer');
    };
    faults.before = (command) => {
      if (command === 'TransactWriteItems') transactions += 1;
      // After the second try has found it to be so.
      else if (command === 'GetItem' && transactions === 2) received ??= receive('read');
    };
    await until('a receipt comes', async () => received !== undefined);
    await received;
    expect(await first(contract)).toMatchObject({ state: 'READ', attempts: 1 });
    await completed(contract);
    expect(await numbersOf(contract, account.id)).toMatchObject({ sent: 0, delivered: 0, read: 1 });
  });

  it("gives the receipt back, unacked, when the account is another host's before it is written", async () => {
    const { contract, receive, account } = await ordered();
    await onWire(1);
    faults.before = (command) => {
      if (command === 'TransactWriteItems') throw new Error('the table is away');
    };
    const received = expect(receive('delivered')).rejects.toThrow('not ours any more');
    const hot = await gateway.readHot(account.id);
    await gateway.deps.table.update(keys.accountHot(tenantId, account.id), {
      update: 'SET epoch = :e, #o = :o',
      names: { '#o': 'owner' },
      values: { ':e': (hot?.epoch ?? 0) + 1, ':o': 'hst_another' },
    });
    // The new owner has found the message in hand, and sends it again.
    await gateway.deps.table.update(keys.message(tenantId, messageId(contract.id, 0)), {
      update: 'SET claim.nonce = :n',
      values: { ':n': 'another' },
    });
    faults.before = undefined;
    await received;
    expect(await first(contract)).toMatchObject({ state: 'SENDING', claim: { nonce: 'another' } });
  });
});
