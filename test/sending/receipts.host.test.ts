import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keys } from '../../lib/aws/keys.ts';
import { readSent } from '../../lib/aws/messages/messages.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import { messageId } from '../../lib/domain/ids.ts';
import type { Counter } from '../../lib/domain/messages/counter.ts';
import { Receipts } from '../../lib/sending/receipts.ts';
import { SentMessages } from '../../lib/sending/sent-messages.ts';
import { numberOf, rowsTo } from '../factories.ts';
import { type Faults, type Gateway, startGateway, tenantId } from '../harness/gateway.ts';
import { moveMessage } from '../harness/move-message.ts';
import { scaledClock } from '../harness/scaled-clock.ts';
import { until } from '../harness/until.ts';

describe('a receipt', () => {
  let gateway: Gateway;
  const faults: Faults = {};
  beforeAll(async () => {
    // Its waits between tries, of half a second to eight, pass in a twentieth.
    gateway = await startGateway(scaledClock(20));
    await gateway.host(undefined, faults);
  });
  afterAll(() => gateway.stop());
  beforeEach(() => {
    faults.before = undefined;
    faults.after = undefined;
  });

  async function sent(from: number) {
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(1, from));
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    const listener = gateway.sessions.get(account.id)?.listener;
    if (listener === undefined) throw new Error('no connection');
    const state = async () => (await gateway.messages(contract))[0]?.state;
    const id = messageId(contract.id, 0);
    const deliver = (by = numberOf(from), to = listener) =>
      to.onReceipt({ messageId: id, kind: 'delivered', at: Date.now() + 1000, from: [by] });
    return { contract, deliver, state, listener };
  }

  it('is taken once it is in the table', async () => {
    const { deliver, state } = await sent(100);
    const taken = deliver();
    expect(await state()).toBe('SENT');
    await taken;
    expect(await state()).toBe('DELIVERED');
  });

  it('that could not be written is tried again, and taken then', async () => {
    const { deliver, state } = await sent(200);
    let left = 2;
    faults.before = (command) => {
      if (command === 'TransactWriteItems' && left-- > 0) throw new Error('the table is away');
    };
    await deliver();
    expect(await state()).toBe('DELIVERED');
  });

  it('that cannot be written is not taken, and is when it comes again', async () => {
    const { deliver, state } = await sent(300);
    faults.before = (command) => {
      if (command === 'TransactWriteItems') throw new Error('the table is away');
    };
    await expect(deliver()).rejects.toThrow('the table is away');
    expect(await state()).toBe('SENT');
    faults.before = undefined;
    await deliver();
    expect(await state()).toBe('DELIVERED');
  });

  it('of a message we do not know is taken: nothing will ever come of it', async () => {
    const { listener } = await sent(400);
    await listener.onReceipt({ messageId: `msg_${'0'.repeat(18)}`, kind: 'read', at: Date.now(), from: [] });
  });

  it('of a stranger is taken and changes nothing, nor does one that another account hears', async () => {
    const { deliver, state } = await sent(450);
    const other = await sent(451);
    await deliver('79990000009');
    await deliver(numberOf(450), other.listener);
    expect(await state()).toBe('SENT');
    await deliver();
    expect(await state()).toBe('DELIVERED');
  });

  it('of a message that has never left changes nothing, and its text is given to nobody', async () => {
    const account = await gateway.account({ firstContactsHeldUntil: Date.now() + 7 * 24 * 3_600_000 });
    const contract = await gateway.contract(account, rowsTo(1, 450));
    const state = async () => (await gateway.messages(contract))[0]?.state;
    await until('held', async () => (await state()) === 'PENDING');
    const listener = gateway.sessions.get(account.id)?.listener;
    const id = messageId(contract.id, 0);
    await listener?.onReceipt({ messageId: id, kind: 'read', at: Date.now(), from: [numberOf(450)] });
    expect([await state(), await readSent(gateway.deps.table, tenantId, account.id, id)]).toEqual([
      'PENDING',
      undefined,
    ]);
  });

  it('of a stranger changes nothing on a host that does not remember the message', async () => {
    const { contract, state } = await sent(460);
    const [accountId = ''] = contract.accountIds;
    const restarted = (account: string) =>
      new Receipts({
        table: gateway.deps.table,
        clock: scaledClock(20),
        sent: new SentMessages(),
        tenantId,
        accountId: account,
        mayAct: () => true,
        failed: () => {},
        join: () => undefined,
        outcomeIsKept: () => false,
        holdMs: () => 0,
      });
    const receipt = { messageId: messageId(contract.id, 0), kind: 'read' as const, at: Date.now() + 1000 };
    await restarted(accountId).add({ ...receipt, from: ['79990000009'] });
    await restarted('acc_other').add({ ...receipt, from: [numberOf(460)] });
    expect(await state()).toBe('SENT');
    await restarted(accountId).add({ ...receipt, from: [numberOf(460)] });
    expect(await state()).toBe('READ');
  });

  const numbersOf = async (contract: Contract) => {
    const [account = ''] = contract.accountIds;
    return await gateway.deps.table.get<Counter>(keys.counter(tenantId, contract.id, account));
  };
  async function sentMany(count: number, from: number) {
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(count, from));
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    const listener = gateway.sessions.get(account.id)?.listener;
    if (listener === undefined) throw new Error('no connection');
    const at = Date.now() + 1000;
    const receive = (row: number, kind: 'delivered' | 'read') =>
      listener.onReceipt({ messageId: messageId(contract.id, row), kind, at, from: [numberOf(from + row)] });
    const states = async () => (await gateway.messages(contract)).map(({ state }) => state);
    return { contract, receive, states };
  }

  it('is written with the others that come at the same time, the counter once for all', async () => {
    const { contract, receive, states } = await sentMany(60, 500);
    const [account = ''] = contract.accountIds;
    await until('totals', async () => (await gateway.readHot(account))?.messageCount === 60);
    let transactions = 0;
    faults.before = (command) => {
      if (command === 'TransactWriteItems') transactions += 1;
    };
    const rows = Array.from({ length: 60 }, (_, row) => row);
    await Promise.all(rows.flatMap((row) => [receive(row, 'delivered'), receive(row, 'read')]));
    // Forty messages at most in one.
    expect(transactions).toBe(2);
    expect(await states()).toEqual(Array(60).fill('READ'));
    expect(await numbersOf(contract)).toMatchObject({ sent: 0, delivered: 0, read: 60 });
  });

  it('does not hold up the others when its message is not as this host knew it', async () => {
    const { contract, receive, states } = await sentMany(3, 600);
    // Somebody else has written the receipt of the second one.
    const [, second] = await gateway.messages(contract);
    if (second === undefined) throw new Error('no message');
    await moveMessage(gateway.deps.table, second, 'READ', Date.now(), { deliveredAt: 1, readAt: 2 });
    await Promise.all([receive(0, 'delivered'), receive(1, 'delivered'), receive(2, 'read')]);
    expect(await states()).toEqual(['DELIVERED', 'READ', 'READ']);
    expect(await numbersOf(contract)).toMatchObject({ sent: 0, delivered: 1, read: 2 });
    const [, now] = await gateway.messages(contract);
    expect(now).toMatchObject({ deliveredAt: 1, readAt: 2 });
  });

  it('is counted once when the answer to its transaction is lost', async () => {
    const { contract, receive, states } = await sentMany(3, 700);
    let lost = 1;
    faults.after = (command) => {
      if (command === 'TransactWriteItems' && lost-- > 0) throw new Error('no answer');
    };
    await Promise.all([receive(0, 'delivered'), receive(1, 'delivered'), receive(2, 'read')]);
    expect(await states()).toEqual(['DELIVERED', 'DELIVERED', 'READ']);
    expect(await numbersOf(contract)).toMatchObject({ sent: 0, delivered: 2, read: 1 });
  });

  it('is written although the counter has gone with its contract', async () => {
    const { contract, receive, states } = await sentMany(2, 800);
    const [account = ''] = contract.accountIds;
    await gateway.deps.table.delete(keys.counter(tenantId, contract.id, account));
    await Promise.all([receive(0, 'delivered'), receive(1, 'read')]);
    expect(await states()).toEqual(['DELIVERED', 'READ']);
    expect(await numbersOf(contract)).toBeUndefined();
  });
});
