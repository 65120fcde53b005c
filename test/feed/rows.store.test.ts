import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendRows, createContract, numbered, putSkipped } from '../../lib/aws/contracts/contracts.ts';
import { readResults, readRows } from '../../lib/aws/contracts/rows.ts';
import { keys } from '../../lib/aws/keys.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import type { PageRow } from '../../lib/domain/contracts/pages.ts';
import { rowsTo } from '../factories.ts';
import { moveMessage } from '../harness/move-message.ts';
import { type FeedWorld, startFeedWorld, tenantId } from './feed-world.ts';

describe('rows of a contract', () => {
  let world: FeedWorld;
  beforeAll(async () => {
    world = await startFeedWorld();
  });
  afterAll(() => world.stop());

  const add = (contract: Contract, rows: PageRow[], pages = 1) => {
    const refs = Array.from({ length: pages }, (_, i) => ({ key: `pages/x/${contract.id}/${i}`, rows: 1 }));
    return appendRows(world.deps, world.origin(), contract, refs, rows);
  };

  it('come in at most 1,000 pages', async () => {
    const account = await world.account();
    const pages = Array.from({ length: 999 }, (_, i) => ({ key: `pages/${i}`, rows: 1 }));
    const contract = await world.contract(account, [], { status: 'PENDING', pages, totalCount: 999 });
    const full = await add(contract, rowsTo(1));
    expect(full.totalCount).toBe(1000);
    await expect(appendRows(world.deps, world.origin(), full, [{ key: 'more', rows: 1 }], rowsTo(1))).rejects.toThrow(
      /ILLEGAL_STATE: .*1000.*\/import/,
    );
  });

  it('with half of a character, taken by an earlier version, are made, end, and are deleted', async () => {
    const account = await world.account();
    const [one, two] = rowsTo(2);
    if (one === undefined || two === undefined) throw new Error('no rows');
    const rows = [
      { ...one, externalId: '\ud800' },
      { ...two, externalId: 'b\udc00', skip: 'SUPPRESSED' as const },
    ];
    const contract = await world.contract(account, rows, { atOnce: 1 });
    await putSkipped(world.deps, contract, numbered(rows, 0));
    expect(await world.drain()).toContain('feed');
    const messages = await world.messages(contract);
    expect(messages.map(({ externalId }) => externalId)).toEqual(['\ufffd', 'b\ufffd']);
    await world.end(account, messages.slice(0, 1), 'SENT');
    await world.serve({ kind: 'feed', accountId: account.id });
    expect((await world.read(contract.id))?.status).toBe('COMPLETED');
    await world.move(contract.id, 'delete');
    await world.drain();
    expect(await world.read(contract.id)).toBeUndefined();
  });

  it('of a contract with a key become messages under its ids, in feed, recall, retry and cancel alike', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(3), { idKey: 'k'.repeat(64) });
    const fedContract = { ...contract, nextRow: 3 };
    const states = async () => (await readRows(world.deps, fedContract, 0, 3)).map(({ message }) => message.state);
    await world.drain();
    const fed = (await readRows(world.deps, fedContract, 0, 3)).map(({ message }) => message);
    // printf 'kk..k#0' | sha256sum, 64 times k
    expect(fed[0]?.id).toBe('msg_99A41B7E8B1E0A5D82');
    expect(await world.messages({ ...contract, idKey: undefined } as never)).toEqual([]);
    await world.end(account, fed.slice(0, 1), 'FAILED');
    await world.setAccount(account, { desired: 'disconnected' });
    await world.serve({ kind: 'recall', accountId: account.id });
    expect(await states()).toEqual(['FAILED', 'PENDING', 'PENDING']);
    await world.setAccount(account, { desired: 'connected' });
    await world.serve({ kind: 'feed', accountId: account.id });
    expect((await world.hot(account))?.queuedBulk).toBe(2);
    await world.move(contract.id, 'cancel');
    await world.drain();
    expect(await world.counter(contract)).toMatchObject({ failed: 1, canceled: 2, backlog: 0 });
  });

  it('of a contract that is paused for 91 days are all sent when it goes on: nothing of them has an end, and texts come from their pages', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(4), { startedAt: world.deps.nowMs() });
    const nowSec = () => Math.floor(world.deps.nowMs() / 1000);
    const before = nowSec();
    await world.drain();
    const [first, second, third] = await world.messages(contract);
    if (first === undefined || second === undefined || third === undefined) throw new Error('no messages');
    const text = async (id: string) => await world.table.get<{ text: string; ttl: number }>(keys.text(tenantId, id));
    // 15 days.
    expect((await text(first.id))?.ttl).toBeGreaterThanOrEqual(before + 1_296_000);
    expect((await text(first.id))?.ttl).toBeLessThanOrEqual(nowSec() + 1_296_000);
    await world.end(account, [first], 'SENT');
    const failed = await world.claim(account, second);
    await moveMessage(world.table, failed, 'FAILED', world.deps.nowMs(), {
      error: { code: 'REJECTED', message: 'No.' },
    });
    const ttls = async () =>
      (await world.messages(contract)).map(({ ttl }) => (ttl === undefined ? ttl : Math.round((ttl - nowSec()) / 60)));
    // Minutes of 90 days.
    expect(await ttls()).toEqual([129_600, 129_600, undefined, undefined]);
    await moveMessage(world.table, third, 'PENDING', world.deps.nowMs());
    await world.move(contract.id, 'pause');
    world.pass(91 * 86_400_000);
    // DynamoDB removes what has ended.
    await world.table.writeMany([
      { delete: keys.message(tenantId, first.id) },
      ...[first, second, third].map(({ id }) => ({ delete: keys.text(tenantId, id) })),
    ]);
    await world.move(contract.id, 'start');
    await world.move(contract.id, 'retry');
    await world.serve({ kind: 'refeed', accountId: account.id });
    await world.serve({ kind: 'feed', accountId: account.id });
    const back = await world.messages(contract);
    expect(back.map(({ row, state, ttl }) => [row, state, ttl])).toEqual([
      [1, 'QUEUED', undefined],
      [2, 'QUEUED', undefined],
      [3, 'QUEUED', undefined],
    ]);
    for (const { id, row } of back) {
      expect(await text(id)).toMatchObject({ text: `Text ${row}` });
      expect((await text(id))?.ttl).toBeGreaterThan(nowSec() + 14 * 86_400);
    }
    await world.move(contract.id, 'cancel');
    expect(await ttls()).toEqual([129_600, 129_600, 129_600]);
    const gone = (await readResults(world.deps, (await world.read(contract.id)) ?? contract, 0, 4)).map(
      (row) => 'gone' in row,
    );
    expect(gone).toEqual([true, false, false, false]);
  });

  it('in a lane for days have a text that lives longer than the lane', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(1));
    await world.drain();
    const [message] = await world.messages(contract);
    if (message === undefined) throw new Error('no message');
    const text = async () => await world.table.get<{ ttl: number }>(keys.text(tenantId, message.id));
    const made = (await text())?.ttl;
    world.pass(3_600_000);
    await world.serve({ kind: 'refeed', accountId: account.id });
    expect((await text())?.ttl).toBe(made);
    world.pass(86_400_000);
    await world.serve({ kind: 'refeed', accountId: account.id });
    expect((await text())?.ttl).toBeGreaterThanOrEqual((made ?? 0) + 90_000);
  });

  it('that are skipped count as what they are', async () => {
    const account = await world.account();
    const contract = await world.contract(account, [], { status: 'PENDING' });
    const [one, two, three] = rowsTo(3);
    if (one === undefined || two === undefined || three === undefined) throw new Error('no rows');
    await add(contract, [{ ...one, skip: 'SUPPRESSED' }, { ...two, skip: 'INVALID_NUMBER' }, three]);
    expect(await world.counter(contract)).toMatchObject({ failed: 1, suppressed: 1 });
    const made = {
      ...contract,
      id: `${contract.id.slice(0, -1)}${contract.id.endsWith('Z') ? 'Y' : 'Z'}`,
      totalCount: 3,
      atOnce: 3,
    };
    await createContract(world.deps, world.origin(), made, 2);
    expect(await world.counter(made)).toMatchObject({ failed: 1, suppressed: 2 });
  });
});
