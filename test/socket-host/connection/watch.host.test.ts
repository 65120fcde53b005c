import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readConnectionEvents } from '../../../lib/aws/accounts/connection-events.ts';
import { wakeAccount } from '../../../lib/aws/hosts/wake.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { decodeEvents } from '../../../lib/domain/accounts/connection-events.ts';
import { textContent } from '../../../lib/domain/content.ts';
import type { Clock } from '../../../lib/runtime/clock.ts';
import { rowsTo } from '../../factories.ts';
import { fastest } from '../../harness/fastest.ts';
import { type Faults, type Gateway, startGateway, tenantId } from '../../harness/gateway.ts';
import type { PingAnswer } from '../../harness/network.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';

const slow = 'WhatsApp answers slowly: a connection check took longer than 5 seconds.';
const idle = 'Nothing has been sent or received for more than 24 hours.';
const dayMs = 24 * 3_600_000;

async function connected(gateway: Gateway, settings: Partial<Account> = {}): Promise<Account> {
  const account = await gateway.account(settings);
  await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
  return account;
}

async function eventsOf(gateway: Gateway, accountId: string): Promise<[string, number][]> {
  const item = await readConnectionEvents(gateway.deps.table, { tenantId, accountId });
  return item === undefined ? [] : decodeEvents(item.events).map(({ kind, value }) => [kind, value]);
}

describe('a host that checks its connections', () => {
  let gateway: Gateway;
  let clock: Clock;
  const answers = new Map<string, PingAnswer>();
  beforeAll(async () => {
    clock = scaledClock(10);
    gateway = await startGateway(clock);
    gateway.pingWith((account) => answers.get(account) ?? 50);
    await gateway.host();
  });
  afterAll(() => gateway.stop());

  const warningsOf = async (id: string) => (await gateway.readAccount(id))?.warnings;

  it('notices a silent line within 40 s of its last answer, and connects again', async () => {
    const account = await connected(gateway);
    // Ten seconds of this clock are one for the machine, which may be busy.
    const noticedAfterMs = await fastest(45_000, async () => {
      const before = gateway.sessions.get(account.id);
      await until('a check', async () => before !== undefined && before.heard > 0);
      answers.set(account.id, 'silence');
      const silentSinceMs = clock.monotonicMs();
      await until('another session', async () => gateway.sessions.get(account.id) !== before, undefined, 5);
      const afterMs = clock.monotonicMs() - silentSinceMs;
      answers.delete(account.id);
      await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
      return afterMs;
    });
    expect(noticedAfterMs).toBeLessThan(45_000);
    expect(await eventsOf(gateway, account.id)).toContainEqual(['closed', 408]);
  });

  it('does not leave a message in hand waiting for an ack on a silent line', async () => {
    const account = await connected(gateway);
    gateway.answerWith(({ to }) => (to === '79991600001' && answers.has(account.id) ? 'silence' : {}));
    // The ack would be waited for until 20 s after the message.
    const endedAfterMs = await fastest(18_000, async () => {
      const before = gateway.sessions.get(account.id);
      const { pings = 0 } = before ?? {};
      const sent = gateway.wire.length;
      answers.set(account.id, 'silence');
      await until('asked in vain', async () => (before?.pings ?? 0) > pings, undefined, 5);
      const askedAtMs = clock.monotonicMs();
      const contract = await gateway.contract(account, [{ to: '79991600001', content: textContent('In hand') }]);
      await until('on the wire', async () => gateway.wire.length > sent);
      await until('another session', async () => gateway.sessions.get(account.id) !== before, undefined, 5);
      const afterMs = clock.monotonicMs() - askedAtMs;
      answers.delete(account.id);
      await until('sent', async () => (await gateway.messages(contract))[0]?.state === 'SENT');
      return afterMs;
    });
    expect(endedAfterMs).toBeLessThan(18_000);
    gateway.answerWith(() => ({}));
  });

  it('connects again after more than five errors of queries', async () => {
    const account = await connected(gateway);
    const before = gateway.sessions.get(account.id);
    // A good check makes up for one error: the next is 30 s of this clock away.
    await until('a check', async () => before !== undefined && before.heard > 0);
    for (let i = 0; i < 5; i++) before?.listener.onQueryFailed();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(gateway.sessions.get(account.id)).toBe(before);
    before?.listener.onQueryFailed();
    await until('another session', async () => gateway.sessions.get(account.id) !== before);
    await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
  });

  it('warns of slow answers once, and takes the warning back with the connection', async () => {
    const account = await connected(gateway);
    answers.set(account.id, 6_000);
    await until('warned', async () => (await warningsOf(account.id))?.length === 1);
    expect(await warningsOf(account.id)).toEqual([slow]);
    answers.delete(account.id);
    gateway.sessions.get(account.id)?.end({ code: 428, detail: 'test' });
    await until('gone', async () => (await warningsOf(account.id))?.length === 0);
  });

  it('warns of an account without traffic for a day, until something is sent', async () => {
    const longAgo = Date.now() - 2 * dayMs;
    const account = await connected(gateway, { createdAt: longAgo, linkedAt: longAgo });
    await until('warned', async () => (await warningsOf(account.id))?.length === 1);
    expect(await warningsOf(account.id)).toEqual([idle]);
    const contract = await gateway.contract(account, rowsTo(1, 600));
    await until('fed', async () => (await gateway.messages(contract)).length === 1);
    // The feed's clock runs faster than the hosts' beats, so that it takes them for dead and tells nobody.
    await wakeAccount({ ...gateway.deps, nowMs: () => Date.now() }, tenantId, account.id);
    // If the lane's entry is late by two seconds of the machine, this clock says that it has come to others: SQS gives it again after 30 s.
    await until('taken back', async () => (await warningsOf(account.id))?.length === 0);
  });
});

