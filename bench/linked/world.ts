import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deps } from '../../lib/aws/deps.ts';
import type { Ports } from '../../local/data-folder.ts';
import type { Endpoints } from '../../local/process/environment.ts';
import { startWorld, type World } from '../../test/harness/local-stack.ts';
import { readMetric } from '../host-metrics.ts';
import { environmentOf } from '../process-use.ts';
import { type AccountSettings, directDeps, type LinkedAccount, storeAccounts } from './accounts.ts';
import { type LinkedDevice, linkDevices } from './devices.ts';
import { type HostProcess, startHostProcess } from './host-process.ts';

export interface LinkedWorldOptions {
  /** Numbers of accounts, linked already. */
  accounts: string[];
  /** Numbers of devices that are linked at WhatsApp and unknown to the product: for bare Baileys. */
  bare?: string[];
  /** Numbers of phones that receive and answer nothing. */
  silent?: string[];
  /** Numbers of phones that confirm that a message has arrived and was read. */
  reading?: string[];
  /** Of the n-th account. */
  settings?: (index: number) => AccountSettings;
  /** More environment for functions and hosts. */
  env?: (dataDir: string) => Record<string, string>;
}

/** The local stack with linked accounts and no host but those the benchmark starts itself. */
export interface LinkedWorld {
  world: World;
  dataDir: string;
  accounts: LinkedAccount[];
  bare: LinkedDevice[];
  deps: Deps;
  /** Environment of a host, WhatsApp's address included. */
  hostEnv: Record<string, string>;
  /** Those started here, ended ones included. */
  hosts: HostProcess[];
  startHost(options?: { env?: Record<string, string>; nodeOptions?: string[] }): Promise<HostProcess>;
  /** Ends hosts and stack, and removes the data. */
  stop(): Promise<void>;
}

export async function startLinkedWorld(options: LinkedWorldOptions): Promise<LinkedWorld> {
  const dataDir = mkdtempSync(join(tmpdir(), 'paceline-bench-'));
  let world: World | undefined;
  try {
    const numbers = [...options.accounts, ...(options.bare ?? [])];
    const devices = linkDevices(join(dataDir, 'simulator'), numbers, options);
    const env = options.env?.(dataDir);
    world = await startWorld({ dataDir, hosts: 0, quiet: true, ...(env === undefined ? {} : { env }) });
    return await fill(world, dataDir, devices, options);
  } catch (error) {
    await world?.stop();
    rmSync(dataDir, { recursive: true, force: true });
    throw error;
  }
}

async function fill(
  world: World,
  dataDir: string,
  devices: LinkedDevice[],
  options: LinkedWorldOptions,
): Promise<LinkedWorld> {
  const { NODE_OPTIONS: _options, ...inherited } = environmentOf(world.stack.functions[0]?.pid ?? 0);
  const { whatsappUrl = '', rootKeyHex = '' } = await world.simulator<Record<string, string>>('GET', '/root-key');
  const hostEnv: Record<string, string> = {
    ...Object.fromEntries(Object.entries(inherited).filter(([name]) => !name.startsWith('AWS_LAMBDA_'))),
    WHATSAPP_URL: whatsappUrl,
    WHATSAPP_ROOT_KEY: rootKeyHex,
  };
  const { deps, end } = directDeps(hostEnv, emulatorsOf(dataDir));
  const accounts = await storeAccounts(
    deps,
    devices.slice(0, options.accounts.length),
    options.settings ?? (() => ({})),
  );
  const hosts: HostProcess[] = [];
  let started = 0;
  return {
    world,
    dataDir,
    accounts,
    bare: devices.slice(options.accounts.length),
    deps,
    hostEnv,
    hosts,
    async startHost({ env = {}, nodeOptions: more = [] } = {}) {
      started += 1;
      const folder = join(dataDir, 'bench-hosts', String(started));
      const host = await startHostProcess({ folder, env: { ...hostEnv, ...env }, nodeOptions: more });
      hosts.push(host);
      return host;
    },
    async stop() {
      // Published to end, a host would wait for another one to take its accounts.
      for (const host of hosts) host.kill('SIGKILL');
      await Promise.all(hosts.map((host) => host.stop()));
      end();
      await world.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The emulators themselves, whatever the stack was configured to use instead. */
export function emulatorsOf(dataDir: string): Endpoints {
  const ports: Ports = JSON.parse(readFileSync(join(dataDir, 'ports.json'), 'utf8'));
  const address = (port: number | undefined): string => `http://127.0.0.1:${port}`;
  return { dynamodb: address(ports.dynamodb), sqs: address(ports.sqs), s3: address(ports.s3) };
}

/**
 * Waits until so many accounts are logged in at WhatsApp and the hosts say that they are connected; answers the seconds it took. The hosts
 * are asked last, because that costs them. Rejects after `withinMs`.
 */
export async function whenConnected(
  { world }: LinkedWorld,
  hosts: HostProcess[],
  count: number,
  withinMs: number,
): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    const { connections } = await world.totals();
    const connected = connections < count ? [] : await Promise.all(hosts.map(connectedAt));
    if (connected.reduce((sum, one) => sum + one, 0) >= count) return (performance.now() - startMs) / 1000;
    if (performance.now() - startMs > withinMs)
      throw new Error(`Only ${connections} of ${count} accounts are connected.`);
    await sleep(250);
  }
}

export async function connectedAt(host: HostProcess): Promise<number> {
  return await readMetric(host.metricsUrl, /^paceline_accounts\{status="connected"\} (\S+)/m);
}
