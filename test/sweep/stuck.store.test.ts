import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deleteAccount } from '../../lib/aws/contracts/account-contracts.ts';
import { keys } from '../../lib/aws/keys.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import type { Message } from '../../lib/domain/messages/message.ts';
import { rowsTo } from '../factories.ts';
import { type FeedWorld, startFeedWorld, tenantId } from '../feed/feed-world.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

describe('the sweep finds what is stuck:', () => {
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
  const pausedMark = (account: Account, contract: Contract) =>
    world.table.get(keys.paused(tenantId, account.id, contract.id));
  /** The sweep of each minute, and what it asks the feed for. */
  async function minutes(count: number): Promise<void> {
    for (let minute = 0; minute < count; minute++) {
      world.pass(minuteMs);
      await world.sweep();
      await world.drain();
    }
  }

  describe('messages', () => {
    it('in the lanes of an account that was halted by a host that died before it told the feed', async () => {
      const { account, contract } = await fed(3);
      await world.setAccount(account, { status: 'banned' });
      expect(await world.sweep()).toMatchObject({ accountsRecalled: 1, accountsFed: 0 });
      expect(await world.drain()).toEqual(['recall']);
      expect(await world.states(contract)).toEqual(['PENDING', 'PENDING', 'PENDING']);
      // Nothing is left to ask for.
      world.pass(2 * minuteMs);
      await world.setHot(account, { lastActivity: world.deps.nowMs() - 5 * minuteMs });
      expect(await world.sweep()).toMatchObject({ accountsRecalled: 0, accountsFed: 0 });
    });

    it('but does not ask each minute where the counts cannot be put right yet', async () => {
      const { account, contract } = await fed(3);
      const canceled = await world.contract(account, rowsTo(1));
      await world.drain();
      await world.claim(account, await first(canceled));
      // Its settle job waits for the message being sent. Until then the right count is not known.
      await world.move(canceled.id, 'cancel');
      await world.setHot(account, { queuedBulk: 7 });
      await world.setAccount(account, { status: 'banned' });
      world.pass(2 * minuteMs);
      expect(await world.sweep()).toMatchObject({ accountsRecalled: 1 });
      await world.drain();
      expect(await world.states(contract)).toEqual(['PENDING', 'PENDING', 'PENDING']);
      expect(await world.hot(account)).toMatchObject({ queuedBulk: 4 });
      world.pass(2 * minuteMs);
      expect(await world.sweep()).toMatchObject({ accountsRecalled: 0 });
      world.pass(15 * minuteMs);
      expect(await world.sweep()).toMatchObject({ accountsRecalled: 1 });
    });

    it('of a paused contract in the lanes of such an account', async () => {
      const { account, contract } = await fed(2);
      await world.move(contract.id, 'pause');
      await world.setAccount(account, { status: 'logged_out' });
      expect(await world.sweep()).toMatchObject({ accountsRecalled: 1 });
      await world.drain();
      expect(await world.states(contract)).toEqual(['PENDING', 'PENDING']);
    });

    it('that the count of a halted account has lost', async () => {
      const { account, contract } = await fed(2, { useLimits: true });
      await world.setHot(account, { queuedBulk: 0, lastActivity: world.deps.nowMs() });
      await world.setAccount(account, { status: 'failed' });
      await minutes(16);
      expect(await world.states(contract)).toEqual(['PENDING', 'PENDING']);
    });

    it.each([1, -3])('more than the lanes count (%i), of an account that is away', async (count) => {
      const { account, contract } = await fed(3, { status: 'disconnected', statusReason: 'connection_lost' });
      await world.setHot(account, { queuedBulk: count, lastActivity: world.deps.nowMs() });
      await minutes(16);
      expect(await world.hot(account)).toMatchObject({ queuedBulk: 3 });
      expect(await world.states(contract)).toEqual(['QUEUED', 'QUEUED', 'QUEUED']);
    });

    it('being sent of a paused contract whose account never comes back', async () => {
      const { account, contract } = await fed(1);
      await world.claim(account, await first(contract));
      await world.move(contract.id, 'pause');
      await world.setAccount(account, { status: 'disconnected', statusReason: 'connection_lost' });
      world.pass(23 * hourMs);
      expect(await world.sweep()).toMatchObject({ outcomesUnknown: 0 });
      expect(await world.states(contract)).toEqual(['SENDING']);
      world.pass(hourMs);
      expect(await world.sweep()).toMatchObject({ outcomesUnknown: 1 });
      expect(await first(contract)).toMatchObject({ state: 'FAILED', error: { code: 'OUTCOME_UNKNOWN' } });
      expect(await world.read(contract.id)).toMatchObject({ status: 'PAUSED' });
      expect(await world.hot(account)).toMatchObject({ queuedBulk: 0 });
    });

    it('being sent of a paused contract that nobody has in hand', async () => {
      const { account, contract } = await fed(1);
      await world.claim(account, await first(contract));
      await world.table.update(keys.accountHot(tenantId, account.id), { update: 'REMOVE inHand' });
      await world.move(contract.id, 'pause');
      world.pass(24 * hourMs);
      await minutes(16);
      expect(await world.states(contract)).toEqual(['FAILED']);
    });

    it('being sent of a canceled contract whose account never comes back', async () => {
      const { account, contract } = await fed(2);
      await world.claim(account, await first(contract));
      await world.move(contract.id, 'cancel');
      expect(await world.read(contract.id)).toMatchObject({ status: 'CANCELED', job: 'settle' });
      world.pass(25 * hourMs);
      expect(await world.sweep()).toMatchObject({ jobsAsked: 1 });
      await world.drain();
      expect(await world.states(contract)).toEqual(['FAILED', 'CANCELED']);
      expect((await world.read(contract.id))?.job).toBeUndefined();
    });
  });

  describe('contracts', () => {
    it('with every message final that nobody completed, while another one fills the lanes', async () => {
      const { account, contract } = await fed(1);
      await world.end(account, [await first(contract)], 'SENT');
      await world.contract(account, rowsTo(3));
      // Its feed sees the new rows only.
      await world.table.update(keys.contract(tenantId, contract.id), {
        update: 'SET nextRow = :n',
        values: { ':n': 0 },
      });
      await world.drain();
      await world.table.update(keys.contract(tenantId, contract.id), {
        update: 'SET nextRow = :n',
        values: { ':n': 1 },
      });
      await world.setAccount(account, { status: 'disconnected', statusReason: 'connection_lost' });
      expect(await world.read(contract.id)).toMatchObject({ status: 'IN_PROGRESS' });
      await minutes(16);
      expect(await world.read(contract.id)).toMatchObject({ status: 'COMPLETED' });
    });

    it('whose last message ended for want of an answer, while another one fills the lanes', async () => {
      const { account, contract } = await fed(1);
      await world.claim(account, await first(contract));
      await world.contract(account, rowsTo(3));
      await world.drain();
      await world.setAccount(account, { status: 'disconnected', statusReason: 'connection_lost' });
      world.pass(24 * hourMs + 5 * minuteMs);
      expect(await world.sweep()).toMatchObject({ outcomesUnknown: 1 });
      await world.drain();
      expect(await world.read(contract.id)).toMatchObject({ status: 'FAILED' });
    });

    it('of a halted account with every message final', async () => {
      const { account, contract } = await fed(1);
      await world.end(account, [await first(contract)], 'SENT');
      await world.setAccount(account, { status: 'logged_out' });
      await minutes(16);
      expect(await world.read(contract.id)).toMatchObject({ status: 'COMPLETED' });
    });

    it('paused ones with nothing under way cost the sweep nothing any more', async () => {
      const { account, contract } = await fed(2);
      await world.end(account, await world.messages(contract), 'SENT');
      await world.move(contract.id, 'pause');
      expect(await pausedMark(account, contract)).toBeDefined();
      await minutes(16);
      expect(await pausedMark(account, contract)).toBeUndefined();
    });

    it('paused ones with something under way stay in sight until they go on', async () => {
      const { account, contract } = await fed(2, { status: 'disconnected' });
      await world.move(contract.id, 'pause');
      await minutes(16);
      expect(await pausedMark(account, contract)).toBeDefined();
      await world.move(contract.id, 'start');
      expect(await pausedMark(account, contract)).toBeUndefined();
      await world.move(contract.id, 'pause');
      await world.move(contract.id, 'cancel');
      expect(await pausedMark(account, contract)).toBeUndefined();
    });

    it('are in sight while they run and only then, however moves race', async () => {
      const account = await world.account();
      const contract = await world.contract(account, rowsTo(3), { status: 'PENDING' });
      const moves = ['start', 'pause', 'start', 'retry', 'pause', 'start', 'clear', 'pause'] as const;
      for (let round = 0; round < 6; round++) {
        await Promise.all(
          moves.map((_, i) => {
            const action = moves[(i + round) % moves.length];
            // A move that is not legal at its moment is refused.
            return action === undefined ? undefined : world.move(contract.id, action).catch(() => undefined);
          }),
        );
        const status = (await world.read(contract.id))?.status;
        const running = await world.table.get(keys.running(tenantId, account.id, contract.id));
        expect(running !== undefined).toBe(status === 'IN_PROGRESS');
        expect((await pausedMark(account, contract)) !== undefined).toBe(status === 'PAUSED');
      }
      await world.drain();
      await deleteAccount(world.deps, world.origin(), tenantId, account.id);
      await world.drain();
      expect(await world.read(contract.id)).toMatchObject({ status: 'FAILED' });
    });
  });
});
