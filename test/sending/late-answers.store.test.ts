import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys } from '../../lib/aws/keys.ts';
import { inHandOf } from '../../lib/domain/accounts/in-hand.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { Receipts } from '../../lib/sending/receipts.ts';
import { SentMessages } from '../../lib/sending/sent-messages.ts';
import { tenantId } from '../feed/feed-world.ts';
import { type OwnerWorld, startOwnerWorld, wireThat } from './owner-world.ts';

let world: OwnerWorld;
beforeAll(async () => {
  world = await startOwnerWorld();
});
afterAll(() => world.stop());

const silent = wireThat(() => 'silence');

/** Four messages in hand, two of them sent; the flush of these two has no answer (the third transaction, after claim and outcomes). */
async function lostFlush(faults: Parameters<OwnerWorld['watchedTable']>[0]) {
  const account = await world.account();
  const { contract, messages } = await world.fed(account, 4);
  const { table, land } = world.watchedTable({ 3: 'late', ...faults });
  const owner = await world.ownerOf(account, table);
  const claimed = await owner.claim(messages);
  await owner.send(claimed.slice(0, 2));
  await expect(owner.hand.flush()).rejects.toThrow('no answer');
  const named = async () => inHandOf((await world.hot(account)) ?? {}).map(({ messageId }) => messageId);
  const total = async () => (await world.hot(account))?.messageCount;
  return { account, contract, messages, claimed, owner, land, named, total };
}

describe('a flush without an answer that comes to the table late', () => {
  it('is refused after the next claim has stood', async () => {
    const { account, claimed, messages, owner, land, named, total } = await lostFlush({});
    const more = await world.fed(account, 1, 30);
    const next = await owner.claim(more.messages);
    expect(await land()).toBe(false);
    expect(await named()).toEqual([messages[2]?.id, messages[3]?.id, more.messages[0]?.id]);
    expect(await total()).toBe(2);
    await owner.send([...claimed.slice(2), ...next]);
    expect(await owner.hand.flush()).toBe(true);
    expect(await total()).toBe(5);
    expect(await named()).toEqual([]);
  });

  it('just before the next claim is found by the claim, which counts no outcome twice', async () => {
    const landed: boolean[] = [];
    const flush = await lostFlush({ 4: async () => void landed.push(await flush.land()) });
    const more = await world.fed(flush.account, 1, 30);
    await flush.owner.claim(more.messages);
    expect(landed).toEqual([true]);
    expect(await flush.named()).toEqual([flush.messages[2]?.id, flush.messages[3]?.id, more.messages[0]?.id]);
    expect(await flush.total()).toBe(2);
  });

  it('just before the next flush leaves an outcome that came after it to be counted', async () => {
    const landed: boolean[] = [];
    // After the outcome of the third message, written by the fourth transaction.
    const flush = await lostFlush({ 5: async () => void landed.push(await flush.land()) });
    await flush.owner.send(flush.claimed.slice(2, 3));
    expect(await flush.owner.hand.flush()).toBe(true);
    expect(landed).toEqual([true]);
    expect(await flush.named()).toEqual([flush.messages[3]?.id]);
    expect(await flush.total()).toBe(3);
  });
});

