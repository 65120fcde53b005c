import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys } from '../../lib/aws/keys.ts';
import { messageItem, readForSend } from '../../lib/aws/messages/messages.ts';
import { inHandOf } from '../../lib/domain/accounts/in-hand.ts';
import { numberOf, rowsTo } from '../factories.ts';
import { tenantId } from '../feed/feed-world.ts';
import { type OwnerWorld, startOwnerWorld, wireThat } from './owner-world.ts';

let world: OwnerWorld;
beforeAll(async () => {
  world = await startOwnerWorld();
});
afterAll(() => world.stop());

const tally = (values: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
};

describe('25 messages', () => {
  it('are claimed in one transaction, and their outcomes go with the next claim', async () => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 25);
    const more = await world.fed(account, 5, 25);
    const { table, count } = world.watchedTable();
    const owner = await world.ownerOf(account, table);
    const claimed = await owner.claim(messages);
    expect(count()).toBe(1);
    expect(owner.hand.room).toBe(0);
    expect(await world.states(contract)).toEqual(Array(25).fill('SENDING'));
    const hot = await world.hot(account);
    expect(inHandOf(hot ?? {}).map(({ messageId }) => messageId)).toEqual(messages.map(({ id }) => id));
    expect(hot).toMatchObject({ queuedBulk: 5, messageCount: 0 });
    await expect(owner.claim(more.messages)).rejects.toThrow('more messages in hand than there may be');

    expect(tally((await owner.send(claimed)).map(({ kind }) => kind))).toEqual({ resolved: 25 });
    await owner.claim(more.messages);
    expect(count()).toBe(2);
    expect(await world.states(contract)).toEqual(Array(25).fill('SENT'));
    expect(await world.counter(contract)).toMatchObject({ sent: 25 });
    const after = await world.hot(account);
    expect(inHandOf(after ?? {}).map(({ messageId }) => messageId)).toEqual(more.messages.map(({ id }) => id));
    expect(after).toMatchObject({ queuedBulk: 0, messageCount: 25 });
    expect(tally(owner.counted)).toEqual({ claimed: 30 });
  });

  it('are written before a claim that has no room for so many outcomes', async () => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 25);
    const more = await world.fed(account, 25, 25);
    const owner = await world.ownerOf(account);
    await owner.send(await owner.claim(messages));
    await owner.send(await owner.claim(more.messages));
    expect(await owner.hand.flush()).toBe(true);
    expect(await world.states(contract)).toEqual(Array(25).fill('SENT'));
    expect(await world.states(more.contract)).toEqual(Array(25).fill('SENT'));
    const hot = await world.hot(account);
    expect(hot).toMatchObject({ messageCount: 50, errorCount: 0 });
    expect(hot?.inHand).toBeUndefined();
  });

  it('of which one has opted out, one was fed again and two are of a contract that was stopped: the others go', async () => {
    const account = await world.account();
    const first = await world.fed(account, 23);
    const paused = await world.fed(account, 2, 23);
    const owner = await world.ownerOf(account);
    await world.table.put({ ...keys.recipient(tenantId, numberOf(3)), type: 'recipient', suppressedAt: 1 });
    const again = first.messages[7];
    if (again === undefined) throw new Error('not fed');
    await world.table.put(messageItem({ ...again, feedSeq: 9 }));
    await world.move(paused.contract.id, 'pause');
    // As if the pause had not come to these messages yet, so that nothing but the stop can refuse their claim.
    for (const message of paused.messages) await world.table.put(messageItem(message));
    const admitted = await owner.claimAll([...first.messages, ...paused.messages]);
    expect(tally([...admitted.values()].map(({ kind }) => kind))).toEqual({ claimed: 21, instead: 3, stale: 1 });
    expect(admitted.get(again.id)).toEqual({ kind: 'stale' });
    expect(admitted.get(first.messages[3]?.id ?? '')).toEqual({ kind: 'instead', to: 'SUPPRESSED' });
    for (const { id } of paused.messages) expect(admitted.get(id)).toEqual({ kind: 'instead', to: 'PENDING' });
    expect(inHandOf((await world.hot(account)) ?? {})).toHaveLength(21);
    await world.table.delete(keys.recipient(tenantId, numberOf(3)));
  });

  it('to one person are claimed together', async () => {
    const account = await world.account();
    const [row] = rowsTo(1, 40);
    if (row === undefined) throw new Error('no row');
    const contract = await world.contract(account, [row, { ...row }]);
    await world.drain();
    const owner = await world.ownerOf(account);
    expect(await owner.claim(await world.messages(contract))).toHaveLength(2);
  });
});

