import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { retireHost } from '../../../lib/aws/hosts/hosts.ts';
import { orphanAccounts } from '../../../lib/aws/hosts/ownership.ts';
import { finder, keys } from '../../../lib/aws/keys.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { textContent } from '../../../lib/domain/content.ts';
import type { Contract } from '../../../lib/domain/contracts/contract.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { rowsTo } from '../../factories.ts';
import { type Gateway, oneAtATime, startGateway, tenantId } from '../../harness/gateway.ts';
import { until } from '../../harness/until.ts';

describe('messages over which two hosts have died', () => {
  let gateway: Gateway;
  let first: Account;
  let second: Account;
  let contract: Contract;
  const [toFirst, toSecond] = rowsTo(2);

  /** Both accounts have one; the second account is found by nobody yet. */
  beforeEach(async () => {
    gateway = await startGateway(systemClock);
    first = await gateway.account(oneAtATime);
    second = await gateway.account({ ...oneAtATime, phoneNumber: '79990000002' });
    gateway.answerWith(() => 'silence');
    await gateway.contract(first, [toFirst ?? { to: '', content: textContent('') }]);
    contract = await gateway.contract(second, [toSecond ?? { to: '', content: textContent('') }]);
    for (const onWire of [2, 4]) {
      const host = await gateway.host();
      await until('both are on the wire', async () => gateway.wire.length === onWire);
      await retireHost(gateway.deps.table, host.id, Date.now());
      await orphanAccounts(gateway.deps.table, host.id);
    }
    await showSecond(false);
  });
  afterEach(() => gateway.stop());

  const showSecond = (shown: boolean) =>
    gateway.deps.table.update(keys.accountHot(tenantId, second.id), {
      update: shown ? 'SET ix = :ix' : 'REMOVE ix',
      ...(shown ? { values: { ':ix': finder.unowned } } : {}),
    });
  /** A connection of the account other than `before`, which is open. */
  const connected = (id: string, before: unknown) =>
    until('connected', async () => {
      const session = gateway.sessions.get(id);
      return session !== before && (await gateway.readAccount(id))?.status === 'connected' ? session : undefined;
    });

  it('do not wait for one that may not be sent for an hour', async () => {
    await gateway.deps.table.update(keys.account(tenantId, first.id), {
      update: 'SET pacing.gapMs = :hour',
      values: { ':hour': [3_600_000, 3_600_000] },
    });
    gateway.answerWith(() => ({}));
    const before = gateway.sessions.get(first.id);
    await gateway.host();
    await connected(first.id, before);
    await showSecond(true);
    await until('sent', async () => (await gateway.messages(contract))[0]?.state === 'SENT', 6_000);
    expect(gateway.wire.map(({ to }) => to).slice(4)).toEqual([toSecond?.to]);
  });

  it('are sent one after the other, and an account that waits for another suspect is not held by it', async () => {
    await gateway.host();
    await until('the first is on the wire', async () => gateway.wire.length === 5);
    const before = gateway.sessions.get(second.id);
    await showSecond(true);
    const waiting = await connected(second.id, before);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(gateway.wire).toHaveLength(5);
    waiting.end({ code: 428, detail: 'the connection was lost' });
    await connected(second.id, waiting);
    gateway.answerWith(() => ({}));
    // Lets the next suspect go.
    gateway.sessions.get(first.id)?.end({ code: 428, detail: 'the connection was lost' });
    await until('sent', async () => (await gateway.messages(contract))[0]?.state === 'SENT', 6_000);
  });
});