describe('the events of an account', () => {
  let gateway: Gateway;
  afterEach(() => gateway.stop());

  it('say what happened on its connections, across hosts', async () => {
    gateway = await startGateway(scaledClock(3));
    const first = await gateway.host();
    const account = await connected(gateway);
    let refusals = 0;
    gateway.answerWith(({ to }) => (to === '79991000702' && refusals++ === 0 ? { code: 479 } : {}));
    const contract = await gateway.contract(account, rowsTo(2, 700));
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    const { listener } = gateway.sessions.get(account.id) ?? {};
    const [sent] = await gateway.messages(contract);
    const at = (sent?.sentAt ?? 0) + 1_500;
    listener?.onReceipt({ messageId: sent?.id ?? '', kind: 'delivered', at, from: ['79991000701'] });
    await first.stop();
    const before = await eventsOf(gateway, account.id);
    const told = before.filter(([kind]) => kind !== 'check');
    expect(told.map(([kind]) => kind).sort()).toEqual(
      ['delivered', 'error_ack', 'opened', 'released', 'sent', 'sent'].sort(),
    );
    expect(told).toContainEqual(['delivered', 1_500]);
    expect(told).toContainEqual(['error_ack', 479]);
    const second = await gateway.host();
    const again = gateway.sessions.get(account.id);
    await until('another session', async () => gateway.sessions.get(account.id) !== again);
    await until('open', async () => (await gateway.readAccount(account.id))?.status === 'connected');
    await second.stop();
    const after = await eventsOf(gateway, account.id);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.slice(before.length).filter(([kind]) => kind !== 'check')).toEqual([
      ['opened', 0],
      ['released', 0],
    ]);
  });

  it('are read once and not written while nothing is sent', async () => {
    gateway = await startGateway(scaledClock(10));
    const faults: Faults = {};
    let puts = 0;
    faults.before = (command) => {
      if (command === 'PutItem') puts += 1;
    };
    await gateway.host(undefined, faults);
    const account = await connected(gateway);
    const session = gateway.sessions.get(account.id);
    // Its own item is the one thing a host puts.
    await until('two checks', async () => session !== undefined && session.pings >= 2);
    expect(puts).toBe(1);
    expect(await eventsOf(gateway, account.id)).toEqual([]);
  });
});
