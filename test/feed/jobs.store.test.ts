import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numbered, putSkipped } from '../../lib/aws/contracts/contracts.ts';
import { keys } from '../../lib/aws/keys.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import { rowsTo } from '../factories.ts';
import { moveMessage } from '../harness/move-message.ts';
import { type FeedWorld, gate, startFeedWorld, tenantId } from './feed-world.ts';

describe('jobs on the rows of a contract', () => {
  let world: FeedWorld;
  beforeAll(async () => {
    world = await startFeedWorld();
  });
  afterAll(() => world.stop());

  /** Fed, with the first `failed` rows FAILED. */
  async function fed(rows: number, failed: number) {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(rows));
    await world.drain();
    const messages = await world.messages(contract);
    await world.end(account, messages.slice(0, failed), 'FAILED');
    return { account, contract };
  }

  /** All rows FAILED at once. */
  async function allFailed(count: number): Promise<Contract> {
    const account = await world.account();
    const rows = rowsTo(count).map((row) => ({ ...row, skip: 'INVALID_NUMBER' as const }));
    const contract = await world.contract(account, rows, {
      status: 'FAILED',
      atOnce: count,
      nextRow: count,
      openFrom: count,
    });
    await putSkipped(world.deps, contract, numbered(rows, 0));
    return contract;
  }

  it('a cancel ends a clear in progress: nothing is taken off any more and the cancel finishes', async () => {
    const { contract } = await fed(10, 4);
    const clearing = gate();
    const slow = world.through((table) => ({
      getMany: async (wanted, options) => {
        const items = await table.getMany(wanted, options);
        await clearing.pass();
        return items as never;
      },
    }));
    const clear = world.move(contract.id, 'clear', slow);
    await clearing.reached;
    const settling = gate();
    const held = world.through((table) => ({
      tryTransact: async (writes) => {
        // The write that counts the rows nobody fed, or ends the job.
        if (JSON.stringify(writes).includes('REMOVE #job')) await settling.pass();
        return await table.tryTransact(writes);
      },
    }));
    const cancel = world.move(contract.id, 'cancel', held);
    await settling.reached;
    clearing.open();
    await clear;
    settling.open();
    await cancel;
    const now = await world.read(contract.id);
    expect(now).toMatchObject({ status: 'CANCELED', totalCount: 10, fedCount: 10 });
    expect(now?.job).toBeUndefined();
    expect(await world.counter(contract)).toMatchObject({ failed: 4, canceled: 6, backlog: 0 });
  });

  it('a cancel ends a retry in progress: nothing is reopened behind it', async () => {
    const { account, contract } = await fed(6, 3);
    const retrying = gate();
    const slow = world.through((table) => ({
      getMany: async (wanted, options) => {
        const items = await table.getMany(wanted, options);
        await retrying.pass();
        return items as never;
      },
    }));
    const retry = world.move(contract.id, 'retry', slow);
    await retrying.reached;
    await world.move(contract.id, 'cancel');
    retrying.open();
    await retry;
    expect(await world.states(contract)).toEqual([...Array(3).fill('FAILED'), ...Array(3).fill('CANCELED')]);
    expect(await world.counter(contract)).toMatchObject({ failed: 3, canceled: 3, backlog: 0 });
    expect(await world.hot(account)).toMatchObject({ queuedBulk: 0 });
  });

  it('a cancel reaches a message that goes back to PENDING meanwhile', async () => {
    const { contract } = await fed(2, 0);
    const settling = gate();
    const slow = world.through((table) => ({
      getMany: async (wanted, options) => {
        const items = await table.getMany(wanted, options);
        await settling.pass();
        return items as never;
      },
    }));
    const cancel = world.move(contract.id, 'cancel', slow);
    await settling.reached;
    const [message] = await world.messages(contract);
    if (message === undefined) throw new Error('not fed');
    await moveMessage(world.table, message, 'PENDING', Date.now());
    settling.open();
    await cancel;
    expect(await world.states(contract)).toEqual(['CANCELED', 'CANCELED']);
    expect(await world.counter(contract)).toMatchObject({ canceled: 2, backlog: 0 });
  });

  it('clears every failure, however many there are', async () => {
    const contract = await allFailed(250);
    await world.move(contract.id, 'clear');
    expect(await world.read(contract.id)).toMatchObject({ totalCount: 0, atOnce: 0, fedCount: 0 });
    expect(await world.counter(contract)).toMatchObject({ failed: 0 });
  });

  it('a message being sent keeps the cancel open, not its counts; its outcome lets it end', async () => {
    const { account, contract } = await fed(60, 0);
    const [first] = await world.messages(contract);
    if (first === undefined) throw new Error('not fed');
    const sending = await world.claim(account, first);
    await world.move(contract.id, 'cancel');
    await world.drain();
    expect(await world.counter(contract)).toMatchObject({ canceled: 59 });
    expect(await world.read(contract.id)).toMatchObject({ status: 'CANCELED', job: 'settle' });
    expect(await world.sweep()).toMatchObject({ jobsAsked: 1 });
    await world.drain();
    expect(await world.read(contract.id)).toMatchObject({ job: 'settle' });
    await moveMessage(world.table, sending, 'SENT', Date.now(), { attempts: 1 });
    await world.sweep();
    await world.drain();
    expect((await world.read(contract.id))?.job).toBeUndefined();
    expect(await world.table.get(keys.job(tenantId, contract.id))).toBeUndefined();
    expect(await world.counter(contract)).toMatchObject({ sent: 1, canceled: 59 });
  });

  it('a message that was being sent a day ago ends with a cancel, its outcome unknown', async () => {
    const { account, contract } = await fed(2, 0);
    const [first] = await world.messages(contract);
    if (first === undefined) throw new Error('not fed');
    await world.claim(account, first);
    await world.move(contract.id, 'pause');
    world.pass(25 * 3_600_000);
    await world.move(contract.id, 'cancel');
    const [unknown, canceled] = await world.messages(contract);
    expect(unknown).toMatchObject({ state: 'FAILED', error: { code: 'OUTCOME_UNKNOWN' } });
    expect(canceled?.state).toBe('CANCELED');
    expect((await world.read(contract.id))?.job).toBeUndefined();
  });

  it('a job whose requests were given up is asked for again', async () => {
    const { contract } = await fed(5, 0);
    const dying = world.through(() => ({
      getMany: async () => {
        throw new Error('the function died');
      },
    }));
    await expect(world.move(contract.id, 'cancel', dying)).rejects.toThrow('died');
    await world.giveUpRequests();
    expect(await world.sweep()).toMatchObject({ jobsAsked: 0 });
    world.pass(5 * 60_000);
    expect(await world.sweep()).toMatchObject({ jobsAsked: 1 });
    await world.drain();
    expect(await world.states(contract)).toEqual(Array(5).fill('CANCELED'));
    expect((await world.read(contract.id))?.job).toBeUndefined();
  });

  it('a removal that died half-way is finished', async () => {
    const { contract } = await fed(3, 0);
    await world.move(contract.id, 'delete');
    await world.giveUpRequests();
    const dying = {
      ...world.deps,
      pages: {
        ...world.deps.pages,
        remove: async () => {
          throw new Error('the function died');
        },
      },
    };
    const request = { kind: 'job' as const, accountId: contract.accountIds[0] ?? '', contractId: contract.id };
    expect(await world.serve(request, dying)).toBeInstanceOf(Error);
    world.pass(5 * 60_000);
    await world.sweep();
    await world.drain();
    expect(await world.read(contract.id)).toBeUndefined();
    expect(await world.table.queryAll({ pk: `T#${tenantId}#C#${contract.id}` })).toEqual([]);
    expect(await world.deps.pages.list(`pages/${tenantId}/${contract.id}/`)).toEqual([]);
  });
});