describe('a claim without an answer', () => {
  it('is cleared up by the flush of an owner that leaves, so that it cannot stand after that', async () => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 1);
    const { table, land } = world.watchedTable({ 1: 'late' });
    const owner = await world.ownerOf(account, table, 1);
    await expect(owner.claim(messages)).rejects.toThrow('no answer');
    expect(await owner.hand.flush()).toBe(true);
    expect(owner.hand.hasOpen).toBe(false);
    expect(await land()).toBe(false);
    expect(await world.states(contract)).toEqual(['QUEUED']);
  });

  it('that comes to the table after it was looked for does not stand', async () => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 2);
    const { table, land } = world.watchedTable({ 1: 'late' });
    const owner = await world.ownerOf(account, table);
    await expect(owner.claim(messages)).rejects.toThrow('no answer');
    expect(await owner.hand.stillOpen()).toEqual([]);
    expect(await land()).toBe(false);
    expect(await world.states(contract)).toEqual(['QUEUED', 'QUEUED']);
    // The next one learns the new number of stops, and stands.
    await owner.send(await owner.claim(messages));
    expect(await owner.hand.flush()).toBe(true);
    expect(await world.states(contract)).toEqual(['SENT', 'SENT']);
    expect(await world.hot(account)).toMatchObject({ messageCount: 2, queuedBulk: 0 });
  });

  it('stood, though the first of its messages has been removed since', async () => {
    const account = await world.account();
    const { messages } = await world.fed(account, 3);
    const owner = await world.ownerOf(account, world.watchedTable({ 1: 'after' }).table);
    await expect(owner.claim(messages)).rejects.toThrow('no answer');
    await world.table.delete(keys.message(tenantId, messages[0]?.id ?? ''));
    const open = await owner.hand.stillOpen();
    expect(open?.map(({ id }) => id)).toEqual([messages[1]?.id, messages[2]?.id]);
    await owner.sender.abandonAll();
    expect(await owner.hand.flush()).toBe(true);
    expect((await world.hot(account))?.inHand).toBeUndefined();
  });

  it.each(['before', 'after'] as const)(
    'for messages sent again leaves each in hand once: it failed %s it stood',
    async (when) => {
      const account = await world.account();
      const { contract, messages } = await world.fed(account, 2);
      const dead = await world.ownerOf(account);
      await dead.send(await dead.claim(messages), silent);
      const owner = await world.ownerOf(account, world.watchedTable({ 1: when }).table);
      const left = await owner.sender.leftOver();
      await expect(owner.claim(left?.again.map(({ message }) => message) ?? [])).rejects.toThrow('no answer');
      const again = await owner.sender.leftOver();
      expect(again?.again.map(({ message }) => message.claim?.crashes)).toEqual(
        when === 'after' ? [1, 1] : [undefined, undefined],
      );
      const claimed = await owner.claim(again?.again.map(({ message }) => message) ?? []);
      expect(claimed.map(({ claim }) => claim?.crashes)).toEqual([1, 1]);
      await owner.send(claimed);
      expect(await owner.hand.flush()).toBe(true);
      expect(await world.states(contract)).toEqual(['SENT', 'SENT']);
      expect(await world.hot(account)).toMatchObject({ messageCount: 2 });
    },
  );

  it.each(['before', 'after'] as const)(
    'that took an outcome along counts it once: it failed %s it stood',
    async (when) => {
      const account = await world.account();
      const { contract, messages } = await world.fed(account, 2);
      const owner = await world.ownerOf(account, world.watchedTable({ 2: when }).table, 1);
      await owner.send(await owner.claim(messages.slice(0, 1)));
      await expect(owner.claim(messages.slice(1))).rejects.toThrow('no answer');
      expect(await owner.hand.stillOpen()).toHaveLength(when === 'after' ? 1 : 0);
      await owner.sender.abandonAll();
      expect(await owner.hand.flush()).toBe(true);
      expect(await world.states(contract)).toEqual(['SENT', when === 'after' ? 'PENDING' : 'QUEUED']);
      const hot = await world.hot(account);
      expect(hot).toMatchObject({ messageCount: 1 });
      expect(hot?.inHand).toBeUndefined();
    },
  );
});

describe('an owner with room for one message that inherits two', () => {
  it('sends one after the other again, and then others', async () => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 3);
    const dead = await world.ownerOf(account);
    await dead.send(await dead.claim(messages.slice(0, 2)), silent);
    const owner = await world.ownerOf(account, world.table, 1);
    expect(owner.hand.room).toBe(0);
    await expect(owner.claim(messages.slice(2))).rejects.toThrow('more messages in hand than there may be');
    for (const wanted of messages.slice(0, 2)) {
      const [again] = (await owner.sender.leftOver())?.again ?? [];
      expect(again?.message.id).toBe(wanted.id);
      await owner.send(await owner.claim(again === undefined ? [] : [again.message]));
    }
    await owner.send(await owner.claim(messages.slice(2)));
    expect(await owner.hand.flush()).toBe(true);
    expect(await world.states(contract)).toEqual(['SENT', 'SENT', 'SENT']);
    expect(await world.hot(account)).toMatchObject({ messageCount: 3 });
  });
});

