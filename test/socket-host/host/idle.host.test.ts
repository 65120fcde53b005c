import { expect, it } from 'vitest';
import { type Faults, startGateway } from '../../harness/gateway.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';

it('makes no AWS call for an idle account: what a host does while all is quiet does not depend on how many it holds', async () => {
  const gateway = await startGateway(scaledClock(20));
  try {
    const calls = new Map<string, number>();
    const faults: Faults = {};
    await gateway.host(undefined, faults);
    const accounts = await Promise.all(Array.from({ length: 30 }, () => gateway.account()));
    await until('all connected', async () => {
      const all = await Promise.all(accounts.map(({ id }) => gateway.readAccount(id)));
      return all.every((account) => account?.status === 'connected');
    });
    // What the connects left to be done, the feed's answer included.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    faults.before = (command) => {
      calls.set(command, (calls.get(command) ?? 0) + 1);
    };
    // A minute and a half for the accounts, four and a half seconds for the host.
    await new Promise((resolve) => setTimeout(resolve, 4_500));
    faults.before = undefined;
    // Heartbeats, looks for accounts without an owner, and the host's own wake queue.
    expect([...calls.keys()].sort()).toEqual(['Query', 'UpdateItem']);
    expect(calls.get('UpdateItem')).toBeLessThanOrEqual(3);
    expect(calls.get('Query')).toBeLessThanOrEqual(8);
  } finally {
    await gateway.stop();
  }
});
