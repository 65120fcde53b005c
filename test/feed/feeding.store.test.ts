import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteFromLane, receiveFromLane } from '../../lib/aws/accounts/lanes.ts';
import { keys } from '../../lib/aws/keys.ts';
import { readContent } from '../../lib/aws/messages/contents.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import { inlinePagesOf } from '../../lib/domain/contracts/pages.ts';
import { messageId } from '../../lib/domain/ids.ts';
import { rowsTo } from '../factories.ts';
import { moveMessage } from '../harness/move-message.ts';
import { type FeedWorld, gate, startFeedWorld, tenantId } from './feed-world.ts';

describe('the feed', () => {
  let world: FeedWorld;
  beforeAll(async () => {
    world = await startFeedWorld();
  });
  afterAll(() => world.stop());

  const inLane = async (account: Account): Promise<{ m: string; seq: number }[]> => {
    const signal = AbortSignal.timeout(5000);
    const found: { m: string; seq: number }[] = [];
    for (;;) {
      const some = await receiveFromLane(world.deps.sqs, account.laneUrls.bulk, { max: 10, waitSec: 0, signal });
      if (some.length === 0) return found;
      const receipts = some.map(({ receipt }) => receipt);
      await deleteFromLane(world.deps.sqs, account.laneUrls.bulk, receipts);
      found.push(...some.map(({ entry }) => ({ m: entry.m, seq: entry.seq })));
    }
  };

  it('that died after filling the lane tells the owner when its request comes again', async () => {
    await world.beat();
    const account = await world.account();
    await world.contract(account, rowsTo(3));
    await world.giveUpRequests();
    await world.notes();
    const dying = world.through((table) => ({
      queryAll: async (query) => {
        if (query.pk === 'HOSTS') throw new Error('the function died');
        return (await table.queryAll(query)) as never;
      },
    }));
    expect(await world.serve({ kind: 'feed', accountId: account.id }, dying)).toBeInstanceOf(Error);
    expect(await inLane(account)).toHaveLength(3);
    expect(await world.serve({ kind: 'feed', accountId: account.id })).toBeUndefined();
    expect(await world.notes()).toEqual([account.id]);
  });

  it('does not wake an owner that is at work on the last ones', async () => {
    await world.beat();
    const account = await world.account();
    await world.contract(account, rowsTo(3));
    await world.drain();
    await world.setHot(account, { lastActivity: world.deps.nowMs() });
    await world.notes();
    await world.serve({ kind: 'feed', accountId: account.id });
    expect(await world.notes()).toEqual([]);
  });

  it('puts a count right that is below the truth', async () => {
    const account = await world.account();
    await world.contract(account, rowsTo(5));
    await world.drain();
    await inLane(account);
    await world.setHot(account, { queuedBulk: -2 });
    await world.serve({ kind: 'refeed', accountId: account.id });
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 5 });
    expect((await inLane(account)).map(({ seq }) => seq)).toEqual([2, 2, 2, 2, 2]);
  });

  it('a refeed finishes rows that were only reserved, and keeps their count', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(5));
    await world.giveUpRequests();
    const dying = world.through(() => ({
      queryAll: async () => [],
    }));
    expect(await world.serve({ kind: 'feed', accountId: account.id }, dying)).toBeUndefined();
    await world.table.transact({
      writes: [
        {
          update: 'SET nextRow = :n, openFrom = :none, fedCount = :n',
          key: keys.contract(tenantId, contract.id),
          values: { ':n': 5, ':none': 0 },
        },
      ],
    });
    await world.setHot(account, { queuedBulk: 5 });
    await world.serve({ kind: 'refeed', accountId: account.id });
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 5 });
    expect(await world.states(contract)).toEqual(Array(5).fill('QUEUED'));
  });

  it('a refeed puts a message into the lane whose new feedSeq was stored though the answer was lost', async () => {
    const account = await world.account();
    await world.contract(account, rowsTo(2));
    await world.drain();
    expect((await inLane(account)).map(({ seq }) => seq)).toEqual([1, 1]);
    // The SDK repeats the call by itself and finds its own work.
    const repeated = world.through((table) => ({
      tryUpdate: async (key, change) => {
        if (key.sk === 'M') await table.tryUpdate(key, change);
        return await table.tryUpdate(key, change);
      },
    }));
    expect(await world.serve({ kind: 'refeed', accountId: account.id }, repeated)).toBeUndefined();
    expect((await inLane(account)).map(({ seq }) => seq)).toEqual([2, 2]);
  });

  it('a refeed that runs out of time goes on in a further request', async () => {
    const account = await world.account({ useLimits: false });
    const contract = await world.contract(account, rowsTo(1700), { nextRow: 1700, openFrom: 1700, fedCount: 1700 });
    await world.giveUpRequests();
    const queued = await world.contract(account, rowsTo(1));
    await world.drain();
    const [last] = await world.messages(queued);
    const message = {
      ...last,
      id: messageId(contract.id, 1699),
      contractId: contract.id,
      row: 1699,
      to: '79991701700',
    };
    await world.table.put({ ...keys.message(tenantId, message.id), type: 'message', ...message });
    await world.setHot(account, { queuedBulk: 9 });
    let reads = 0;
    const slow = world.through((table) => ({
      getMany: async (wanted, options) => {
        // Each read of a step takes a minute.
        if (wanted.length > 50) reads += 1;
        return (await table.getMany(wanted, options)) as never;
      },
    }));
    const startMs = world.deps.nowMs();
    const timed = { ...slow, nowMs: () => startMs + reads * 60_000 };
    await world.serve({ kind: 'refeed', accountId: account.id }, timed, startMs + 30_000);
    expect(reads).toBe(1);
    expect(await world.drain()).toContain('refeed');
    const entries = await inLane(account);
    expect(entries.filter(({ m }) => m === message.id).map(({ seq }) => seq)).toEqual([2]);
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 2 });
  });

  it('a retry that begins while its contract is being completed keeps it running', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(2));
    await world.drain();
    const [one, two] = await world.messages(contract);
    if (one === undefined || two === undefined) throw new Error('not fed');
    await world.end(account, [one], 'SENT');
    await world.end(account, [two], 'FAILED');
    const completing = gate();
    const slow = world.through((table) => ({
      tryTransact: async (writes) => {
        await completing.pass();
        return await table.tryTransact(writes);
      },
    }));
    const feed = world.serve({ kind: 'feed', accountId: account.id }, slow);
    await completing.reached;
    await world.move(contract.id, 'retry');
    completing.open();
    expect(await feed).toBeUndefined();
    expect(await world.read(contract.id)).toMatchObject({ status: 'IN_PROGRESS' });
    await world.drain();
    expect(await world.states(contract)).toEqual(['SENT', 'QUEUED']);
  });

  it('a contract with a broken page does not stop the others of its account', async () => {
    const account = await world.account();
    const broken = await world.contract(account, rowsTo(5));
    const whole = await world.contract(account, rowsTo(3));
    await world.giveUpRequests();
    await world.deps.pages.remove(inlinePagesOf(broken).map(({ key }) => key));
    await world.table.update(keys.contract(tenantId, broken.id), {
      update: 'SET nextRow = :n, fedCount = :n',
      values: { ':n': 5 },
    });
    const error = await world.serve({ kind: 'feed', accountId: account.id });
    expect(String(error)).toContain(broken.id);
    expect(await world.states(whole)).toEqual(['QUEUED', 'QUEUED', 'QUEUED']);
  });

  it('a message that waited longer than its text lives goes out with its text', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(2));
    await world.drain();
    const [first] = await world.messages(contract);
    if (first === undefined) throw new Error('not fed');
    await moveMessage(world.table, first, 'PENDING', Date.now());
    await world.table.delete(keys.text(tenantId, first.id));
    await world.serve({ kind: 'feed', accountId: account.id });
    expect(await world.states(contract)).toEqual(['QUEUED', 'QUEUED']);
    expect(await readContent(world.table, tenantId, first.id)).toEqual({ type: 'text', text: 'Text 0' });
  });
});
