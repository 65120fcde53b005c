import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAccount, setDesired } from '../../../lib/aws/accounts/accounts.ts';
import { retireHost } from '../../../lib/aws/hosts/hosts.ts';
import { orphanAccounts } from '../../../lib/aws/hosts/ownership.ts';
import { wakeAccount } from '../../../lib/aws/hosts/wake.ts';
import { keys } from '../../../lib/aws/keys.ts';
import { planSuppression } from '../../../lib/aws/people/suppressions.ts';
import { textContent } from '../../../lib/domain/content.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { rowsTo } from '../../factories.ts';
import { type Gateway, oneAtATime, startGateway, tenantId } from '../../harness/gateway.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';

describe('a host that lost an account with a message in hand', () => {
  let gateway: Gateway;
  let fenced: string[];
  beforeEach(async () => {
    fenced = [];
    gateway = await startGateway(systemClock);
  });
  afterEach(() => gateway.stop());

  /** A first host whose message is on the wire and never acked; then everybody believes that host dead. */
  async function stuckThenLost() {
    const host = await gateway.host((why) => fenced.push(why));
    const account = await gateway.account(oneAtATime);
    gateway.answerWith(() => 'silence');
    const contract = await gateway.contract(account, rowsTo(3));
    await until('one on the wire', async () => gateway.wire.length === 1);
    await retireHost(gateway.deps.table, host.id, Date.now());
    await orphanAccounts(gateway.deps.table, host.id);
    gateway.answerWith(() => ({}));
    return { account, contract };
  }

  it('is taken over by another, which sends the same id and text again', async () => {
    const { contract } = await stuckThenLost();
    await gateway.host();
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    const [first] = await gateway.messages(contract);
    expect(gateway.wire.map(({ id, text }) => ({ id, text })).slice(0, 2)).toEqual([
      { id: first?.id, text: 'Text 0' },
      { id: first?.id, text: 'Text 0' },
    ]);
    expect(gateway.wire).toHaveLength(4);
    expect((await gateway.messages(contract)).map(({ state, attempts }) => [state, attempts])).toEqual([
      ['SENT', 1],
      ['SENT', 1],
      ['SENT', 1],
    ]);
  });

  it('does not send again what a waiting receipt has resolved', async () => {
    const { account, contract } = await stuckThenLost();
    const [first] = await gateway.messages(contract);
    gateway.whenOpening((session) => {
      const { id = '', to = '' } = first ?? {};
      session.listener.onReceipt({ messageId: id, kind: 'delivered', at: 1_800_000_000_000, from: [to] });
    });
    await gateway.host();
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    expect(gateway.wire).toHaveLength(3);
    expect((await gateway.messages(contract))[0]).toMatchObject({
      state: 'DELIVERED',
      attempts: 1,
      sentAt: 1_800_000_000_000,
      deliveredAt: 1_800_000_000_000,
    });
    await until('totals', async () => (await gateway.readHot(account.id))?.messageCount === 3);
  });

  it('does not send again to somebody who has opted out by LID since', async () => {
    const { contract } = await stuckThenLost();
    const [first] = await gateway.messages(contract);
    const { writes } = await planSuppression(gateway.deps.table, {
      tenantId,
      lid: '555000070',
      reason: 'x',
      source: 'inbound',
      at: Date.now(),
    });
    await gateway.deps.table.transact({ writes });
    gateway.lids.set(first?.to ?? '', '555000070');
    await gateway.host();
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    expect((await gateway.messages(contract)).map(({ state, error }) => [state, error?.code])).toEqual([
      ['FAILED', 'OUTCOME_UNKNOWN'],
      ['SENT', undefined],
      ['SENT', undefined],
    ]);
    expect(gateway.wire.filter(({ id }) => id === first?.id)).toHaveLength(1);
  });

  it('ends, and writes nothing over the new owner', async () => {
    const { account } = await stuckThenLost();
    await until('fenced', async () => fenced.length > 0);
    expect(fenced).toEqual(['this host was retired as dead']);
    const epoch = (await gateway.readHot(account.id))?.epoch;
    await gateway.host();
    await until('a new owner', async () => ((await gateway.readHot(account.id))?.epoch ?? 0) > (epoch ?? 0));
    expect((await gateway.readHot(account.id))?.owner).toMatch(/^hst_/);
  });
});

