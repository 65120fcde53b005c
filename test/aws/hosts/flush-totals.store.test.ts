import { afterAll, beforeAll, expect, it } from 'vitest';
import { flushTotals } from '../../../lib/aws/hosts/ownership.ts';
import { rowsTo } from '../../factories.ts';
import { startFeedWorld, tenantId } from '../../feed/feed-world.ts';

let world: Awaited<ReturnType<typeof startFeedWorld>>;
beforeAll(async () => {
  world = await startFeedWorld();
});
afterAll(() => world.stop());

it('totals are added with the end of the message in hand, once, and never take another message out of hand', async () => {
  const account = await world.account();
  const contract = await world.contract(account, rowsTo(2));
  await world.drain();
  const [first, second] = await world.messages(contract);
  if (first === undefined || second === undefined) throw new Error('not fed');
  await world.claim(account, first);
  const hot = await world.hot(account);
  const hold = { tenantId, accountId: account.id, hostId: world.hostId, epoch: hot?.epoch ?? 0 };
  const flush = (by = hold) =>
    flushTotals(world.table, by, { messages: 1, errors: 0 }, { from: hot?.inHand, left: undefined }, undefined);

  expect(await flush()).toEqual({ kind: 'flushed' });
  expect(await world.hot(account)).toMatchObject({ messageCount: 1 });
  expect((await world.hot(account))?.inHand).toBeUndefined();

  expect(await flush()).toEqual({ kind: 'changed', inHand: undefined });
  await world.claim(account, second);
  expect(await flush()).toMatchObject({ kind: 'changed', inHand: { messageId: second.id } });
  expect(await world.hot(account)).toMatchObject({ messageCount: 1, inHand: { messageId: second.id } });

  expect(await flush({ ...hold, epoch: hold.epoch + 1 })).toEqual({ kind: 'fenced' });
});
