import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callApi } from '../../local/api-client.ts';
import { type LocalOptions, type LocalStack, startLocal } from '../../local/stack.ts';
import { until } from './until.ts';

type Call = ReturnType<typeof callApi>;

export interface Totals {
  received: number;
  distinct: number;
  repeatsOnWire: number;
  usedCounters: number;
  undecryptable: number;
  connections: number;
}

export interface ContractView {
  id: string;
  status: string;
  reason: string | null;
  totalCount: number;
  counts: Record<string, number>;
}

/** The whole product on this machine, with a data folder of its own, and shortcuts for tests. */
export interface World {
  stack: LocalStack;
  api: Call;
  simulator: Call;
  /** Creates an account, scans its QR code with a phone of that number and waits until it is connected. Returns its id. */
  linked(number: string, settings?: object): Promise<string>;
  contract(accountId: string, recipients: object[], settings?: object): Promise<ContractView>;
  read(id: string): Promise<ContractView>;
  ended(id: string, timeoutMs?: number): Promise<ContractView>;
  /** Every item of a list of the API, all its pages. `path` has a query. */
  all<T>(path: string): Promise<T[]>;
  totals(): Promise<Totals>;
  received(number: string): Promise<{ id: string; text: string; receivedAt: string; repeats: number }[]>;
  /** Ends everything and starts again with the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startWorld(options: Partial<LocalOptions> = {}): Promise<World> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'paceline-flow-')));
  let stack = await startLocal({ ...options, dataDir });
  const connect = () => ({
    api: callApi(stack.apiUrl, stack.apiKey),
    simulator: callApi(stack.simulatorUrl ?? ''),
  });
  let calls = connect();
  const world: World = {
    get stack() {
      return stack;
    },
    get api() {
      return calls.api;
    },
    get simulator() {
      return calls.simulator;
    },
    async linked(number, settings = { useLimits: false }) {
      const { id } = await world.api<{ id: string }>('POST', '/v1/accounts', { name: number, ...settings });
      await world.simulator('POST', '/phones', { number });
      const { code } = await until('a QR code', () =>
        world.api<{ code: string }>('GET', `/v1/accounts/${id}/qr`).catch(() => undefined),
      );
      await world.simulator('POST', `/phones/${number}/scan`, { code });
      await until('connected', async () => {
        const { status } = await world.api<{ status: string }>('GET', `/v1/accounts/${id}`);
        return status === 'connected';
      });
      return id;
    },
    contract: (accountId, recipients, settings = {}) =>
      world.api<ContractView>('POST', '/v1/contracts', {
        accountId,
        name: 'Test',
        recipients,
        start: true,
        ...settings,
      }),
    read: (id) => world.api<ContractView>('GET', `/v1/contracts/${id}`),
    ended: (id, timeoutMs = 150_000) =>
      until(
        'the contract to end',
        async () => {
          const contract = await world.read(id).catch(() => undefined);
          return contract?.status === 'COMPLETED' || contract?.status === 'FAILED' ? contract : undefined;
        },
        timeoutMs,
      ),
    async all<T>(path: string) {
      const items: T[] = [];
      let more = '';
      for (;;) {
        const page = await world.api<{ items: T[]; nextCursor: string | null }>('GET', `${path}${more}`);
        items.push(...page.items);
        if (page.nextCursor === null) return items;
        more = `&cursor=${page.nextCursor}`;
      }
    },
    totals: () => world.simulator<Totals>('GET', '/totals'),
    received: (number) => world.simulator('GET', `/phones/${number}/messages`),
    async restart() {
      await stack.stop();
      stack = await startLocal({ ...options, dataDir });
      calls = connect();
    },
    async stop() {
      await stack.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return world;
}

/** Returns the number of messages that WhatsApp has accepted. */
export function reached({ counts }: ContractView): number {
  return (counts.sent ?? 0) + (counts.delivered ?? 0) + (counts.read ?? 0);
}

/** Returns up to 1,000 distinct numbers that are reserved for fiction and are phones on the simulated WhatsApp. */
export function numbers(count: number): string[] {
  const areas = ['201', '202', '203', '205', '206', '207', '208', '209', '210', '212'];
  return Array.from(
    { length: count },
    (_, i) => `1${areas[i % 10]}55501${String(Math.floor(i / 10)).padStart(2, '0')}`,
  );
}
