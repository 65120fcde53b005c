import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteAccount } from '../../lib/aws/contracts/account-contracts.ts';
import { claimAccount, releaseAccount } from '../../lib/aws/hosts/ownership.ts';
import { keys } from '../../lib/aws/keys.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import { rowsTo } from '../factories.ts';
import { type FeedWorld, startFeedWorld, tenantId } from './feed-world.ts';

describe('removing an account', () => {
  let world: FeedWorld;
  beforeAll(async () => {
    world = await startFeedWorld();
  });
  afterAll(() => world.stop());

  const left = (account: Account) => world.table.queryAll({ pk: keys.account(tenantId, account.id).pk });
  const remove = (account: Account) => deleteAccount(world.deps, world.origin(), tenantId, account.id);

  it('fails its contracts, paused, waiting and importing ones too', async () => {
    const account = await world.account({ linkedAt: world.deps.nowMs() });
    const contracts = [
      await world.contract(account, rowsTo(2)),
      await world.contract(account, rowsTo(2), { status: 'PAUSED' }),
      await world.contract(account, rowsTo(2), { status: 'PENDING' }),
      await world.contract(account, [], { status: 'IMPORTING' }),
      await world.contract(account, [], { status: 'COMPLETED' }),
    ];
    await remove(account);
    await world.drain();
    const now = await Promise.all(contracts.map(({ id }) => world.read(id)));
    expect(now.map((contract) => contract?.status)).toEqual(['FAILED', 'FAILED', 'FAILED', 'FAILED', 'COMPLETED']);
    expect(now.map((contract) => contract?.job)).toEqual(Array(5).fill(undefined));
    expect(now[2]?.reason).toBe('The account was deleted.');
    const canceled = await Promise.all(contracts.map(async (contract) => (await world.counter(contract)).canceled));
    expect(canceled).toEqual([2, 2, 2, 0, 0]);
  });

  it('is finished by the sweep when the call died right after deleting it', async () => {
    const account = await world.account({ status: 'created', desired: 'disconnected' });
    const paused = await world.contract(account, rowsTo(2), { status: 'PAUSED' });
    const dying = world.through(() => ({
      queryAll: async () => {
        throw new Error('the function died');
      },
    }));
    await expect(deleteAccount(dying, world.origin(), tenantId, account.id)).rejects.toThrow('died');
    await world.giveUpRequests();
    expect((await world.sweep()).removalsAsked).toBeGreaterThan(0);
    await world.drain();
    expect(await left(account)).toEqual([]);
    expect(await world.read(paused.id)).toMatchObject({ status: 'FAILED' });
  });

  it('waits for the owner, also where WhatsApp has banned the number', async () => {
    await world.beat();
    const account = await world.account({ status: 'banned' });
    const hot = await world.hot(account);
    const claimed = hot === undefined ? undefined : await claimAccount(world.table, hot, world.hostId);
    await remove(account);
    await world.drain();
    expect(await left(account)).not.toEqual([]);
    const hold = { tenantId, accountId: account.id, hostId: world.hostId, epoch: claimed?.epoch ?? 0 };
    const { asked } = (await world.table.get<Account>(keys.account(tenantId, account.id))) ?? {};
    await releaseAccount(world.table, hold, { wanted: false, asked, open: false });
    await world.serve({ kind: 'remove', accountId: account.id });
    expect(await left(account)).toEqual([]);
  });

  it('tells the owner each time it is asked for: the call that deleted the account may not have reached it', async () => {
    await world.beat();
    const account = await world.account();
    const hot = await world.hot(account);
    if (hot !== undefined) await claimAccount(world.table, hot, world.hostId);
    await remove(account);
    await world.giveUpRequests();
    await world.notes();
    await world.serve({ kind: 'remove', accountId: account.id });
    expect(await world.notes()).toEqual([account.id]);
  });

  it.each(['banned', 'logged_out'] as const)(
    'waits while the account is %s and offered to the hosts, whoever takes it has to wipe its keys',
    async (status) => {
      const account = await world.account({ status });
      await world.setHot(account, { epoch: 3 });
      await remove(account);
      await world.drain();
      expect(await world.hot(account)).toMatchObject({ ix: 'unowned' });
    },
  );

  it('offers an account that nobody would look at', async () => {
    const account = await world.account({ status: 'disconnected', desired: 'disconnected' });
    await world.setHot(account, { epoch: 3 });
    await remove(account);
    await world.table.update(keys.accountHot(tenantId, account.id), { update: 'REMOVE ix, ixs' });
    await world.drain();
    expect(await world.hot(account)).toMatchObject({ ix: 'unowned' });
  });

  it('is what a feed of a deleted account comes to', async () => {
    const account = await world.account({ status: 'created' });
    await remove(account);
    await world.giveUpRequests();
    await world.serve({ kind: 'feed', accountId: account.id });
    expect(await left(account)).toEqual([]);
  });
});
