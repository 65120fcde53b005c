import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyMemory, type Memory, sweep } from '../../functions/sweep/sweep.ts';
import type { Swept } from '../../functions/sweep/swept.ts';
import { Unchanged } from '../../functions/sweep/unchanged.ts';
import { jobWrite } from '../../lib/aws/contracts/jobs.ts';
import { keys } from '../../lib/aws/keys.ts';
import { rowsTo } from '../factories.ts';
import { type FeedWorld, startFeedWorld, tenantId } from '../feed/feed-world.ts';

describe('what stays the same', () => {
  it('is known since it came into its state, and forgotten when it goes', () => {
    const seen = new Unchanged();
    expect([...seen.note(new Map([['a', '1']]), 1000)]).toEqual([['a', 1000]]);
    const later = seen.note(
      new Map([
        ['a', '1'],
        ['b', '1'],
      ]),
      2000,
    );
    expect([...later]).toEqual([
      ['a', 1000],
      ['b', 2000],
    ]);
    expect([...seen.note(new Map([['a', '2']]), 3000)]).toEqual([['a', 3000]]);
    expect([...seen.note(new Map([['b', '1']]), 4000)]).toEqual([['b', 4000]]);
  });
});

describe('a sweep', () => {
  let world: FeedWorld;
  let memory: Memory;
  beforeAll(async () => {
    world = await startFeedWorld();
    memory = emptyMemory();
  });
  afterAll(() => world.stop());

  const swept = async (): Promise<Swept> => {
    await world.beat();
    return await sweep(
      world.deps,
      (part, error) => {
        throw new Error(part, { cause: error });
      },
      memory,
    );
  };
  const minutesLater = async (minutes: number): Promise<Swept> => {
    world.pass(minutes * 60_000);
    return await swept();
  };

  it('tells what the alarms and the autoscaling of lib/infra look at', async () => {
    const found = await swept();
    const names = [...Object.keys(found), ...Object.keys(found.fleet ?? {})];
    expect(names).toEqual(
      expect.arrayContaining(['hostsLost', 'accountsWithoutOwner', 'contractsStuck', 'failures', 'accountsPerHost']),
    );
  });

  it('counts an account nobody owns from its second minute on', async () => {
    const account = await world.account();
    expect(await swept()).toMatchObject({ accountsWithoutOwner: 0 });
    expect(await minutesLater(1)).toMatchObject({ accountsWithoutOwner: 1 });
    await world.table.update(keys.accountHot(tenantId, account.id), { update: 'REMOVE ix' });
    expect(await minutesLater(1)).toMatchObject({ accountsWithoutOwner: 0 });
  });

  it('counts a running contract whose account could send and has not moved for ten minutes', async () => {
    const account = await world.account();
    await world.contract(account, rowsTo(3));
    const hot = keys.accountHot(tenantId, account.id);
    const moved = (lane: number, status: string) =>
      Promise.all([
        world.table.update(hot, {
          update: 'SET queuedBulk = :n, lastActivity = :now',
          values: { ':n': lane, ':now': world.deps.nowMs() },
        }),
        world.table.update(keys.account(tenantId, account.id), {
          update: 'SET #s = :status',
          names: { '#s': 'status' },
          values: { ':status': status },
        }),
      ]);
    await moved(3, 'connected');
    await swept();
    expect(await minutesLater(9)).toMatchObject({ contractsStuck: 0 });
    expect(await minutesLater(2)).toMatchObject({ contractsStuck: 1 });
    // A message went out.
    await moved(2, 'connected');
    expect(await minutesLater(1)).toMatchObject({ contractsStuck: 0 });
    // Its line is lost: it shows that itself.
    await moved(2, 'disconnected');
    await swept();
    expect(await minutesLater(30)).toMatchObject({ contractsStuck: 0 });
    // Nothing in the lanes: a message may wait half an hour for its next try.
    await moved(0, 'connected');
    await swept();
    expect(await minutesLater(40)).toMatchObject({ contractsStuck: 0 });
    expect(await minutesLater(6)).toMatchObject({ contractsStuck: 1 });
    // Its tenant holds it.
    const item = keys.account(tenantId, account.id);
    await world.table.update(item, { update: 'SET pausedAt = :then', values: { ':then': 1 } });
    expect(await minutesLater(30)).toMatchObject({ contractsStuck: 0 });
    await world.table.update(item, { update: 'REMOVE pausedAt' });
    expect(await minutesLater(1)).toMatchObject({ contractsStuck: 1 });
    // Its messages wait for the end of a hold.
    await world.table.update(keys.account(tenantId, account.id), {
      update: 'SET firstContactsHeldUntil = :until',
      values: { ':until': world.deps.nowMs() + 24 * 3_600_000 },
    });
    expect(await minutesLater(24 * 60 + 44)).toMatchObject({ contractsStuck: 0 });
    expect(await minutesLater(2)).toMatchObject({ contractsStuck: 1 });
  });

  it('counts a job that has not ended after a day', async () => {
    const contract = { tenantId, id: 'con_1', accountIds: ['acc_1'] };
    await world.table.transact({ writes: [jobWrite(contract, 'settle', world.deps.nowMs())] });
    const before = (await minutesLater(24 * 60)).contractsStuck;
    expect((await minutesLater(61)).contractsStuck).toBe(before + 1);
  });
});
