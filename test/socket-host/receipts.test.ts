import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { messageId } from '../../lib/domain/ids.ts';
import { scaledClock } from '../../lib/runtime/clock.ts';
import { type Faults, type Gateway, rowsTo, startGateway } from '../harness/gateway.ts';
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
  });

  async function sent(from: number) {
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(1, from));
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED', 20_000);
    const listener = gateway.sessions.get(account.id)?.listener;
    if (listener === undefined) throw new Error('no connection');
    const state = async () => (await gateway.messages(contract))[0]?.state;
    const deliver = () =>
      listener.onReceipt({ messageId: messageId(contract.id, 0), kind: 'delivered', at: Date.now() + 1000 });
    return { deliver, state, listener };
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
    await listener.onReceipt({ messageId: `msg_${'0'.repeat(18)}`, kind: 'read', at: Date.now() });
  });
});
