import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keys } from '../../lib/aws/keys.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import type { Message } from '../../lib/domain/messages/message.ts';
import { rowsTo } from '../factories.ts';
import { moveMessage } from '../harness/move-message.ts';
import { type FeedWorld, startFeedWorld, tenantId } from './feed-world.ts';

const hourMs = 3_600_000;

describe('a message laid aside without an answer', () => {
  let world: FeedWorld;
  let account: Account;
  let contract: Contract;
  beforeEach(async () => {
    world = await startFeedWorld();
    account = await world.account();
    contract = await world.contract(account, rowsTo(2));
    await world.drain();
  });
  afterEach(() => world.stop());

  const first = async (): Promise<Message> => {
    const [message] = await world.messages(contract);
    if (message === undefined) throw new Error('not fed');
    return message;
  };
  /** As the owner lays it aside: for half an hour, open since now. */
  async function layAside(): Promise<void> {
    const openSince = world.deps.nowMs();
    const notBefore = openSince + hourMs / 2;
    const claimed = await world.claim(account, await first());
    await moveMessage(world.table, claimed, 'PENDING', Date.now(), { notBefore, openSince, asides: 1 });
    await world.table.update(keys.accountHot(tenantId, account.id), { update: 'REMOVE inHand' });
  }
  const feed = () => world.serve({ kind: 'feed', accountId: account.id });

  it('goes into the lane again within a day', async () => {
    await layAside();
    world.pass(23 * hourMs);
    await feed();
    expect(await first()).toMatchObject({ state: 'QUEUED', feedSeq: 2 });
  });

  it('is not sent again after a day: nobody can tell any more what became of it', async () => {
    await layAside();
    world.pass(24 * hourMs);
    expect(await feed()).toBeUndefined();
    expect(await first()).toMatchObject({ state: 'FAILED', feedSeq: 1, error: { code: 'OUTCOME_UNKNOWN' } });
    expect(await world.counter(contract)).toMatchObject({ failed: 1, backlog: 0 });
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 1 });
  });

  it('is left to its owner when it is being sent again at this moment, however long ago the first time was', async () => {
    await layAside();
    world.pass(23 * hourMs);
    await feed();
    world.pass(2 * hourMs);
    let sending: Message | undefined;
    const claimedMeanwhile = world.through((table) => ({
      getMany: async (wanted, options) => {
        if (sending === undefined && wanted.some(({ sk }) => sk === 'M'))
          sending = await world.claim(account, await first());
        return await table.getMany(wanted, options);
      },
    }));
    await world.serve({ kind: 'refeed', accountId: account.id }, claimedMeanwhile);
    expect(await first()).toMatchObject({ state: 'SENDING', claim: { nonce: sending?.claim?.nonce } });
  });
});
