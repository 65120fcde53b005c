import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { moveContract } from '../../lib/aws/contracts/contracts.ts';
import { keys } from '../../lib/aws/keys.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { rowsTo } from '../factories.ts';
import { type Faults, type Gateway, startGateway, tenantId } from '../harness/gateway.ts';
import { until } from '../harness/until.ts';

describe('the outcome of a message, written with the claim of the next', () => {
  let gateway: Gateway;
  const faults: Faults = {};
  beforeEach(async () => {
    delete faults.before;
    delete faults.after;
    gateway = await startGateway(systemClock);
    await gateway.host(undefined, faults);
  });
  afterEach(() => gateway.stop());

  const completed = (id: string) =>
    until('completed', async () => (await gateway.readContract(id))?.status === 'COMPLETED');

  async function connected() {
    const account = await gateway.account();
    await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
    return account;
  }

  it('takes one transaction a message, and one more at the end', async () => {
    const account = await connected();
    let transactions = 0;
    faults.before = (command) => {
      if (command === 'TransactWriteItems') transactions += 1;
    };
    const contract = await gateway.contract(account, rowsTo(20));
    await completed(contract.id);
    // A receive brings ten at most, and the last outcome before a new receive is written alone.
    expect(transactions).toBeLessThan(20 + 20 / 2);
    expect((await gateway.messages(contract)).map(({ state }) => state)).toEqual(Array(20).fill('SENT'));
    await until('totals', async () => (await gateway.readHot(account.id))?.messageCount === 20);
  });

  it('is written all the same when the next message may not be sent', async () => {
    const account = await connected();
    const rows = rowsTo(4);
    for (const row of [rows[1], rows[3]]) {
      const key = keys.recipient(tenantId, row?.to ?? '');
      await gateway.deps.table.put({ ...key, type: 'recipient', suppressedAt: 1, reason: 'opt_out' });
    }
    const contract = await gateway.contract(account, rows);
    await completed(contract.id);
    expect((await gateway.messages(contract)).map(({ state }) => state)).toEqual([
      'SENT',
      'SUPPRESSED',
      'SENT',
      'SUPPRESSED',
    ]);
    expect(gateway.wire).toHaveLength(2);
    await until('totals', async () => (await gateway.readHot(account.id))?.messageCount === 2);
  });

  it.each(['before', 'after'] as const)('survives a call that fails %s it stood', async (when) => {
    const account = await connected();
    let calls = 0;
    faults[when] = (command) => {
      if (command !== 'TransactWriteItems') return;
      calls += 1;
      if ([3, 12].includes(calls)) throw new Error('no answer');
    };
    const contract = await gateway.contract(account, rowsTo(12));
    await completed(contract.id);
    delete faults[when];
    const messages = await gateway.messages(contract);
    expect(messages.map(({ state }) => state)).toEqual(Array(12).fill('SENT'));
    expect(new Set(gateway.wire.map(({ id }) => id)).size).toBe(12);
    await until('totals', async () => (await gateway.readHot(account.id))?.messageCount === 12);
    expect((await gateway.readContract(contract.id))?.status).toBe('COMPLETED');
  });

  it('does not wait for a next message that stays away, nor for a pause to end', async () => {
    const account = await connected();
    const contract = await gateway.contract(account, rowsTo(50));
    await until('some are sent', async () => gateway.wire.length >= 5);
    await moveContract(gateway.deps, gateway.origin(), tenantId, contract.id, 'pause');
    const sent = gateway.wire.length;
    await until('all outcomes', async () => {
      const states = (await gateway.messages(contract)).map(({ state }) => state);
      return !states.includes('SENDING') && states.filter((state) => state === 'SENT').length >= sent;
    });
    expect(gateway.wire.length).toBeLessThanOrEqual(sent + 1);
  });
});
