import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { retireHost } from '../../../lib/aws/hosts/hosts.ts';
import { orphanAccounts } from '../../../lib/aws/hosts/ownership.ts';
import { finder, keys } from '../../../lib/aws/keys.ts';
import { rendezvous } from '../../../lib/domain/hosts/ownership.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { rowsTo } from '../../factories.ts';
import { type Gateway, oneAtATime, startGateway, tenantId } from '../../harness/gateway.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';

async function ownersOf(gateway: Gateway, accountIds: string[]): Promise<(string | undefined)[]> {
  return await Promise.all(accountIds.map(async (id) => (await gateway.readHot(id))?.owner));
}

async function accounts(gateway: Gateway, count: number): Promise<string[]> {
  const made = await Promise.all(
    Array.from({ length: count }, (_, i) => gateway.account({ phoneNumber: `7999000${String(1000 + i)}` })),
  );
  return made.map(({ id }) => id);
}

describe('a host that joins', () => {
  it('is given the accounts it has the better claim to, none in the first ten seconds and one a second then', async () => {
    const clock = scaledClock(4);
    const gateway = await startGateway(systemClock, clock);
    try {
      const first = await gateway.host();
      const ids = await accounts(gateway, 24);
      await until('all are held', async () => (await ownersOf(gateway, ids)).every((owner) => owner === first.id));
      const second = await gateway.host();
      const startedMs = clock.monotonicMs();
      const fair = ids.map((id) => rendezvous([first.id, second.id], id)[0]);
      const wanted = fair.filter((owner) => owner === second.id).length;
      const movedAtMs: number[] = [];
      await until('each has its part', async () => {
        const owners = await ownersOf(gateway, ids);
        const moved = owners.filter((owner) => owner === second.id).length;
        while (movedAtMs.length < moved) movedAtMs.push(clock.monotonicMs() - startedMs);
        return owners.join() === fair.join();
      });
      expect(wanted).toBeGreaterThan(4);
      expect(movedAtMs).toHaveLength(wanted);
      expect(movedAtMs[0]).toBeGreaterThan(9_000);
      // Five at once at most.
      expect(movedAtMs.at(-1)).toBeGreaterThan(10_000 + (wanted - 7) * 1_000);
      await until('connected', async () =>
        (await Promise.all(ids.map((id) => gateway.readAccount(id)))).every((a) => a?.status === 'connected'),
      );
    } finally {
      await gateway.stop();
    }
  });
});

describe('a host that ends', () => {
  it('hands its accounts to the others, in the middle of their work and with nothing sent twice', async () => {
    const gateway = await startGateway(systemClock);
    try {
      const first = await gateway.host();
      const account = await gateway.account();
      const more = await accounts(gateway, 7);
      await until('all are held', async () =>
        (await ownersOf(gateway, [account.id, ...more])).every((owner) => owner === first.id),
      );
      const second = await gateway.host();
      const contract = await gateway.contract(account, rowsTo(300));
      await until('some are sent', async () => gateway.wire.length > 20);
      const startedAt = Date.now();
      await first.stop();
      // Eight accounts within 70 % of the drain's 2 s, a little faster than five a second.
      expect(Date.now() - startedAt).toBeLessThan(2_500);
      await until(
        'taken at once',
        async () => (await ownersOf(gateway, [account.id, ...more])).every((owner) => owner === second.id),
        1_500,
      );
      await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
      expect(gateway.wire).toHaveLength(300);
      expect(new Set(gateway.wire.map(({ id }) => id)).size).toBe(300);
    } finally {
      await gateway.stop();
    }
  });

  it('gives accounts up at once when nobody is there to take them', async () => {
    const gateway = await startGateway(systemClock);
    try {
      const first = await gateway.host();
      const ids = await accounts(gateway, 30);
      await until('all are held', async () => (await ownersOf(gateway, ids)).every((owner) => owner === first.id));
      const startedAt = Date.now();
      await first.stop();
      expect(Date.now() - startedAt).toBeLessThan(1_500);
      expect(await ownersOf(gateway, ids)).toEqual(ids.map(() => undefined));
    } finally {
      await gateway.stop();
    }
  });
});

