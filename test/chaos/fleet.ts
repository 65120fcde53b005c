import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel, type Table } from '../../lib/aws/client/table.ts';
import { findAccounts } from '../../lib/aws/hosts/ownership.ts';
import { keys } from '../../lib/aws/keys.ts';
import type { AccountHot } from '../../lib/domain/accounts/account.ts';
import type { PacingPolicy } from '../../lib/domain/accounts/pacing.ts';
import type { Endpoints } from '../../local/process/environment.ts';
import type { LocalOptions } from '../../local/stack.ts';
import type { AccountWire, SentStanza } from '../../simulator/wire-log.ts';
import { type FaultProxies, startFaultProxies } from '../harness/fault-proxy.ts';
import { numbers, startWorld, type World } from '../harness/local-stack.ts';
import { productTable } from '../harness/product-table.ts';
import { chaosPaces } from './paces.ts';
import { patientApi } from './patient-api.ts';

export interface FleetAccount {
  id: string;
  number: string;
  /** Undefined: no limits. */
  pace: PacingPolicy | undefined;
}

/** The whole product with all its calls to AWS going through fault proxies, linked accounts, and phones to write to. */
export interface Fleet {
  world: World;
  proxies: FaultProxies;
  accounts: FleetAccount[];
  /** Numbers of the recipients' phones: some read, some only deliver, some do neither. */
  phones: string[];
  /** Numbers of people whom no order is for. */
  strangers: string[];
  /** The report of one of `phones` on a message that it gets: the furthest state of a message to it. */
  furthest(phone: string): 'SENT' | 'DELIVERED' | 'READ';
  /** The API, asked again while things break. */
  ask<T>(method: string, path: string, body?: unknown): Promise<T>;
  askText(method: string, path: string): Promise<string>;
  /** The table, past the proxies. */
  table: Table;
  ownedBy(hostId: string): Promise<FleetAccount[]>;
  /** What changes with each send, by account id. */
  hots(): Promise<Map<string, AccountHot>>;
  /** What an account put on the wire, repeats of an id included, oldest first. */
  wire(account: FleetAccount): Promise<SentStanza[]>;
  /** Lets accounts go on whose day's cap is used up, or is not within a while, which would take a day. */
  liftDayCaps(): Promise<void>;
  /** Of each account whose cap was lifted, what it had put on the wire until then. */
  readonly sentWhileCapped: ReadonlyMap<FleetAccount, number>;
  /** Numbers of the accounts WhatsApp sees connected. */
  connected(): Promise<Set<string>>;
  /** `keep`: the data folder with all logs stays. */
  stop(options?: { keep: boolean }): Promise<void>;
}

export interface FleetOptions {
  hosts: number;
  accounts: number;
  /** So many of them keep one of `chaosPaces`, in turn; the others have no limits. */
  paced: number;
  phones: number;
  say(line: string): void;
  more?: Partial<LocalOptions>;
}

/** Phones that report nothing make the host find out for itself what became of a message. */
const behaviours = [
  { behaviour: {}, furthest: 'READ' },
  { behaviour: { read: false }, furthest: 'DELIVERED' },
  { behaviour: { deliver: false }, furthest: 'SENT' },
] as const;
const strangerCount = 5;
/** Accounts linked side by side. */
const linkWidth = 6;
/** Longer than a death or a withheld ack keeps an account from sending. */
const capUsedWithinMs = 30_000;
const everyMs = 250;
/** Four times as long as a call that died keeps its Idempotency-Key. */
const patienceMs = 240_000;

