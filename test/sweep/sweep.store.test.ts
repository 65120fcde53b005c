import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sweep } from '../../functions/sweep/sweep.ts';
import { sweepStarts } from '../../functions/sweep/unfinished.ts';
import { listHosts, retireHost } from '../../lib/aws/hosts/hosts.ts';
import { claimAccount } from '../../lib/aws/hosts/ownership.ts';
import { keys } from '../../lib/aws/keys.ts';
import { rowsTo } from '../factories.ts';
import { type FeedWorld, gate, startFeedWorld, tenantId } from '../feed/feed-world.ts';

describe('the sweep', () => {
  let world: FeedWorld;
  beforeEach(async () => {
    world = await startFeedWorld();
  });
  afterEach(() => world.stop());

  it('wakes the owner of full lanes that nobody has taken from for a minute', async () => {
    const account = await world.account();
    await world.contract(account, rowsTo(3));
    await world.drain();
    await world.setHot(account, { lastActivity: world.deps.nowMs() });
    await world.beat();
    expect(await world.sweep()).toMatchObject({ accountsWoken: 0 });
    world.pass(61_000);
    await world.beat();
    expect(await world.sweep()).toMatchObject({ accountsWoken: 1, accountsFed: 0 });
    expect(await world.notes()).toEqual([account.id]);
  });

  it('leaves an account alone that is not connected, or that pacing makes wait', async () => {
    const nowMs = world.deps.nowMs();
    const away = await world.account({ status: 'disconnected' });
    const paced = await world.account({ useLimits: true });
    for (const account of [away, paced]) {
      await world.contract(account, rowsTo(3));
      await world.drain();
    }
    const hot = await world.hot(paced);
    if (hot === undefined) throw new Error('no account');
    await world.setHot(paced, { pace: { ...hot.pace, lastAt: nowMs, nextAt: nowMs + 3_600_000 } });
    world.pass(61_000);
    await world.beat();
    await world.notes();
    expect(await world.sweep()).toMatchObject({ accountsWoken: 0 });
    expect(await world.notes()).toEqual([]);
  });

  it('lets no account wait for another: after an outage there may be thousands to wake within its minute', async () => {
    const accounts = [await world.account(), await world.account()];
    for (const account of accounts) await world.contract(account, rowsTo(1));
    await world.drain();
    world.pass(61_000);
    await world.beat();
    await world.notes();
    const bothAsked = gate();
    let asked = 0;
    const slow = world.through((table) => ({
      get: async (key) => {
        // Each waking begins with this read; none of them ends before both have begun.
        if (key.sk === 'O') {
          asked += 1;
          if (asked === 2) bothAsked.open();
          await bothAsked.pass();
        }
        return await table.get(key);
      },
    }));
    expect(await sweep(slow, () => {})).toMatchObject({ accountsWoken: 2 });
    expect((await world.notes()).sort()).toEqual(accounts.map(({ id }) => id).sort());
  });

  it('has messages fed again that the count has lost, and does not ask each minute', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(4));
    await world.drain();
    await world.end(account, (await world.messages(contract)).slice(0, 1), 'SENT');
    await world.setHot(account, { queuedBulk: 0 });
    expect(await world.sweep()).toMatchObject({ accountsRefed: 0, accountsFed: 1 });
    world.pass(121_000);
    expect(await world.sweep()).toMatchObject({ accountsRefed: 1, accountsFed: 0 });
    expect(await world.drain()).toContain('refeed');
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 3 });
    await world.setHot(account, { queuedBulk: 0 });
    expect(await world.sweep()).toMatchObject({ accountsRefed: 0 });
    world.pass(15 * 60_000);
    expect(await world.sweep()).toMatchObject({ accountsRefed: 1 });
  });

  it('does not take the message in hand for a lost one', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(1));
    await world.drain();
    const [message] = await world.messages(contract);
    if (message === undefined) throw new Error('not fed');
    await world.claim(account, message);
    world.pass(3_600_000);
    expect(await world.sweep()).toMatchObject({ accountsRefed: 0 });
  });

  it('ends a message that nobody has in hand and that was being sent a day ago', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(1));
    await world.drain();
    const [message] = await world.messages(contract);
    if (message === undefined) throw new Error('not fed');
    await world.claim(account, message);
    await world.table.update(keys.accountHot(tenantId, account.id), { update: 'REMOVE inHand' });
    world.pass(25 * 3_600_000);
    await world.sweep();
    await world.drain();
    const [ended] = await world.messages(contract);
    expect(ended).toMatchObject({ state: 'FAILED', error: { code: 'OUTCOME_UNKNOWN' } });
    expect(await world.read(contract.id)).toMatchObject({ status: 'FAILED' });
  });

  it('starts a contract that was still importing at its time when it has its rows', async () => {
    const account = await world.account();
    const startAt = world.deps.nowMs() + 60_000;
    const contract = await world.contract(account, rowsTo(2), { status: 'IMPORTING', startAt });
    world.pass(120_000);
    expect(await world.sweep()).toMatchObject({ contractsStarted: 0 });
    await world.table.update(keys.contract(tenantId, contract.id), {
      update: 'SET #s = :pending',
      names: { '#s': 'status' },
      values: { ':pending': 'PENDING' },
    });
    expect(await world.sweep()).toMatchObject({ contractsStarted: 1 });
    expect(await world.read(contract.id)).toMatchObject({ status: 'IN_PROGRESS' });
  });

  it('lets a schedule go whose contract has no rows', async () => {
    const account = await world.account();
    const contract = await world.contract(account, [], { status: 'PENDING', startAt: world.deps.nowMs() + 1000 });
    world.pass(2000);
    await sweepStarts(world.deps, await world.sweep(), (_, error) => {
      throw error;
    });
    expect(await world.table.get(keys.startAt(tenantId, contract.id))).toBeUndefined();
    expect(await world.read(contract.id)).toMatchObject({ status: 'PENDING' });
  });

  it('gives away the accounts of a retired host once more before its item goes', async () => {
    await world.beat();
    const account = await world.account();
    const hot = await world.hot(account);
    if (hot === undefined) throw new Error('no account');
    await retireHost(world.table, world.hostId, world.deps.nowMs());
    // What the index did not tell at first: a claim from the moment before.
    expect(await world.sweep()).toMatchObject({ accountsOrphaned: 0, hostsRemoved: 0 });
    await world.table.update(keys.host(world.hostId), { update: 'REMOVE retired' });
    await claimAccount(world.table, hot, world.hostId);
    await retireHost(world.table, world.hostId, world.deps.nowMs());
    world.pass(61_000);
    expect(await world.sweep()).toMatchObject({ accountsOrphaned: 1, hostsRemoved: 1 });
    expect(await listHosts(world.table)).toEqual([]);
    expect((await world.hot(account))?.owner).toBeUndefined();
  });
});
