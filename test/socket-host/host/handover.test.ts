import { beforeEach, describe, expect, it } from 'vitest';
import type { Host } from '../../../lib/aws/hosts/hosts.ts';
import type { HostDeps } from '../../../socket-host/deps.ts';
import { Fleet } from '../../../socket-host/host/fleet.ts';
import { Handover, type Movable } from '../../../socket-host/host/handover.ts';
import { createMetrics } from '../../../socket-host/metrics.ts';
import { type ManualClock, manualClock } from '../../harness/manual-clock.ts';

interface Move {
  atMs: number;
  accountId: string;
}

let clock: ManualClock;
/** The hosts of the table; the living ones beat. */
let hosts: Map<string, Host>;
let frozen: Set<string>;
/** Accounts given up, in their order, and whom others were woken to look at. */
let released: Move[];
let woken: (Move & { target: string })[];

beforeEach(() => {
  clock = manualClock();
  hosts = new Map();
  frozen = new Set();
  released = [];
  woken = [];
});

function put(id: string, state: Partial<Host> = {}): void {
  const host = { id, beat: 0, beatAt: 0, wakeQueueUrl: id, startedAt: 0, accounts: 0, room: 1_000 };
  hosts.set(id, { ...host, ...hosts.get(id), ...state });
}

/** A host of ten connections a second with these accounts. */
function hostWith(id: string, loads: Movable['load'][]) {
  const held = new Set<Movable>();
  loads.forEach((load, index) => {
    const accountId = `acc_${id}_${String(index).padStart(3, '0')}`;
    const account: Movable = {
      hold: { tenantId: 'ten', accountId, hostId: id, epoch: 1 },
      load,
      stop: async () => {
        held.delete(account);
        released.push({ atMs: clock.monotonicMs(), accountId });
      },
    };
    held.add(account);
  });
  const deps = {
    hostId: id,
    fleetClock: clock,
    // Drains ask half of it, ten a second.
    config: { CONNECTS_PER_SEC: 20 },
    metrics: createMetrics(),
    table: {
      queryAll: async () => {
        const beat = Math.floor(clock.monotonicMs() / 3_000);
        for (const host of hosts.values()) if (!frozen.has(host.id)) host.beat = beat;
        return [...hosts.values()].map(({ wakeQueueUrl, ...host }) => ({ ...host, inboxUrl: wakeQueueUrl }));
      },
    },
    sqs: {
      send: async ({ input }: { input: { QueueUrl: string; MessageBody: string } }) => {
        const accountId: string = JSON.parse(input.MessageBody).a;
        woken.push({ atMs: clock.monotonicMs(), accountId, target: input.QueueUrl });
      },
    },
    failed: (_where: string, error: unknown) => {
      throw error;
    },
  } as unknown as HostDeps;
  put(id);
  const fleet = new Fleet(deps);
  const handover = new Handover(deps, fleet, () => [...held]);
  return {
    id,
    held,
    fleet,
    handover,
    async drain(budgetMs: number): Promise<void> {
      await handover.drain(budgetMs, new AbortController().signal);
      put(id, { retired: true });
    },
  };
}

/** Hosts end as they do: each says so, drains, and is retired. */
function drain(ending: ReturnType<typeof hostWith>[], budgetMs = 105_000): void {
  for (const { id } of ending) put(id, { draining: true, room: 0 });
  for (const host of ending) void host.drain(budgetMs);
}

const idle = (count: number): Movable['load'][] => Array(count).fill('idle');
/** The most that was woken to anybody within any second. */
const mostInASecond = (): number =>
  Math.max(...woken.map(({ atMs }) => woken.filter((one) => one.atMs >= atMs && one.atMs < atMs + 1_000).length));

describe('hosts that end together', () => {
  it('share the rate at which the one that stays opens connections', async () => {
    const ending = ['hst_a', 'hst_b', 'hst_c'].map((id) => hostWith(id, idle(40)));
    put('hst_new');
    drain(ending);
    await clock.advance(10_900);
    expect(woken.length).toBeLessThan(115);
    expect(mostInASecond()).toBeLessThanOrEqual(14);
    await clock.advance(1_600);
    expect(woken).toHaveLength(120);
    expect(released).toHaveLength(120);
  });

  it('give next to nothing to each other, though one is woken a moment after the other', async () => {
    const [first, second] = [hostWith('hst_a', idle(60)), hostWith('hst_b', idle(60))];
    put('hst_new');
    drain([first]);
    await clock.advance(100);
    drain([second]);
    await clock.advance(14_000);
    expect(woken).toHaveLength(120);
    expect(woken.filter(({ target }) => target !== 'hst_new').length).toBeLessThanOrEqual(3);
  });

  it('leave their part of it to the others once they are done', async () => {
    const [small, large] = [hostWith('hst_a', idle(10)), hostWith('hst_b', idle(40))];
    put('hst_new');
    drain([small, large]);
    await clock.advance(1_700);
    expect(small.held.size).toBeGreaterThan(0);
    // Five a second each for two seconds, and ten a second for three.
    await clock.advance(2_800);
    expect(large.held.size).toBeGreaterThan(0);
    await clock.advance(1_500);
    expect(large.held.size).toBe(0);
  });

  it('go faster when their time would not suffice', async () => {
    const ending = ['hst_a', 'hst_b', 'hst_c'].map((id) => hostWith(id, idle(100)));
    put('hst_new');
    drain(ending, 10_000);
    await clock.advance(7_500);
    expect(woken).toHaveLength(300);
  });

  it('do not wait for one that has died over it', async () => {
    put('hst_dead', { draining: true });
    frozen.add('hst_dead');
    const host = hostWith('hst_a', idle(100));
    put('hst_new');
    drain([host]);
    // Ten seconds for two, then it is known to be dead.
    await clock.advance(9_000);
    expect(woken.length).toBeLessThan(50);
    await clock.advance(6_500);
    expect(woken).toHaveLength(100);
  });
});