export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const proxies = await startFaultProxies();
  let endpoints: Endpoints | undefined;
  let world: World;
  try {
    world = await startWorld({
      hosts: options.hosts,
      quiet: true,
      env: { ...proxies.env, LOG_LEVEL: 'info' },
      onEndpoints(found) {
        endpoints = found;
        proxies.setTargets(found);
      },
      ...options.more,
    });
  } catch (error) {
    await proxies.close();
    throw error;
  }
  if (endpoints === undefined) throw new Error('The stack has not said where its emulators are.');
  const { table, close } = await productTable(endpoints);
  options.say(`the stack is up, ${options.hosts} hosts`);

  const phones = numbers(options.phones);
  const strangers = Array.from({ length: strangerCount }, (_, at) => `1213556${String(1000 + at)}`);
  const behaviourOf = (at: number) => behaviours[at % behaviours.length] ?? behaviours[0];
  const furthest = new Map(phones.map((number, at) => [number, behaviourOf(at).furthest]));
  const phoneOrders = [
    ...phones.map((number, at) => ({ number, behaviour: behaviourOf(at).behaviour })),
    ...strangers.map((number) => ({ number, behaviour: {} })),
  ];
  await inParallel(linkWidth, phoneOrders, async (phone) => void (await world.simulator('POST', '/phones', phone)));
  const accounts: FleetAccount[] = [];
  const wanted = Array.from({ length: options.accounts }, (_, at) => at);
  await inParallel(linkWidth, wanted, async (at) => {
    const number = `1213555${String(100 + at).padStart(4, '0')}`;
    const pace = at < options.paced ? chaosPaces[at % chaosPaces.length] : undefined;
    const id = await world.linked(number, pace === undefined ? { useLimits: false } : { pacing: pace });
    accounts[at] = { id, number, pace };
  });
  options.say(`${accounts.length} accounts are linked`);

  const askText = patientApi(world.stack.apiUrl, world.stack.apiKey, patienceMs);
  const tenantId = await tenantOf(table);
  const byId = new Map(accounts.map((account) => [account.id, account]));
  const ask = async <T>(method: string, path: string, body?: unknown) => {
    const text = await askText(method, path, body);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
  const sentWhileCapped = new Map<FleetAccount, number>();
  const wire = async ({ number }: FleetAccount) => {
    const { stanzas, forgotten } = await world.simulator<AccountWire>('GET', `/accounts/${number}/wire`);
    if (forgotten > 0) throw new Error(`The simulator has forgotten ${forgotten} stanzas.`);
    // What a client writes to its own phone is no message to anyone.
    return stanzas.filter(({ to }) => to !== number);
  };
  return {
    world,
    proxies,
    accounts,
    phones,
    strangers,
    furthest: (phone) => furthest.get(phone) ?? 'READ',
    table,
    askText,
    ask,
    wire,
    sentWhileCapped,
    async liftDayCaps() {
      for (const account of accounts) {
        if (account.pace === undefined || account.pace.dayCap === null) continue;
        const untilMs = performance.now() + capUsedWithinMs;
        const { dayCap } = account.pace;
        while ((await wire(account)).length < dayCap && performance.now() < untilMs) await sleep(everyMs);
        // One more would come within this time.
        await sleep(4 * account.pace.gapMs[1]);
        sentWhileCapped.set(account, (await wire(account)).length);
        await ask('PATCH', `/v1/accounts/${account.id}`, { pacing: { ...account.pace, dayCap: null } });
      }
    },
    async ownedBy(hostId) {
      const refs = await findAccounts(table, `host#${hostId}`);
      return refs.flatMap(({ accountId }) => byId.get(accountId) ?? []);
    },
    async hots() {
      const hots = await table.getMany<AccountHot>(accounts.map(({ id }) => keys.accountHot(tenantId, id)));
      return new Map(hots.flatMap((hot) => (hot === undefined ? [] : [[hot.accountId, hot] as const])));
    },
    async connected() {
      const seen = await world.simulator<{ number: string; connected: boolean }[]>('GET', '/accounts');
      return new Set(seen.flatMap(({ number, connected }) => (connected ? [number] : [])));
    },
    async stop({ keep } = { keep: false }) {
      proxies.setPlan(undefined);
      await (keep ? world.stack.stop() : world.stop());
      close();
      await proxies.close();
    },
  };
}

/** The accounts' tenant: local mode has one. */
async function tenantOf(table: Table): Promise<string> {
  const [first] = await table.queryAll<{ sk: string }>({ pk: 'TENANTS' });
  if (first === undefined) throw new Error('There is no tenant.');
  return first.sk;
}
