import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { moveContract } from '../../../lib/aws/contracts/contracts.ts';
import { closeRows, readOpenRanges, reserveRows } from '../../../lib/aws/contracts/reservations.ts';
import { keys } from '../../../lib/aws/keys.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import type { AccountCounter, Contract } from '../../../lib/domain/contracts/contract.ts';
import { rowsTo } from '../../factories.ts';
import { type FeedWorld, startFeedWorld, tenantId } from '../../feed/feed-world.ts';

describe('rows that a feed reserved and did not finish', () => {
  let world: FeedWorld;
  let account: Account;
  beforeAll(async () => {
    world = await startFeedWorld();
  });
  afterAll(async () => {
    await world.stop();
  });

  const running = async (settings: Partial<Contract> = {}): Promise<Contract> => {
    account = await world.account();
    const contract = await world.contract(account, rowsTo(60), settings);
    await world.giveUpRequests();
    return contract;
  };
  const counterOf = async ({ id }: Contract) =>
    (await world.table.get<AccountCounter>(keys.counter(tenantId, id, account.id))) ?? {};
  const reserve = async (contract: Contract, to: number) =>
    await reserveRows(world.table, contract, account.id, {
      to,
      valid: to - contract.nextRow,
      nowMs: world.deps.nowMs(),
    });
  /** As a feed of an earlier release left it. */
  const reserveOnContract = async ({ id }: Contract, to: number): Promise<void> => {
    await world.table.update(keys.contract(tenantId, id), {
      update: 'SET nextRow = :to ADD fedCount :to',
      values: { ':to': to },
    });
    await world.table.update(keys.accountHot(tenantId, account.id), {
      update: 'ADD queuedBulk :to',
      values: { ':to': to },
    });
  };
  const feed = async () => await world.serve({ kind: 'feed', accountId: account.id });

  it('are finished by the next feed, once', async () => {
    const contract = await running();
    expect(await reserve(contract, 7)).toEqual({ accountId: account.id, from: 0, to: 7, on: 'counter' });
    expect(await counterOf(contract)).toMatchObject({ fed: 7, openFrom: 0, openTo: 7 });
    expect(await world.read(contract.id)).toMatchObject({ nextRow: 7, openFrom: 7, fedCount: 7 });
    await feed();
    expect(await world.states(contract)).toEqual(Array(60).fill('QUEUED'));
    const counter = await counterOf(contract);
    expect(counter).toMatchObject({ fed: 60 });
    expect(counter).not.toHaveProperty('openFrom');
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 60 });
  });

  it('keep others from reserving', async () => {
    const contract = await running();
    const range = await reserve(contract, 7);
    expect(await reserve(contract, 7)).toBeUndefined();
    const now = (await world.read(contract.id)) ?? contract;
    expect(await reserve(now, 9)).toBeUndefined();
    if (range !== undefined) await closeRows(world.table, now, range);
    expect(await reserve(now, 9)).toMatchObject({ from: 7, to: 9 });
  });

  it('on the contract, by an earlier release, are finished there, and what follows stands on the counter', async () => {
    const contract = await running();
    await reserveOnContract(contract, 5);
    const half = (await world.read(contract.id)) ?? contract;
    expect(await readOpenRanges(world.table, [half])).toEqual([
      [{ accountId: account.id, from: 0, to: 5, on: 'contract' }],
    ]);
    await feed();
    expect(await world.states(contract)).toEqual(Array(60).fill('QUEUED'));
    expect(await world.read(contract.id)).toMatchObject({ nextRow: 60, openFrom: 60, fedCount: 60 });
    expect(await counterOf(contract)).toMatchObject({ fed: 55 });
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 60 });
  });

  it('of both releases are all finished', async () => {
    const contract = await running();
    await reserve(contract, 5);
    await reserveOnContract(contract, 8);
    await world.table.update(keys.contract(tenantId, contract.id), {
      update: 'SET fedCount = :n',
      values: { ':n': 8 },
    });
    await feed();
    expect((await world.states(contract)).slice(0, 8)).toEqual(Array(8).fill('QUEUED'));
    const [open] = await readOpenRanges(world.table, [(await world.read(contract.id)) ?? contract]);
    expect(open).toEqual([]);
  });

  it.each(['counter', 'contract'] as const)('are canceled with their contract: range on the %s', async (on) => {
    const contract = await running();
    if (on === 'counter') await reserve(contract, 7);
    else await reserveOnContract(contract, 7);
    await moveContract(world.deps, world.origin(), tenantId, contract.id, 'cancel');
    expect(await world.states(contract)).toEqual(Array(7).fill('CANCELED'));
    expect(await counterOf(contract)).toMatchObject({ canceled: 60 });
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 0 });
    const now = (await world.read(contract.id)) ?? contract;
    expect(now).toMatchObject({ nextRow: 60, openFrom: 60, fedCount: 60, unfedFrom: 7 });
    expect(await readOpenRanges(world.table, [now])).toEqual([[]]);
  });

  it('of another account are left to that one', async () => {
    const other = await world.account();
    const contract = await running();
    const both = { ...contract, accountIds: [account.id, other.id] };
    await world.table.put({ ...keys.counter(tenantId, contract.id, other.id), type: 'counter' });
    await world.table.update(keys.contract(tenantId, contract.id), {
      update: 'SET accountIds = :both',
      values: { ':both': both.accountIds },
    });
    const range = await reserveRows(world.table, both, other.id, { to: 4, valid: 4, nowMs: world.deps.nowMs() });
    expect(range).toMatchObject({ accountId: other.id });
    await feed();
    const now = (await world.read(contract.id)) ?? both;
    expect(now.nextRow).toBe(60);
    expect(await readOpenRanges(world.table, [now])).toEqual([[range]]);
  });
});