describe('a host that ends', () => {
  it('gives each account once, whatever it does, the ones being linked included', async () => {
    const host = hostWith('hst_a', ['busy', 'linking', 'idle']);
    put('hst_new');
    drain([host]);
    await clock.advance(1_000);
    expect(woken.map(({ accountId }) => accountId).toSorted()).toEqual([
      'acc_hst_a_000',
      'acc_hst_a_001',
      'acc_hst_a_002',
    ]);
    expect(released).toHaveLength(3);
  });

  it('gives nothing to one that is full', async () => {
    const host = hostWith('hst_a', idle(20));
    put('hst_full', { room: 0 });
    put('hst_new');
    drain([host]);
    await clock.advance(3_000);
    expect(woken.map(({ target }) => target)).toEqual(Array(20).fill('hst_new'));
  });

  it('gives nothing more to one that has become full, and the rest to the other', async () => {
    const host = hostWith('hst_a', idle(80));
    put('hst_one');
    put('hst_two');
    drain([host]);
    await clock.advance(1_000);
    put('hst_one', { room: 0 });
    await clock.advance(12_000);
    const toOne = woken.filter(({ target }) => target === 'hst_one');
    expect(woken).toHaveLength(80);
    expect(toOne.length).toBeLessThan(22);
    expect(toOne.at(-1)?.atMs).toBeLessThan(2_100);
  });

  it('gives the rest to the others when one dies in the middle', async () => {
    const host = hostWith('hst_a', idle(300));
    put('hst_one');
    put('hst_two');
    drain([host]);
    await clock.advance(1_000);
    frozen.add('hst_two');
    await clock.advance(34_000);
    const toTwo = woken.filter(({ target }) => target === 'hst_two');
    expect(woken).toHaveLength(300);
    expect(new Set(woken.map(({ accountId }) => accountId)).size).toBe(300);
    expect(toTwo.at(-1)?.atMs).toBeLessThan(11_200);
  });
});

describe('a host that ends with nobody to take its accounts', () => {
  it('keeps them until somebody comes, and gives them away then', async () => {
    const host = hostWith('hst_a', idle(30));
    drain([host]);
    await clock.advance(40_000);
    expect(released).toEqual([]);
    put('hst_new');
    await clock.advance(5_000);
    expect(woken.map(({ target }) => target)).toEqual(Array(30).fill('hst_new'));
    expect(woken[0]?.atMs).toBeLessThan(41_100);
    expect(woken.at(-1)?.atMs).toBeGreaterThan(42_500);
  });

  it('gives them up at once when seven tenths of its time are over', async () => {
    const host = hostWith('hst_a', idle(30));
    drain([host]);
    await clock.advance(73_000);
    expect(released).toEqual([]);
    await clock.advance(1_000);
    expect(released).toHaveLength(30);
    expect(woken).toEqual([]);
    expect(hosts.get('hst_a')?.retired).toBe(true);
  });

  it('gives them up without a wait when its time would be over before a host can start', async () => {
    const host = hostWith('hst_a', idle(30));
    drain([host], 5_000);
    await clock.advance(0);
    expect(released).toHaveLength(30);
  });

  it('keeps the rest when the only other one dies in the middle', async () => {
    const host = hostWith('hst_a', idle(300));
    put('hst_one');
    drain([host]);
    await clock.advance(1_000);
    frozen.add('hst_one');
    await clock.advance(49_000);
    expect(woken.at(-1)?.atMs).toBeLessThan(11_200);
    expect(host.held.size).toBeGreaterThan(180);
    put('hst_two');
    await clock.advance(24_000);
    expect(woken).toHaveLength(300);
  });

  it('waits for nobody when all its accounts have gone meanwhile', async () => {
    const host = hostWith('hst_a', idle(3));
    drain([host]);
    await clock.advance(10_000);
    host.held.clear();
    await clock.advance(1_100);
    expect(hosts.get('hst_a')?.retired).toBe(true);
    expect(released).toEqual([]);
  });

  it('gives nobody an account that has gone meanwhile', async () => {
    const host = hostWith('hst_a', idle(3));
    drain([host]);
    await clock.advance(10_000);
    const [first] = host.held;
    if (first !== undefined) host.held.delete(first);
    put('hst_new');
    await clock.advance(3_000);
    expect(woken.map(({ accountId }) => accountId)).toEqual(['acc_hst_a_001', 'acc_hst_a_002']);
  });
});

describe('a host that joins', () => {
  it('is given idle accounts before busy ones, and none that somebody is linking', async () => {
    const loads = Array.from({ length: 60 }, (_, i) => (['busy', 'linking', 'idle'] as const)[i % 3] ?? 'idle');
    const host = hostWith('hst_a', loads);
    const loadOf = new Map([...host.held].map(({ hold, load }) => [hold.accountId, load]));
    put('hst_new');
    await host.fleet.refresh();
    for (let look = 0; look < 60; look++) {
      await clock.advance(2_000);
      await host.fleet.refresh();
      host.handover.rebalance();
    }
    await clock.advance(0);
    const given = woken.map(({ accountId }) => loadOf.get(accountId));
    const firstBusy = given.indexOf('busy');
    expect(firstBusy).toBeGreaterThan(3);
    expect(given.slice(0, firstBusy)).toEqual(Array(firstBusy).fill('idle'));
    expect(given.slice(firstBusy)).toEqual(Array(given.length - firstBusy).fill('busy'));
    expect([...host.held].filter(({ load }) => load === 'linking')).toHaveLength(20);
  });
});
