import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAccount } from '../../lib/aws/accounts/accounts.ts';
import { type Clients, createClients } from '../../lib/aws/client/clients.ts';
import type { Item } from '../../lib/aws/client/table.ts';
import { createContract, readContract } from '../../lib/aws/contracts/contracts.ts';
import { putPages } from '../../lib/aws/contracts/pages.ts';
import { keys } from '../../lib/aws/keys.ts';
import { toMessage } from '../../lib/aws/messages/messages.ts';
import type { Origin } from '../../lib/aws/tenants/audit.ts';
import { ensureTenant } from '../../lib/aws/tenants/tenants.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';
import type { Contract } from '../../lib/domain/contracts/contract.ts';
import type { PageRow } from '../../lib/domain/contracts/pages.ts';
import { rowMessageId } from '../../lib/domain/contracts/row-message.ts';
import type { Message } from '../../lib/domain/messages/message.ts';
import { type Clock, systemClock } from '../../lib/runtime/clock.ts';
import { hostConfig } from '../../lib/runtime/config.ts';
import { type RunningHost, startHost } from '../../socket-host/host/host.ts';
import { newAccount, newContract } from '../factories.ts';
import { startEmulators } from './emulators.ts';
import { pumpFeed } from './feed-pump.ts';
import { fakeNetwork } from './network.ts';

export const tenantId = 'ten_00000000000000000000000001';
const quiet = {
  debug() {},
  info() {},
  warn() {},
  /** Unexpected errors of a host explain a failing test. */
  error(fields: object, text: string) {
    console.error(text, fields);
  },
};

/** Faults of a host's calls to AWS, which a test may change at any time. They throw before the call, or after it succeeded. */
export interface Faults {
  before?: ((command: string) => void | Promise<void>) | undefined;
  after?: ((command: string) => void | Promise<void>) | undefined;
}

function injectFaults(clients: Clients, faults: Faults): void {
  const place = { step: 'initialize', priority: 'high', name: 'faults' } as const;
  const around =
    <Args, Result>(next: (args: Args) => Promise<Result>, context: { commandName?: string }) =>
    async (args: Args): Promise<Result> => {
      const command = context.commandName?.replace(/Command$/, '') ?? '';
      await faults.before?.(command);
      const result = await next(args);
      await faults.after?.(command);
      return result;
    };
  clients.dynamodb.middlewareStack.add(around, place);
  clients.sqs.middlewareStack.add(around, place);
  clients.s3.middlewareStack.add(around, place);
}

/**
 * Starts everything between the API and the phone in this process: emulators, feed, hosts and a network in memory. Hosts judge each other's leases by
 * `fleetClock`: on a clock that runs fast, a lease would end whenever the machine is busy.
 */
export async function startGateway(clock: Clock, fleetClock: Clock = systemClock) {
  const emulators = await startEmulators();
  const { deps } = emulators;
  // The feed uses the same clock as the host.
  deps.nowMs = () => clock.nowMs();
  await ensureTenant(deps, tenantId, { name: 'Test' });
  const network = fakeNetwork(clock);
  const pump = pumpFeed(emulators);
  const dir = await mkdtemp(join(tmpdir(), 'paceline-host-'));
  const hosts: RunningHost[] = [];
  const origin = (): Origin => ({ tenantId, keyId: 'key_test', ip: '-', requestId: '-', at: Date.now() });

  return {
    ...network,
    emulators,
    deps,
    async host(onFenced: (why: string) => void = () => {}, faults: Faults = {}): Promise<RunningHost> {
      const clients = createClients();
      injectFaults(clients, faults);
      const host = await startHost({
        config: hostConfig({ ...emulators.env, HOST_DATA_DIR: dir, DRAIN_SEC: '2' }),
        clients,
        clock,
        fleetClock,
        logger: quiet,
        random: Math.random,
        transports: network.transports,
        onFenced,
      });
      hosts.push(host);
      return host;
    },
    /** Creates an account that was linked 100 days ago. */
    async account(settings: Partial<Account> = {}): Promise<Account> {
      const nowMs = Date.now();
      const { account } = await createAccount(
        deps,
        origin(),
        newAccount(nowMs, {
          tenantId,
          linkedAt: nowMs - 100 * 24 * 3_600_000,
          pacedSince: nowMs - 100 * 24 * 3_600_000,
          pacedFor: '79990000001',
          ...settings,
        }),
        null,
      );
      return account;
    },
    async contract(account: Account, rows: PageRow[], settings: Partial<Contract> = {}): Promise<Contract> {
      const contract = newContract(account, { totalCount: rows.length });
      const pages = await putPages(deps.pages, { tenantId, contractId: contract.id, rowSet: 'b' }, rows);
      return await createContract(deps, origin(), { ...contract, pages, ...settings });
    },
    origin,
    readAccount: (id: string) => deps.table.get<Account>(keys.account(tenantId, id)),
    readHot: (id: string) => deps.table.get<AccountHot>(keys.accountHot(tenantId, id)),
    readContract: (id: string) => readContract(deps.table, tenantId, id),
    async messages(contract: Contract): Promise<Message[]> {
      const ids = Array.from({ length: contract.totalCount }, (_, row) => rowMessageId(contract, row));
      const items = await deps.table.getMany<Item>(ids.map((id) => keys.message(tenantId, id)));
      return items.flatMap((item) => (item === undefined ? [] : [toMessage(item)]));
    },
    async stop(): Promise<void> {
      for (const host of hosts) await host.stop();
      await pump.stop();
      await emulators.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export type Gateway = Awaited<ReturnType<typeof startGateway>>;

/** Settings of an account that is paced without waits, with a rest of 0 ms after each message: its host takes one entry at a time from the lane. */
export const oneAtATime: Partial<Account> = {
  useLimits: true,
  pacing: { perMinute: null, gapMs: [0, 0], restEvery: 1, restMs: [0, 0], delayMs: [0, 0] },
};