describe('an account whose item names a message in hand that its owner does not know', () => {
  it.each(['claim', 'flush'] as const)(
    'is given up at the next %s, so that the next owner resolves it',
    async (next) => {
      const account = await world.account();
      const { messages } = await world.fed(account, 3);
      const owner = await world.ownerOf(account);
      await owner.send(await owner.claim(messages.slice(0, 1)));
      const stranger = messages[1];
      await world.setHot(account, { inHand: { messageId: stranger?.id ?? '', nonce: 'another' } });
      if (next === 'flush') expect(await owner.hand.flush()).toBe(false);
      else expect([...(await owner.claimAll(messages.slice(2))).values()]).toEqual([{ kind: 'fenced' }]);
      expect((await world.hot(account))?.inHand).toEqual({ messageId: stranger?.id, nonce: 'another' });
    },
  );
});

it.each(['claim', 'flush', 'unanswered claim'] as const)(
  'an owner that has lost the account learns it: %s',
  async (how) => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 3);
    const isLost = how === 'unanswered claim';
    const owner = await world.ownerOf(account, world.watchedTable(isLost ? { 2: 'before' } : {}).table);
    await owner.send(await owner.claim(messages.slice(0, 1)));
    if (isLost) await expect(owner.claim(messages.slice(1))).rejects.toThrow('no answer');
    const next = await world.ownerOf(account);
    if (isLost) expect(await owner.hand.stillOpen()).toBeUndefined();
    else if (how === 'flush') expect(await owner.hand.flush()).toBe(false);
    else expect(await owner.hand.claim(messages.slice(1), owner.pace, 0)).toEqual({ kind: 'fenced' });
    expect(await world.hot(account)).toMatchObject({ messageCount: 0, queuedBulk: 2 });
    expect((await world.states(contract)).slice(1)).toEqual(['QUEUED', 'QUEUED']);
    expect(next.hand.hasOpen).toBe(true);
  },
);

it('a claim asks for room at once, and not when an answer that it waited for has come', async () => {
  const account = await world.account();
  const { messages } = await world.fed(account, 25);
  const more = await world.fed(account, 25, 25);
  const { table, count } = world.watchedTable();
  const owner = await world.ownerOf(account, table);
  const claimed = await owner.claim(messages);
  await owner.send(claimed.slice(1));
  const [last] = claimed;
  if (last === undefined) throw new Error('not claimed');
  owner.hand.onWire(last);
  const refused = expect(owner.hand.claim(more.messages, owner.pace, 0)).rejects.toThrow(
    'more messages in hand than there may be',
  );
  owner.hand.keep(last, { attempts: 1, sentAt: 1 });
  await refused;
  expect(count()).toBe(1);
});

describe('a receipt that waits while its message has an outcome that may be under way', () => {
  it.each([
    [true, 0],
    [false, 1],
  ])('does not ride along in the transaction of that outcome: outcome kept %s', async (isKept, rides) => {
    const account = await world.account();
    const { contract, messages } = await world.fed(account, 1);
    const owner = await world.ownerOf(account, world.table, 1);
    await owner.send(await owner.claim(messages));
    await owner.hand.writeOutcomes();
    const [message] = await world.messages(contract);
    if (message === undefined) throw new Error('no message');
    const sent = new SentMessages();
    sent.put(message);
    const receipts = new Receipts({
      ...{ table: world.table, clock: systemClock, sent, tenantId, accountId: account.id },
      mayAct: () => true,
      failed: () => {},
      join: () => undefined,
      outcomeIsKept: () => isKept,
      holdMs: () => 60_000,
    });
    const stored = receipts.add({ messageId: message.id, kind: 'read', at: Date.now() + 1, from: [message.to] });
    let riders = -1;
    await receipts.along(
      10,
      async (steps) => {
        riders = steps.length;
      },
      () => false,
    );
    expect(riders).toBe(rides);
    await receipts.noneWaiting();
    await stored;
    expect(await world.states(contract)).toEqual(['READ']);
  });
});