describe('messages whose outcome can no longer be learned', () => {
  it('end FAILED with OUTCOME_UNKNOWN after 24 hours and are never sent again', async () => {
    const gateway = await startGateway(systemClock);
    try {
      const host = await gateway.host();
      const account = await gateway.account(oneAtATime);
      gateway.answerWith(() => 'silence');
      const contract = await gateway.contract(account, rowsTo(1));
      await until('one on the wire', async () => gateway.wire.length === 1);
      await retireHost(gateway.deps.table, host.id, Date.now());
      await orphanAccounts(gateway.deps.table, host.id);
      const [message] = await gateway.messages(contract);
      await gateway.deps.table.update(keys.message(account.tenantId, message?.id ?? ''), {
        update: 'SET claim.since = :then',
        values: { ':then': Date.now() - 25 * 3_600_000 },
      });
      gateway.answerWith(() => ({}));
      await gateway.host();
      await until('failed', async () => (await gateway.readContract(contract.id))?.status === 'FAILED');
      expect((await gateway.messages(contract))[0]).toMatchObject({
        state: 'FAILED',
        error: { code: 'OUTCOME_UNKNOWN' },
      });
      expect(gateway.wire).toHaveLength(1);
    } finally {
      await gateway.stop();
    }
  });
});

describe('a message in hand that waits for tomorrow because the day is used up', () => {
  it('goes out as soon as the tenant lifts the cap', async () => {
    const gateway = await startGateway(systemClock);
    try {
      await gateway.host();
      const pacing = { ...oneAtATime.pacing, restEvery: null, dayCap: 1 };
      const account = await gateway.account({ ...oneAtATime, pacing });
      gateway.answerWith(() => 'silence');
      const contract = await gateway.contract(account, rowsTo(1));
      await until('on the wire', async () => gateway.wire.length === 1);
      gateway.answerWith(() => ({}));
      const before = gateway.sessions.get(account.id);
      before?.end({ code: 428, detail: 'the connection was lost' });
      await until('a new session', async () => gateway.sessions.get(account.id) !== before);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(gateway.wire).toHaveLength(1);
      await gateway.deps.table.update(keys.account(tenantId, account.id), {
        update: 'SET pacing = :p',
        values: { ':p': { ...pacing, dayCap: null } },
      });
      await wakeAccount(gateway.deps, tenantId, account.id);
      await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
      expect(gateway.wire).toHaveLength(2);
      expect(new Set(gateway.wire.map(({ id }) => id)).size).toBe(1);
    } finally {
      await gateway.stop();
    }
  });
});

describe('a host that is told to stop', () => {
  it('gives back what it had taken from the lane, so that the next one goes on at once', async () => {
    const gateway = await startGateway(systemClock);
    try {
      const first = await gateway.host();
      const account = await gateway.account();
      const contract = await gateway.contract(account, rowsTo(100));
      await until('some are sent', async () => gateway.wire.length > 10);
      await first.stop();
      expect(gateway.wire.length).toBeLessThan(100);
      const startedAt = Date.now();
      await gateway.host();
      await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
      expect(Date.now() - startedAt).toBeLessThan(10_000);
      expect(gateway.wire).toHaveLength(100);
    } finally {
      await gateway.stop();
    }
  });
});

describe('an account that is given up with a message in hand', () => {
  it('gives back its lane entry too, so that the next message to that recipient need not wait for it', async () => {
    const gateway = await startGateway(scaledClock(5));
    try {
      await gateway.host();
      const account = await gateway.account(oneAtATime);
      gateway.answerWith(() => 'silence');
      const [row] = rowsTo(1);
      const rows = ['first', 'second'].map((text) => ({ to: row?.to ?? '', content: textContent(text) }));
      const contract = await gateway.contract(account, rows);
      await until('one on the wire', async () => gateway.wire.length === 1);
      gateway.answerWith(() => ({}));
      for (const desired of ['disconnected', 'connected'] as const) {
        const pair = await readAccount(gateway.deps.table, tenantId, account.id);
        if (pair === undefined) throw new Error('no such account');
        await setDesired(gateway.deps, gateway.origin(), pair, desired);
        await until(desired, async () => (await gateway.readAccount(account.id))?.status === desired);
      }
      await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED', 15_000);
      expect(gateway.wire.map(({ text }) => text)).toEqual(['first', 'first', 'second']);
    } finally {
      await gateway.stop();
    }
  });
});
