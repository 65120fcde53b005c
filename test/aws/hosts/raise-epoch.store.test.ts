import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Table } from '../../../lib/aws/client/table.ts';
import { claimAccount, raiseEpoch } from '../../../lib/aws/hosts/ownership.ts';
import { type FeedWorld, startFeedWorld, tenantId } from '../../feed/feed-world.ts';

let world: FeedWorld;
beforeAll(async () => {
  world = await startFeedWorld();
});
afterAll(() => world.stop());

it.each(['before', 'after'] as const)(
  'an epoch whose raising fails %s it stood is known to the owner',
  async (when) => {
    const account = await world.account();
    await world.beat();
    const seen = await world.hot(account);
    const hot = seen === undefined ? undefined : await claimAccount(world.table, seen, world.hostId);
    const hold = { tenantId, accountId: account.id, hostId: world.hostId, epoch: hot?.epoch ?? 0 };
    const { table } = world.through((real) => ({
      tryTransact: async (...args: Parameters<Table['tryTransact']>) => {
        if (when === 'after') await real.tryTransact(...args);
        throw new Error('no answer');
      },
    }));
    const raised = raiseEpoch(table, hold);
    if (when === 'after') await expect(raised).resolves.toBe(true);
    else await expect(raised).rejects.toThrow('no answer');
    expect((await world.hot(account))?.epoch).toBe(hold.epoch);
    expect(hold.epoch - (hot?.epoch ?? 0)).toBe(when === 'after' ? 1 : 0);
  },
);
