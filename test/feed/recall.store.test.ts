import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAccount, setDesired } from '../../lib/aws/accounts/accounts.ts';
import { deleteFromLane, receiveFromLane } from '../../lib/aws/accounts/lanes.ts';
import { keys } from '../../lib/aws/keys.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import { inlinePagesOf } from '../../lib/domain/contracts/pages.ts';
import type { Lane, Message } from '../../lib/domain/messages/message.ts';
import { rowsTo } from '../factories.ts';
import { moveMessage } from '../harness/move-message.ts';
import { type FeedWorld, gate, startFeedWorld, tenantId } from './feed-world.ts';

describe('an account that cannot send', () => {
  let world: FeedWorld;
  beforeAll(async () => {
    world = await startFeedWorld();
  });
  afterAll(() => world.stop());

  const set = (account: Account, fields: Partial<Account>) => world.setAccount(account, fields);
  const feed = (account: Account) => world.serve({ kind: 'feed', accountId: account.id });
  /** Everything in the lane, in the order it comes, each taken off. */
  async function inLane(account: Account, lane: Lane = 'bulk'): Promise<{ m: string; seq: number }[]> {
    const found: { m: string; seq: number }[] = [];
    for (;;) {
      const options = { max: 10, waitSec: 0, signal: AbortSignal.timeout(5000) };
      const some = await receiveFromLane(world.deps.sqs, account.laneUrls[lane], options);
      if (some.length === 0) return found;
      const receipts = some.map(({ receipt }) => receipt);
      await deleteFromLane(world.deps.sqs, account.laneUrls[lane], receipts);
      found.push(...some.map(({ entry }) => ({ m: entry.m, seq: entry.seq })));
    }
  }

  const untilLater = () => world.deps.nowMs() + 3_600_000;

  it.each<[string, () => Partial<Account>]>([
    ['logged out', () => ({ status: 'logged_out' })],
    ['banned', () => ({ status: 'banned' })],
    ['failed', () => ({ status: 'failed', statusReason: 'client_outdated' })],
    ['restricted', () => ({ status: 'restricted', restrictedUntil: untilLater() })],
    ['not linked in time', () => ({ status: 'disconnected', statusReason: 'link_timeout' })],
    [
      'linked with another number',
      () => ({ status: 'disconnected', statusReason: 'number_changed', linkedNumber: '1' }),
    ],
    ['to be linked by passkey', () => ({ status: 'disconnected', statusReason: 'passkey_required' })],
    ['disconnected by its tenant', () => ({ status: 'disconnected', desired: 'disconnected' })],
    ['still connected, but about to be logged out', () => ({ desired: 'logged_out' })],
  ])('because it is %s gets its messages back and no new ones', async (_, state) => {
    const account = await world.account({ useLimits: true });
    const contract = await world.contract(account, rowsTo(60));
    await world.drain();
    const [, second] = await world.messages(contract);
    if (second === undefined) throw new Error('not fed');
    await world.end(account, [second], 'SENT');
    await set(account, state());
    expect(await feed(account)).toBeUndefined();
    expect(await world.states(contract)).toEqual(['PENDING', 'SENT', ...Array(48).fill('PENDING')]);
    expect(await world.hot(account)).toMatchObject({ queuedExpress: 0, queuedBulk: 0 });
    expect(await world.counter(contract)).toMatchObject({ sent: 1, backlog: 49 });
    expect(await world.read(contract.id)).toMatchObject({ status: 'IN_PROGRESS', nextRow: 50, openFrom: 50 });
    // Neither what came back nor new rows go into the lane again.
    await feed(account);
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 0 });
  });

  it.each<[string, () => Partial<Account>]>([
    ['has lost its line', () => ({ status: 'disconnected', statusReason: 'connection_lost' })],
    ['is connecting', () => ({ status: 'connecting' })],
    ['shows its QR code', () => ({ status: 'awaiting_link' })],
    ['was restricted until a moment ago', () => ({ status: 'restricted', restrictedUntil: world.deps.nowMs() - 1 })],
  ])('only because it %s keeps them in its lanes', async (_, state) => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(3));
    await world.drain();
    await set(account, state());
    await feed(account);
    expect(await world.states(contract)).toEqual(['QUEUED', 'QUEUED', 'QUEUED']);
  });

  it('gets them again when it can send, each once, in the order of their rows, and new ones behind them', async () => {
    await world.beat();
    const account = await world.account({ useLimits: true });
    const contract = await world.contract(account, rowsTo(60));
    const express = await world.contract(account, rowsTo(4), { lane: 'express' });
    await world.drain();
    await set(account, { status: 'logged_out' });
    await feed(account);
    expect(await world.states(express)).toEqual(Array(4).fill('PENDING'));
    await set(account, { status: 'connected' });
    await world.notes();
    await feed(account);
    expect(await world.notes()).toEqual([account.id]);
    const messages = await world.messages(contract);
    expect(messages).toHaveLength(50);
    expect(messages.every(({ state, feedSeq }) => state === 'QUEUED' && feedSeq === 2)).toBe(true);
    expect(await world.counter(contract)).toMatchObject({ backlog: 0 });
    expect(await world.hot(account)).toMatchObject({ queuedExpress: 4, queuedBulk: 50 });
    const entries = await inLane(account);
    // Those of before are left behind; by their feedSeq whoever takes them sees that they are stale.
    expect(entries.filter(({ seq }) => seq === 1)).toHaveLength(50);
    const fresh = entries.filter(({ seq }) => seq === 2).map(({ m }) => m);
    expect(fresh).toEqual(messages.map(({ id }) => id));
    await world.end(account, messages.slice(0, 5), 'SENT');
    await feed(account);
    const added = (await inLane(account)).map(({ m }) => m);
    expect(added).toEqual((await world.messages(contract)).slice(50).map(({ id }) => id));
    expect(added).toHaveLength(5);
    expect((await inLane(account, 'express')).filter(({ seq }) => seq === 2)).toHaveLength(4);
  });

  it('keeps the order of rows when less than all fit into the window again', async () => {
    const account = await world.account({ useLimits: true });
    const contract = await world.contract(account, rowsTo(50));
    await world.drain();
    await set(account, { status: 'banned' });
    await feed(account);
    await set(account, { status: 'connected' });
    await world.setHot(account, { queuedBulk: 40 });
    await feed(account);
    expect((await world.states(contract)).indexOf('PENDING')).toBe(10);
    expect((await world.states(contract)).filter((state) => state === 'QUEUED')).toHaveLength(10);
  });

  it('leaves the message being sent to its owner', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(3));
    await world.drain();
    const [first] = await world.messages(contract);
    if (first === undefined) throw new Error('not fed');
    await world.claim(account, first);
    await set(account, { status: 'restricted', restrictedUntil: untilLater() });
    await feed(account);
    expect(await world.states(contract)).toEqual(['SENDING', 'PENDING', 'PENDING']);
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 0, inHand: { messageId: first.id } });
  });

  it('may claim, cancel and pause at the same time: each message is moved by one of them', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(4));
    await world.drain();
    await set(account, { desired: 'disconnected' });
    const recalling = gate();
    const slow = world.through((table) => ({
      getMany: async (wanted, options) => {
        const items = await table.getMany(wanted, options);
        if (wanted.some(({ sk }) => sk === 'M')) await recalling.pass();
        return items as never;
      },
    }));
    const recall = world.serve({ kind: 'feed', accountId: account.id }, slow);
    await recalling.reached;
    const [claimed, canceled, withdrawn] = await world.messages(contract);
    if (claimed === undefined || canceled === undefined || withdrawn === undefined) throw new Error('not fed');
    await world.claim(account, claimed);
    await moveMessage(world.table, canceled, 'CANCELED', Date.now());
    await moveMessage(world.table, withdrawn, 'PENDING', Date.now());
    recalling.open();
    expect(await recall).toBeUndefined();
    expect(await world.states(contract)).toEqual(['SENDING', 'CANCELED', 'PENDING', 'PENDING']);
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 0 });
    expect(await world.counter(contract)).toMatchObject({ canceled: 1, backlog: 2 });
    const { items } = await world.table.query({ pk: keys.backlog(tenantId, contract.id, 0, '').pk, skPrefix: 'DUE#' });
    expect(items).toHaveLength(2);
  });

  it('that is back in the middle of it keeps what is still in its lanes', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(2));
    const later = await world.contract(account, rowsTo(2));
    await world.drain();
    await set(account, { status: 'logged_out' });
    const recalling = gate();
    const slow = world.through((table) => ({
      getMany: async (wanted, options) => {
        const items = await table.getMany(wanted, options);
        if (wanted.some(({ sk }) => sk === 'M')) await recalling.pass();
        return items as never;
      },
    }));
    const recall = world.serve({ kind: 'feed', accountId: account.id }, slow);
    await recalling.reached;
    await set(account, { status: 'connected' });
    recalling.open();
    await recall;
    expect(await world.states(contract)).toEqual(['PENDING', 'PENDING']);
    expect(await world.states(later)).toEqual(['QUEUED', 'QUEUED']);
    await feed(account);
    expect(await world.states(contract)).toEqual(['QUEUED', 'QUEUED']);
    expect((await inLane(account)).filter(({ seq }) => seq === 2)).toHaveLength(2);
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 4 });
  });

  it('gives back what paused contracts have in its lanes, and rows that were only reserved', async () => {
    const account = await world.account();
    const paused = await world.contract(account, rowsTo(3));
    const reserved = await world.contract(account, rowsTo(5));
    await world.drain();
    await world.move(paused.id, 'pause');
    await world.table.writeMany(
      (await world.messages(reserved)).map(({ id }) => ({ delete: keys.message(tenantId, id) })),
    );
    await world.table.update(keys.contract(tenantId, reserved.id), {
      update: 'SET openFrom = :none',
      values: { ':none': 0 },
    });
    await set(account, { status: 'banned' });
    await feed(account);
    expect(await world.states(paused)).toEqual(Array(3).fill('PENDING'));
    expect(await world.states(reserved)).toEqual(Array(5).fill('PENDING'));
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 0 });
  });

  it.each([9, -2])('has its count put right that was %i', async (wrong) => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(5));
    await world.drain();
    await world.setHot(account, { queuedBulk: wrong });
    await set(account, { status: 'failed' });
    await feed(account);
    expect(await world.states(contract)).toEqual(Array(5).fill('PENDING'));
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 0 });
  });

  it('with very many rows is served in several runs', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(1700), { nextRow: 1700, openFrom: 1700, fedCount: 1700 });
    await world.giveUpRequests();
    const fed = await world.contract(account, rowsTo(2));
    await world.drain();
    const [template] = await world.messages(fed);
    for (const row of [0, 1, 900, 1699]) await world.putQueued(contract, row, template);
    await world.setHot(account, { queuedBulk: 6 });
    await set(account, { status: 'logged_out' });
    let moves = 0;
    const slow = world.through((table) => ({
      // Each move takes a minute.
      tryTransact: async (writes) => {
        moves += 1;
        return await table.tryTransact(writes);
      },
    }));
    const startMs = world.deps.nowMs();
    const timed = { ...slow, nowMs: () => startMs + moves * 60_000 };
    await world.serve({ kind: 'feed', accountId: account.id }, timed, startMs + 30_000);
    expect(await world.states(contract)).toEqual(['PENDING', 'QUEUED', 'QUEUED', 'QUEUED']);
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 5 });
    expect(await world.drain()).toEqual(['recall']);
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 0 });
    expect(await world.states(contract)).toEqual(Array(4).fill('PENDING'));
    expect(await world.states(fed)).toEqual(['PENDING', 'PENDING']);
  });

  it('goes on where the run before stopped', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(20), { nextRow: 20, openFrom: 20, fedCount: 20 });
    const { id } = await world.contract(account, rowsTo(1));
    await world.drain();
    const fed = await world.read(id);
    const [template] = fed === undefined ? [] : await world.messages(fed);
    for (const row of [3, 12]) await world.putQueued(contract, row, template);
    await world.setHot(account, { queuedBulk: 3 });
    await set(account, { status: 'logged_out' });
    const cursor = {
      contractId: contract.id,
      row: 10,
      found: { express: 0, bulk: 0 },
      counted: { express: 0, bulk: 3 },
    };
    await world.serve({ kind: 'recall', accountId: account.id, cursor });
    expect(await world.states(contract)).toEqual(['QUEUED', 'PENDING']);
  });

  it('and came back between two runs is fed, the second run takes nothing away', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(2));
    await world.drain();
    const counted = { express: 0, bulk: 2 };
    const cursor = { contractId: '', row: 0, found: { express: 0, bulk: 0 }, counted };
    await world.serve({ kind: 'recall', accountId: account.id, cursor });
    expect(await world.states(contract)).toEqual(['QUEUED', 'QUEUED']);
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 2 });
  });

  it('gives back the others when one of its contracts has a broken page', async () => {
    const account = await world.account();
    const broken = await world.contract(account, rowsTo(2));
    const whole = await world.contract(account, rowsTo(3));
    await world.drain();
    await world.deps.pages.remove(inlinePagesOf(broken).map(({ key }) => key));
    await world.table.update(keys.contract(tenantId, broken.id), {
      update: 'SET openFrom = :none',
      values: { ':none': 0 },
    });
    await set(account, { status: 'banned' });
    expect(String(await feed(account))).toContain(broken.id);
    expect(await world.states(whole)).toEqual(Array(3).fill('PENDING'));
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 2 });
  });

  it('completes a contract whose messages are all final', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(2));
    await world.drain();
    await world.end(account, await world.messages(contract), 'SENT');
    await set(account, { status: 'banned' });
    await feed(account);
    expect(await world.read(contract.id)).toMatchObject({ status: 'COMPLETED' });
  });

  it('a cancel in the middle of it cancels every message', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(3));
    await world.drain();
    await set(account, { status: 'banned' });
    let moves = 0;
    const slow = world.through((table) => ({
      tryTransact: async (writes) => {
        if (++moves === 2) await world.move(contract.id, 'cancel');
        return await table.tryTransact(writes);
      },
    }));
    expect(await world.serve({ kind: 'feed', accountId: account.id }, slow)).toBeUndefined();
    expect(await world.states(contract)).toEqual(['CANCELED', 'CANCELED', 'CANCELED']);
    expect(await world.counter(contract)).toMatchObject({ canceled: 3, backlog: 0 });
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 0 });
  });

  it('by its tenant’s wish gets its messages back although no host lives', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(2));
    await world.drain();
    const pair = await readAccount(world.table, tenantId, account.id);
    if (pair === undefined) throw new Error('no account');
    await setDesired(world.deps, world.origin(), pair, 'disconnected');
    expect(await world.drain()).toEqual(['feed']);
    const messages: Message[] = await world.messages(contract);
    expect(messages.map(({ state }) => state)).toEqual(['PENDING', 'PENDING']);
  });
});
