import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createClients, destroyClients } from '../../../lib/aws/client/clients.ts';
import { putHost } from '../../../lib/aws/hosts/hosts.ts';
import { claimAccount } from '../../../lib/aws/hosts/ownership.ts';
import { keys } from '../../../lib/aws/keys.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { hostConfig } from '../../../lib/runtime/config.ts';
import { AccountRunner } from '../../../socket-host/account/account.ts';
import { hostDeps } from '../../../socket-host/host/host-deps.ts';
import { createMetrics } from '../../../socket-host/metrics.ts';
import { newHost } from '../../factories.ts';
import { gate } from '../../feed/feed-world.ts';
import { type Gateway, startGateway, tenantId } from '../../harness/gateway.ts';
import { silentLogger } from '../../harness/silent-logger.ts';
import { until } from '../../harness/until.ts';

let gateway: Gateway;
let dir: string;
beforeEach(async () => {
  gateway = await startGateway(systemClock);
  dir = await mkdtemp(join(tmpdir(), 'paceline-account-'));
});
afterEach(async () => {
  await gateway.stop();
  await rm(dir, { recursive: true, force: true });
});

it('an account that is fenced while its connection is being closed stays gone', async () => {
  const { table } = gateway.deps;
  const hostId = 'hst_00000000000000000000000009';
  await putHost(table, newHost(hostId, { room: 1 }));
  const account = await gateway.account();
  const seen = await gateway.readHot(account.id);
  const hot = seen === undefined ? undefined : await claimAccount(table, seen, hostId);
  if (hot === undefined) throw new Error('not claimed');
  const config = hostConfig({ ...gateway.emulators.env, HOST_DATA_DIR: dir });
  const clients = createClients();
  const outside = { config, clients, clock: systemClock, logger: silentLogger, random: Math.random };
  const failures: unknown[] = [];
  const deps = {
    ...hostDeps(outside, hostId, createMetrics()),
    failed: (where: string, error: unknown) => failures.push([where, error]),
  };
  const transports = gateway.transports(deps);
  const released: boolean[] = [];
  const runner = new AccountRunner(
    deps,
    {
      transports,
      renewClient: async () => {},
      connectSlot: async () => {},
      checks: { add() {}, delete() {} },
      gone: (_runner, isReleased) => released.push(isReleased),
    },
    account,
    hot,
  );
  runner.look();
  await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
  const session = gateway.sessions.get(account.id);
  if (session === undefined) throw new Error('no connection');
  const closing = gate();
  session.close = () => closing.pass();
  await table.update(keys.account(tenantId, account.id), {
    update: 'SET desired = :no',
    values: { ':no': 'disconnected' },
  });
  runner.look();
  await closing.reached;
  runner.fence('a newer claim stands');
  expect([runner.isGone(), released]).toEqual([true, [false]]);
  closing.open();
  // Handled behind the task that closes.
  await runner.stop();
  expect([runner.isGone(), released]).toEqual([true, [false]]);
  expect(failures).toEqual([]);
  transports.close();
  destroyClients(clients);
});
