import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sweep } from '../../functions/sweep/sweep.ts';
import { createClients, destroyClients, onCall } from '../../lib/aws/client/clients.ts';
import { deleteAccount } from '../../lib/aws/contracts/account-contracts.ts';
import { beginImport, completeImport, reportImport } from '../../lib/aws/contracts/imports.ts';
import { createDeps } from '../../lib/aws/deps.ts';
import { hostExists, listHosts, listWakeQueues, removeHost } from '../../lib/aws/hosts/hosts.ts';
import { releaseAccount } from '../../lib/aws/hosts/ownership.ts';
import { keys } from '../../lib/aws/keys.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import type { Message } from '../../lib/domain/messages/message.ts';
import { rowsTo } from '../factories.ts';
import { type FeedWorld, startFeedWorld, tenantId } from '../feed/feed-world.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

describe('the sweep looks after', () => {
  let world: FeedWorld;
  beforeEach(async () => {
    world = await startFeedWorld();
  });
  afterEach(() => world.stop());

  async function fed(rows: number, settings: Partial<Account> = {}): Promise<{ account: Account; contract: Contract }> {
    const account = await world.account(settings);
    const contract = await world.contract(account, rowsTo(rows));
    await world.drain();
    return { account, contract };
  }
  const first = async (contract: Contract): Promise<Message> => {
    const [message] = await world.messages(contract);
    if (message === undefined) throw new Error('not fed');
    return message;
  };

  describe('imports', () => {
    async function importing(): Promise<Contract> {
      const account = await world.account();
      const contract = await world.contract(account, [], { status: 'PENDING' });
      return await begin(contract, 'imp_1');
    }
    const begin = (contract: Contract, id: string) =>
      beginImport(world.deps, world.origin(), contract, {
        id,
        format: 'csv',
        status: 'awaiting_upload',
        rowsRead: 0,
        expiresAt: world.deps.nowMs() + hourMs,
        errorCount: 0,
        errors: [],
      });

    it('whose file never came', async () => {
      const contract = await importing();
      world.pass(6.5 * hourMs);
      expect(await world.sweep()).toMatchObject({ importsExpired: 0 });
      world.pass(hourMs);
      expect(await world.sweep()).toMatchObject({ importsExpired: 1 });
      expect(await world.read(contract.id)).toMatchObject({
        status: 'PENDING',
        totalCount: 0,
        import: { status: 'failed', errorCount: 1, errors: [{ line: 1, code: 'NOT_UPLOADED' }] },
      });
      expect(await world.sweep()).toMatchObject({ importsExpired: 0 });
    });

    it('that nobody reads any more', async () => {
      const contract = await importing();
      await reportImport(world.table, contract, 'imp_1', 20_000);
      world.pass(8 * hourMs);
      await world.sweep();
      expect(await world.read(contract.id)).toMatchObject({
        status: 'PENDING',
        import: { status: 'failed', rowsRead: 20_000, errors: [{ code: 'NOT_READ' }] },
      });
    });

    it('but neither those that were asked for again nor those that are done', async () => {
      const renewed = await importing();
      const done = await importing();
      const result = { pages: [{ key: 'pages/x', rows: 1 }], rows: 1, skipped: 0, suppressed: 0, warnings: [] };
      await completeImport(world.table, done, 'imp_1', result);
      world.pass(5 * hourMs);
      await begin(renewed, 'imp_2');
      world.pass(3 * hourMs);
      expect(await world.sweep()).toMatchObject({ importsExpired: 0 });
      expect(await world.read(renewed.id)).toMatchObject({ status: 'IMPORTING', import: { id: 'imp_2' } });
      expect(await world.read(done.id)).toMatchObject({
        status: 'PENDING',
        totalCount: 1,
        import: { status: 'completed' },
      });
      expect(await world.table.get(keys.importDue(tenantId, done.id))).toBeUndefined();
      expect(await world.table.get(keys.importDue(tenantId, renewed.id))).toBeDefined();
    });
  });

  describe('accounts', () => {
    const drop = (account: Account, what: string) =>
      world.table.update(keys.accountHot(tenantId, account.id), {
        update: `REMOVE ${what}`,
        ...(what.includes('#o') ? { names: { '#o': 'owner' } } : {}),
      });

    it('that are paused too: they stay connected', async () => {
      const { account } = await fed(2, { status: 'connected', pausedAt: 1 });
      await drop(account, 'ix, ixs');
      world.pass(2 * minuteMs);
      await world.sweep();
      expect(await world.table.get(keys.accountHot(tenantId, account.id))).toMatchObject({ ix: 'unowned' });
    });

    it('that want a connection and that nobody has or is offered', async () => {
      const { account } = await fed(2, { status: 'connecting' });
      await drop(account, 'ix, ixs');
      world.pass(2 * minuteMs);
      expect(await world.sweep()).toMatchObject({ accountsFound: 1 });
      expect(await world.hot(account)).toMatchObject({ ix: 'unowned', ixs: `${tenantId}#${account.id}` });
      expect(await world.sweep()).toMatchObject({ accountsFound: 0, accountsUnowned: 1 });
    });

    it('whose owner’s item is gone, with a message in hand', async () => {
      const { account, contract } = await fed(2);
      await world.claim(account, await first(contract));
      await removeHost(world.table, world.hostId);
      const before = await world.hot(account);
      world.pass(2 * minuteMs);
      expect(await world.sweep()).toMatchObject({ accountsFound: 1 });
      const now = await world.hot(account);
      expect(now).toMatchObject({ ix: 'unowned', epoch: (before?.epoch ?? 0) + 1 });
      expect(now?.owner).toBeUndefined();
      expect(now?.inHand).toEqual(before?.inHand);
    });

    it('that the index does not have under their owner', async () => {
      const { account, contract } = await fed(2);
      await world.claim(account, await first(contract));
      await drop(account, 'ix, ixs');
      world.pass(2 * minuteMs);
      await world.beat();
      expect(await world.sweep()).toMatchObject({ accountsFound: 1 });
      expect(await world.hot(account)).toMatchObject({ ix: `host#${world.hostId}`, owner: world.hostId });
    });

    it('but not those that rest until somebody acts', async () => {
      const { account } = await fed(2);
      await drop(account, 'ix, ixs');
      await world.setAccount(account, { status: 'banned' });
      world.pass(2 * minuteMs);
      expect(await world.sweep()).toMatchObject({ accountsFound: 0 });
      expect((await world.hot(account))?.ix).toBeUndefined();
    });

    it('idle ones too, when the wake queue of a host without an item shows it', async () => {
      const account = await world.account();
      const contract = await world.contract(account, rowsTo(1));
      await world.drain();
      await world.end(account, [await first(contract)], 'SENT');
      await world.drain();
      await removeHost(world.table, world.hostId);
      world.pass(5 * minuteMs);
      expect(await world.sweep()).toMatchObject({ inboxesRemoved: 0, accountsOrphaned: 0 });
      await world.table.update(keys.accountHot(tenantId, account.id), {
        update: 'SET ix = :host, #o = :owner',
        names: { '#o': 'owner' },
        values: { ':host': `host#${world.hostId}`, ':owner': world.hostId },
      });
      world.pass(6 * minuteMs);
      expect(await world.sweep()).toMatchObject({ inboxesRemoved: 1, accountsOrphaned: 1 });
      expect(await world.hot(account)).toMatchObject({ ix: 'unowned' });
      expect(await listWakeQueues(world.deps.sqs, world.deps.config.WAKE_QUEUE_PREFIX)).toEqual([]);
    });

    it('deleted ones whose owner is gone are given to another, which wipes their keys', async () => {
      const { account, contract } = await fed(1);
      await world.claim(account, await first(contract));
      await deleteAccount(world.deps, world.origin(), tenantId, account.id);
      await world.drain();
      await removeHost(world.table, world.hostId);
      expect(await world.sweep()).toMatchObject({ accountsFound: 1, removalsAsked: 1 });
      expect(await world.hot(account)).toMatchObject({ ix: 'unowned' });
    });
  });

  describe('hosts', () => {
    it('that fell silent: their accounts become unowned, then their item goes, then their wake queue', async () => {
      const { account, contract } = await fed(1);
      await world.claim(account, await first(contract));
      world.pass(119_000);
      expect(await world.sweep()).toMatchObject({ hostsLost: 0, accountsOrphaned: 0 });
      world.pass(2_000);
      expect(await world.sweep()).toMatchObject({ hostsLost: 1, accountsOrphaned: 1, hostsRemoved: 0 });
      expect(await world.hot(account)).toMatchObject({ ix: 'unowned' });
      world.pass(minuteMs);
      expect(await world.sweep()).toMatchObject({ hostsLost: 0, hostsRemoved: 1, inboxesRemoved: 0 });
      expect(await hostExists(world.table, world.hostId)).toBe(false);
      expect(await listHosts(world.table)).toEqual([]);
      world.pass(10 * minuteMs);
      expect(await world.sweep()).toMatchObject({ inboxesRemoved: 1 });
    });
  });

  it('all that without asking about idle accounts', async () => {
    const clients = createClients();
    const calls: string[] = [];
    onCall(clients, (service, command) => calls.push(`${service} ${command}`));
    const deps = { ...createDeps(world.deps.config, clients), nowMs: world.deps.nowMs };
    await world.beat();
    const callsOfSweep = async () => {
      calls.length = 0;
      await sweep(deps, (_, error) => {
        throw error;
      });
      return calls.join();
    };
    await callsOfSweep();
    const none = await callsOfSweep();
    for (let n = 0; n < 12; n++) {
      const { account, contract } = await fed(1);
      await world.end(account, await world.messages(contract), 'SENT');
      await world.serve({ kind: 'feed', accountId: account.id });
      const hot = await world.hot(account);
      const hold = { tenantId, accountId: account.id, hostId: world.hostId, epoch: hot?.epoch ?? 0 };
      if (n % 2 === 0) await releaseAccount(world.table, hold, { wanted: true, asked: undefined, open: false });
    }
    await world.drain();
    expect(await callsOfSweep()).toBe(none);
    expect(none.split(',').length).toBeGreaterThan(5);
    destroyClients(clients);
  });
});