describe('a host that is full', () => {
  it('with MAX_ACCOUNTS claims no more; the next host takes what is left', async () => {
    const gateway = await startGateway(systemClock);
    try {
      gateway.emulators.env.MAX_ACCOUNTS = '2';
      const first = await gateway.host();
      const held = await accounts(gateway, 2);
      await until('it holds two', async () => (await ownersOf(gateway, held)).every((owner) => owner === first.id));
      const [left = ''] = await accounts(gateway, 1);
      // Longer than any host leaves an account that it may take.
      await systemClock.sleep(6_000);
      expect(await ownersOf(gateway, [left])).toEqual([undefined]);
      const second = await gateway.host();
      await until('it is held', async () => (await gateway.readHot(left))?.owner === second.id);
    } finally {
      await gateway.stop();
    }
  });
});

describe('a message that ends its host each time', () => {
  let gateway: Gateway;
  beforeEach(async () => {
    gateway = await startGateway(systemClock);
  });
  afterEach(() => gateway.stop());

  it('is FAILED after three, and the messages behind it are sent', async () => {
    const account = await gateway.account(oneAtATime);
    const [poison] = rowsTo(1);
    let dying: string | undefined;
    gateway.answerWith(({ to }) => {
      if (to !== poison?.to) return {};
      dying = 'now';
      return 'silence';
    });
    const contract = await gateway.contract(account, rowsTo(3));
    for (let death = 1; death <= 3; death++) {
      const host = await gateway.host();
      await until('it is on the wire', async () => dying === 'now');
      dying = undefined;
      // As others see a crash: no word, no release.
      await retireHost(gateway.deps.table, host.id, Date.now());
      await orphanAccounts(gateway.deps.table, host.id);
    }
    await gateway.host();
    await until('completed', async () => (await gateway.readContract(contract.id))?.status === 'COMPLETED');
    const messages = await gateway.messages(contract);
    expect(messages.map(({ state, error }) => [state, error?.code])).toEqual([
      ['FAILED', 'CRASHED_HOST'],
      ['SENT', undefined],
      ['SENT', undefined],
    ]);
    expect(gateway.wire.filter(({ to }) => to === poison?.to)).toHaveLength(3);
    expect(new Set(gateway.wire.filter(({ to }) => to === poison?.to).map(({ id }) => id)).size).toBe(1);
  });

  it('is not one whose hosts were told to stop', async () => {
    const account = await gateway.account();
    gateway.answerWith(() => 'silence');
    const contract = await gateway.contract(account, rowsTo(1));
    for (let stop = 1; stop <= 3; stop++) {
      const before = gateway.wire.length;
      const host = await gateway.host();
      await until('it is on the wire', async () => gateway.wire.length > before);
      await host.stop();
    }
    expect((await gateway.messages(contract))[0]?.claim?.crashes).toBeUndefined();
    expect((await gateway.messages(contract))[0]?.state).toBe('SENDING');
  });
});

describe('a host that claims an account which was taken from it', () => {
  it('closes the connection it had', async () => {
    const gateway = await startGateway(systemClock);
    try {
      await gateway.host();
      const account = await gateway.account();
      await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected');
      const before = gateway.sessions.get(account.id);
      // As the sweep does to accounts of a host whose item is gone.
      await gateway.deps.table.update(keys.accountHot(tenantId, account.id), {
        update: 'SET ix = :unowned REMOVE #o ADD epoch :one',
        names: { '#o': 'owner' },
        values: { ':unowned': finder.unowned, ':one': 1 },
      });
      await until('connected anew', async () => {
        const opened = gateway.sessions.get(account.id) !== before;
        return opened && (await gateway.readAccount(account.id))?.status === 'connected';
      });
      await until('the old one is closed', async () => before?.ping() === undefined, 2_000);
      expect(gateway.sessions.get(account.id)?.ping()).toBeInstanceOf(Promise);
    } finally {
      await gateway.stop();
    }
  });
});
