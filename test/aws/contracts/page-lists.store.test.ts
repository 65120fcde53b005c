import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendRows, moveContract } from '../../../lib/aws/contracts/contracts.ts';
import { runJob } from '../../../lib/aws/contracts/jobs.ts';
import { readPageRefs } from '../../../lib/aws/contracts/page-lists.ts';
import { putPages } from '../../../lib/aws/contracts/pages.ts';
import { readRows } from '../../../lib/aws/contracts/rows.ts';
import { contractPk, keys } from '../../../lib/aws/keys.ts';
import type { Contract } from '../../../lib/domain/contracts/contract.ts';
import { inlinePagesOf, type PageRow, rowsOf } from '../../../lib/domain/contracts/pages.ts';
import { rowsTo } from '../../factories.ts';
import { type FeedWorld, startFeedWorld, tenantId } from '../../feed/feed-world.ts';

describe('the pages of a contract', () => {
  let world: FeedWorld;
  beforeAll(async () => {
    world = await startFeedWorld();
  });
  afterAll(async () => {
    await world.stop();
  });

  const request = (name: string) => name.padEnd(26, '0');
  const append = async (contract: Contract, name: string, rows: PageRow[]): Promise<Contract> => {
    const place = { tenantId, contractId: contract.id, rowSet: `${request(name)}-1` };
    return await appendRows(world.deps, world.origin(), contract, await putPages(world.deps.pages, place, rows), rows);
  };
  const stored = async (contract: Contract) => await world.table.get<Contract>(keys.contract(tenantId, contract.id));
  const numbers = async (contract: Contract, from: number, to: number) =>
    (await readRows(world.deps, contract, from, to)).map(({ message }) => message.to);

  it('are in a list of their own, except a single one', async () => {
    const account = await world.account();
    const one = await world.contract(account, rowsTo(3), { status: 'PENDING' });
    expect((await stored(one))?.pages).toEqual([{ key: expect.any(String), rows: 3 }]);
    const many = await world.contract(account, rowsTo(1200), { status: 'PENDING' });
    expect((await stored(many))?.pages).toEqual([{ lists: 1, pages: 3, rows: 1200 }]);
    expect((await readPageRefs(world.table, many)).map(({ rows }) => rows)).toEqual([500, 500, 200]);
    expect(await numbers(many, 1198, 1201)).toEqual(['79991001199', '79991001200']);
  });

  it('grow by batches; a repeated request adds nothing', async () => {
    const account = await world.account();
    let contract = await world.contract(account, rowsTo(2), { status: 'PENDING' });
    contract = await append(contract, 'A', rowsTo(1));
    expect(contract).toMatchObject({ totalCount: 3, pages: [{ lists: 1, pages: 2, rows: 3 }] });
    contract = await append(contract, 'B', rowsTo(2));
    expect(contract).toMatchObject({ totalCount: 5, pages: [{ lists: 1, pages: 2, rows: 3 }, { rows: 2 }] });
    expect(await append(contract, 'A', rowsTo(1))).toMatchObject({ totalCount: 5 });
    expect(await append(contract, 'B', rowsTo(2))).toMatchObject({ totalCount: 5 });
    contract = await append(contract, 'C', rowsTo(1));
    expect(contract).toMatchObject({ totalCount: 6, pages: [{ lists: 2, pages: 4, rows: 6 }] });
    expect(await numbers(contract, 0, 9)).toEqual([1, 2, 1, 1, 2, 1].map((n) => `7999100000${n}`));
  });

  it('of two batches at a time are both there', async () => {
    const contract = await world.contract(await world.account(), rowsTo(600), { status: 'PENDING' });
    await Promise.all([append(contract, 'A', rowsTo(1)), append(contract, 'B', rowsTo(2))]);
    expect(await stored(contract)).toMatchObject({ totalCount: 603, pages: [{ lists: 2, pages: 4, rows: 603 }] });
  });

  it('that an earlier release put on the contract are read, fed, and taken along by the next row set', async () => {
    const account = await world.account();
    const made = await world.contract(account, rowsTo(1200), { status: 'PENDING' });
    const pages = await readPageRefs(world.table, made);
    await world.table.delete(keys.pageList(tenantId, made.id, 0));
    await world.table.update(keys.contract(tenantId, made.id), {
      update: 'SET pages = :pages',
      values: { ':pages': pages },
    });
    const old = (await stored(made)) ?? made;
    expect(await numbers(old, 499, 501)).toEqual(['79991000500', '79991000501']);
    const grown = await append(old, 'A', rowsTo(1));
    expect(grown.pages).toEqual([{ lists: 1, pages: 4, rows: 1201 }]);
    expect(await numbers(grown, 1199, 1201)).toEqual(['79991001200', '79991000001']);
    await moveContract(world.deps, world.origin(), tenantId, grown.id, 'start');
    await world.drain();
    expect(await world.states(grown)).toHaveLength(500);
  });

  it('that a call of an earlier release has put behind lists are taken along too', async () => {
    const account = await world.account();
    const made = await world.contract(account, rowsTo(600), { status: 'PENDING' });
    const place = { tenantId, contractId: made.id, rowSet: `${request('A')}-1` };
    const [page] = await putPages(world.deps.pages, place, rowsTo(2));
    await world.table.update(keys.contract(tenantId, made.id), {
      update: 'SET pages = list_append(pages, :pages) ADD totalCount :n',
      values: { ':pages': [page], ':n': 2 },
    });
    const mixed = (await stored(made)) ?? made;
    expect([rowsOf(mixed), inlinePagesOf(mixed)]).toEqual([602, [page]]);
    const grown = await append(mixed, 'B', rowsTo(1));
    expect(grown.pages).toEqual([{ lists: 2, pages: 4, rows: 603 }]);
    expect(await numbers(grown, 600, 603)).toEqual([1, 2, 1].map((n) => `7999100000${n}`));
  });

  it('go with their contract, after a removal that died half way too', async () => {
    const account = await world.account();
    const contract = await world.contract(account, rowsTo(1200), { status: 'PENDING' });
    const refs = await readPageRefs(world.table, contract);
    await moveContract(world.deps, world.origin(), tenantId, contract.id, 'delete');
    await world.table.delete(keys.pageList(tenantId, contract.id, 0));
    await runJob(world.deps, contract, world.deps.nowMs() + 60_000);
    expect(await stored(contract)).toBeUndefined();
    expect(await world.table.queryAll({ pk: contractPk(tenantId, contract.id) })).toEqual([]);
    const again = await world.contract(account, rowsTo(1200), { status: 'PENDING' });
    const left = await readPageRefs(world.table, again);
    await moveContract(world.deps, world.origin(), tenantId, again.id, 'delete');
    await runJob(world.deps, again, world.deps.nowMs() + 60_000);
    expect(await Promise.all(left.map(({ key }) => world.deps.pages.get(key)))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(refs).toHaveLength(3);
  });
});
