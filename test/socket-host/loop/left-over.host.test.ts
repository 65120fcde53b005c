import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { putHost } from '../../../lib/aws/hosts/hosts.ts';
import { claimAccount, releaseAccount } from '../../../lib/aws/hosts/ownership.ts';
import { keys } from '../../../lib/aws/keys.ts';
import { claim } from '../../../lib/aws/messages/claims.ts';
import { planSuppression } from '../../../lib/aws/people/suppressions.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { storedInHand } from '../../../lib/domain/accounts/in-hand.ts';
import type { Contract } from '../../../lib/domain/contracts/contract.ts';
import { newHost, numberOf, rowsTo } from '../../factories.ts';
import { type Gateway, startGateway, tenantId } from '../../harness/gateway.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';

let gateway: Gateway;
beforeEach(async () => {
  gateway = await startGateway(scaledClock(5));
});
afterEach(() => gateway.stop());

/** Three rows in the lane; an owner that sends in parallel has claimed the first two and given the account up. */
async function twoInHand(): Promise<{ account: Account; contract: Contract; ids: string[] }> {
  const { table } = gateway.deps;
  const account = await gateway.account();
  const contract = await gateway.contract(account, rowsTo(3));
  const messages = await until('fed', async () => {
    const fed = await gateway.messages(contract);
    return fed.length === 3 && fed.every(({ state }) => state === 'QUEUED') ? fed : undefined;
  });
  const hostId = 'hst_00000000000000000000000009';
  const nowMs = Date.now();
  await putHost(table, newHost(hostId, { beatAt: nowMs, room: 1 }));
  const seen = await gateway.readHot(account.id);
  const hot = seen === undefined ? undefined : await claimAccount(table, seen, hostId);
  if (hot === undefined) throw new Error('not claimed');
  const two = messages.slice(0, 2);
  const named = two.map(({ id, contractId }) => ({ messageId: id, contractId, nonce: 'n' }));
  const inHand = storedInHand(named, () => 'all');
  if (inHand === undefined) throw new Error('nothing in hand');
  const claimed = await claim(table, {
    messages: two.map((message) => ({ message, crashes: 0 })),
    ...{ host: hostId, epoch: hot.epoch, nonce: 'n', pace: hot.pace, replaces: undefined, inHand, stops: 0, nowMs },
    totals: { messages: 0, errors: 0 },
  });
  expect(claimed.kind).toBe('claimed');
  const hold = { tenantId, accountId: account.id, hostId, epoch: hot.epoch };
  await releaseAccount(table, hold, { wanted: true, asked: account.asked, open: true });
  await table.delete(keys.host(hostId));
  return { account, contract, ids: messages.map(({ id }) => id) };
}
const completed = (contract: Contract) =>
  until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED', 30_000);

describe('a host that holds one message and inherits two', () => {
  it('sends both again, one after the other, and goes on', async () => {
    const { account, contract, ids } = await twoInHand();
    await gateway.host();
    await completed(contract);
    expect(gateway.wire.map(({ id }) => id)).toEqual(ids);
    expect((await gateway.messages(contract)).map(({ state }) => state)).toEqual(['SENT', 'SENT', 'SENT']);
    await until('totals', async () => {
      const hot = await gateway.readHot(account.id);
      return hot?.messageCount === 3 && hot.inHand === undefined;
    });
  });

  it('ends the one whose recipient has opted out since, and sends the other', async () => {
    const { contract, ids } = await twoInHand();
    const phoneNumber = numberOf(0);
    const person = { tenantId, phoneNumber, reason: 'x', source: 'inbound' as const, at: Date.now() };
    await gateway.deps.table.transact({ writes: (await planSuppression(gateway.deps.table, person)).writes });
    await gateway.host();
    await completed(contract);
    expect(gateway.wire.map(({ id }) => id)).toEqual(ids.slice(1));
    const messages = await gateway.messages(contract);
    expect(messages.map(({ state }) => state)).toEqual(['FAILED', 'SENT', 'SENT']);
    expect(messages[0]?.error?.code).toBe('OUTCOME_UNKNOWN');
  });
});
