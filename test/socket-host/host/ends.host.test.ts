import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { listHosts, retireHost } from '../../../lib/aws/hosts/hosts.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { rowsTo } from '../../factories.ts';
import { type Faults, type Gateway, oneAtATime, startGateway } from '../../harness/gateway.ts';
import { until } from '../../harness/until.ts';

let gateway: Gateway | undefined;
let hanging: PromiseWithResolvers<void>;
beforeEach(() => {
  hanging = Promise.withResolvers();
});
afterEach(async () => {
  hanging.resolve();
  await gateway?.stop();
});

it('a host whose drain takes too long marks what it has in hand before others may call it dead', async () => {
  const faults: Faults = {};
  gateway = await startGateway(systemClock);
  const { deps, readHot, wire } = gateway;
  const host = await gateway.host(undefined, faults);
  const account = await gateway.account(oneAtATime);
  gateway.answerWith(() => 'silence');
  await gateway.contract(account, rowsTo(1));
  await until('on the wire', async () => wire.length === 1);
  const seen: [retired: boolean, released: boolean][] = [];
  faults.before = async (command) => {
    // Neither outcome nor release gets through.
    if (command === 'TransactWriteItems') await hanging.promise;
  };
  faults.after = async () => {
    const [hosts, hot] = await Promise.all([listHosts(deps.table), readHot(account.id)]);
    const retired = hosts.some(({ id, retired }) => id === host.id && retired === true);
    seen.push([retired, hot?.inHand?.released === true]);
  };
  await host.stop();
  expect(seen).toContainEqual([false, true]);
  expect(seen).toContainEqual([true, true]);
  expect(seen).not.toContainEqual([true, false]);
  expect((await readHot(account.id))?.owner).toBeUndefined();
});

it('a host that others retire just before it drains reports that its heartbeat was refused', async () => {
  const faults: Faults = {};
  gateway = await startGateway(systemClock);
  const { table } = gateway.deps;
  const host = await gateway.host(undefined, faults);
  const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
  let retired: Promise<void> | undefined;
  const stopped = host.stop();
  faults.before = async (command) => {
    if (command !== 'UpdateItem') return;
    retired ??= retireHost(table, host.id, Date.now());
    await retired;
  };
  await stopped;
  const errors = reported.mock.calls.map(([, fields]) => fields as { where: string; error: string });
  reported.mockRestore();
  const drain = errors.filter(({ where }) => where === 'drain').map(({ error }) => error.split('     at ')[0]?.trim());
  expect(drain).toEqual(['Error: this host was retired as dead']);
});