describe('25 messages in hand of an owner that died', () => {
  it('are each resolved by its receipt, sent again, or given up where it cannot be', async () => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 25);
    const dead = await world.ownerOf(account);
    await dead.send(
      await dead.claim(messages),
      wireThat(() => 'silence'),
    );
    // Its content is gone, so it cannot be sent again.
    for (const { id } of messages.slice(20)) await world.table.delete(keys.text(tenantId, id));

    const owner = await world.ownerOf(account);
    expect(owner.hand.hasOpen).toBe(true);
    const delivered = messages.slice(0, 10).map(({ id, to }) => {
      return owner.hand.receipts.add({ messageId: id, kind: 'delivered', at: Date.now(), from: [to] });
    });
    await Promise.all(delivered);
    const left = await owner.sender.leftOver();
    expect(left?.again.map(({ message }) => message.id)).toEqual(messages.slice(10, 20).map(({ id }) => id));
    expect(left?.again.every(({ suspect }) => !suspect)).toBe(true);
    const again = await owner.claim(left?.again.map(({ message }) => message) ?? []);
    expect(again.map(({ claim }) => claim?.crashes)).toEqual(Array(10).fill(1));
    expect(inHandOf((await world.hot(account)) ?? {})).toHaveLength(10);
    await owner.send(again);
    expect(await owner.hand.flush()).toBe(true);
    expect(tally(await world.states(contract))).toEqual({ DELIVERED: 10, SENT: 10, FAILED: 5 });
    const failed = (await world.messages(contract)).filter(({ state }) => state === 'FAILED');
    expect(failed.map(({ error }) => error?.code)).toEqual(Array(5).fill('OUTCOME_UNKNOWN'));
    const hot = await world.hot(account);
    expect(hot).toMatchObject({ messageCount: 20, errorCount: 5 });
    expect(hot?.inHand).toBeUndefined();
  });

  it('are not blamed on an owner that gave the account up in good order', async () => {
    const account = await world.account();
    const { messages } = await world.fed(account, 3);
    const first = await world.ownerOf(account);
    await first.claim(messages);
    await world.table.update(keys.accountHot(tenantId, account.id), {
      update: 'SET inHand.released = :yes',
      values: { ':yes': true },
    });
    const owner = await world.ownerOf(account);
    const left = await owner.sender.leftOver();
    const again = await owner.claim(left?.again.map(({ message }) => message) ?? []);
    expect(again.map(({ claim }) => claim?.crashes)).toEqual([undefined, undefined, undefined]);
  });
});

describe('a claim of several without an answer', () => {
  it.each([
    ['before', 0],
    ['after', 25],
  ] as const)('that failed %s it stood leaves %i in hand', async (when, count) => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 25);
    const owner = await world.ownerOf(account, world.watchedTable({ 1: when }).table);
    await expect(owner.claim(messages)).rejects.toThrow('no answer');
    expect(owner.hand.claimIsUnsure).toBe(true);
    expect(await owner.hand.stillOpen()).toHaveLength(count);
    expect(owner.hand.claimIsUnsure).toBe(false);
    // None has left this process, so none need be given up.
    await owner.sender.abandonAll();
    expect(tally(await world.states(contract))).toEqual({ [count === 0 ? 'QUEUED' : 'PENDING']: 25 });
    expect(await owner.hand.flush()).toBe(true);
    expect((await world.hot(account))?.inHand).toBeUndefined();
  });
});

describe('the account item', () => {
  it('names one message as every version reads it, also when it is the last of several', async () => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 2);
    const owner = await world.ownerOf(account);
    const [first, second] = await owner.claim(messages);
    if (first === undefined || second === undefined) throw new Error('not claimed');
    expect((await world.hot(account))?.inHand).toMatchObject({ messages: [{ m: first.id }, { m: second.id }] });
    await owner.send([first]);
    await owner.send(
      [second],
      wireThat(() => 'not_sent'),
    );
    expect(await owner.hand.flush()).toBe(true);
    const nonce = second.claim?.nonce;
    expect((await world.hot(account))?.inHand).toEqual({ messageId: second.id, contractId: contract.id, nonce });
    const next = await world.ownerOf(account);
    expect((await next.sender.leftOver())?.again.map(({ message }) => message.id)).toEqual([second.id]);
  });

  it.each(['before', 'after'] as const)('counts each outcome once when the flush fails %s it stood', async (when) => {
    const account = await world.account();
    const { messages } = await world.fed(account, 4);
    // The claim, three outcomes in one, the flush.
    const owner = await world.ownerOf(account, world.watchedTable({ 3: when }).table);
    const claimed = await owner.claim(messages);
    await owner.send(claimed.slice(0, 3));
    await expect(owner.hand.flush()).rejects.toThrow('no answer');
    expect(await owner.hand.flush()).toBe(true);
    const hot = await world.hot(account);
    expect(hot).toMatchObject({ messageCount: 3 });
    expect(inHandOf(hot ?? {}).map(({ messageId }) => messageId)).toEqual([messages[3]?.id]);
  });

  it('takes receipts of several outcomes that are kept in the write of these', async () => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 3);
    const { table, count } = world.watchedTable();
    const owner = await world.ownerOf(account, table);
    await owner.send(await owner.claim(messages));
    const receipts = messages.map(({ id, to }) =>
      owner.hand.receipts.add({ messageId: id, kind: 'delivered', at: Date.now() + 1000, from: [to] }),
    );
    expect(await owner.hand.writeOutcomes()).toBe(true);
    await Promise.all(receipts);
    expect(count()).toBe(2);
    expect(await world.states(contract)).toEqual(Array(3).fill('DELIVERED'));
    const [read] = await readForSend(world.table, [
      { t: tenantId, a: account.id, m: messages[0]?.id ?? '', c: contract.id },
    ]);
    expect(read?.message).toMatchObject({ state: 'DELIVERED', attempts: 1 });
  });
});
