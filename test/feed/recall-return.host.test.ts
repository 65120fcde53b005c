import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAccount, setDesired } from '../../lib/aws/accounts/accounts.ts';
import type { Account, Desired } from '../../lib/domain/accounts/account.ts';
import { textOf } from '../../lib/domain/content.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { rowsTo } from '../factories.ts';
import { type Gateway, startGateway, tenantId } from '../harness/gateway.ts';
import { until } from '../harness/until.ts';

describe('an account that stops and comes back', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway(systemClock);
    await gateway.host();
  });
  afterAll(() => gateway.stop());

  const want = async (account: Account, desired: Desired): Promise<void> => {
    const pair = await readAccount(gateway.deps.table, tenantId, account.id);
    if (pair === undefined) throw new Error('no account');
    await setDesired(gateway.deps, { ...gateway.origin(), at: Date.now() }, pair, desired);
  };
  const states = async (contract: Contract) => (await gateway.messages(contract)).map(({ state }) => state);

  it('has sent each message once, though its lane is full of stale entries', async () => {
    const account = await gateway.account();
    const contract = await gateway.contract(account, rowsTo(80));
    for (const sent of [10, 30]) {
      await until('some are sent', async () => gateway.wire.length > sent);
      await want(account, 'disconnected');
      await until('the others wait', async () => {
        const now = await states(contract);
        return now.length > 0 && now.every((state) => state === 'PENDING' || state === 'SENT');
      });
      expect(await gateway.readHot(account.id)).toMatchObject({ queuedBulk: 0 });
      const wired = gateway.wire.length;
      await want(account, 'connected');
      await until('it goes on at once', async () => gateway.wire.length > wired, 15_000);
    }
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    // Those it had taken and given back come when their place in the lane does.
    expect(gateway.wire.map(({ text }) => text).sort()).toEqual(
      rowsTo(80)
        .map(({ content }) => textOf(content))
        .sort(),
    );
    expect(await gateway.readHot(account.id)).toMatchObject({ queuedBulk: 0 });
  });
});
