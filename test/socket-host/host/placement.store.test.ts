import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Table } from '../../../lib/aws/client/table.ts';
import { putHost } from '../../../lib/aws/hosts/hosts.ts';
import { finder, keys } from '../../../lib/aws/keys.ts';
import type { AccountHot } from '../../../lib/domain/accounts/account.ts';
import { initialPace } from '../../../lib/domain/accounts/pacing.ts';
import type { HostDeps } from '../../../socket-host/deps.ts';
import { Fleet } from '../../../socket-host/host/fleet.ts';
import { Placement } from '../../../socket-host/host/placement.ts';
import { createMetrics } from '../../../socket-host/metrics.ts';
import { newHost } from '../../factories.ts';
import { type Emulators, startEmulators } from '../../harness/emulators.ts';
import { manualClock } from '../../harness/manual-clock.ts';

const hostId = 'hst_00000000000000000000000001';
const tenantId = 'ten_1';

describe('claiming accounts', () => {
  let emulators: Emulators;
  let loseAnswer: boolean;
  let afterOwn: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    emulators = await startEmulators();
    emulators.clients.dynamodb.middlewareStack.add(
      (next, context) => async (args) => {
        const answer = await next(args);
        if (context.commandName === 'QueryCommand' && JSON.stringify(args.input).includes(finder.ownedBy(hostId))) {
          await afterOwn?.();
        }
        if (!loseAnswer || context.commandName !== 'TransactWriteItemsCommand') return answer;
        loseAnswer = false;
        throw new Error('no answer');
      },
      { step: 'initialize', name: 'lose' },
    );
  });
  afterAll(() => emulators.stop());

  let leaseAgeMs: number;
  let room: number;
  let roomFor: number;
  let claimed: string[];
  let failures: string[];
  beforeEach(() => {
    leaseAgeMs = 1_000;
    room = 100;
    roomFor = 100;
    claimed = [];
    failures = [];
    loseAnswer = false;
    afterOwn = undefined;
  });

  /** A host that has the fleet to itself, and `count` accounts without an owner, all others gone. */
  async function placementWith(count: number) {
    const table = new Table(emulators.clients.dynamodb, emulators.config.TABLE_NAME);
    const found = await table.queryAll<{ pk: string; sk: string }>({ pk: finder.unowned, index: finder.index });
    const owned = await table.queryAll<{ pk: string; sk: string }>({
      pk: finder.ownedBy(hostId),
      index: finder.index,
    });
    await table.writeMany([...found, ...owned].map(({ pk, sk }) => ({ delete: { pk, sk } })));
    await putHost(table, newHost(hostId, { beatAt: 0 }));
    const ids = Array.from({ length: count }, (_, i) => `acc_${String(i).padStart(3, '0')}`);
    for (const accountId of ids) {
      await table.put({ ...keys.account(tenantId, accountId), type: 'account', tenantId, id: accountId });
      await table.put({
        ...keys.accountHot(tenantId, accountId),
        ...{ type: 'accountHot', tenantId, accountId, epoch: 0, pace: initialPace },
        ...{ queuedExpress: 0, queuedBulk: 0, messageCount: 0, errorCount: 0 },
        ...{ ix: finder.unowned, ixs: `${tenantId}#${accountId}` },
      });
    }
    const deps = {
      table,
      hostId,
      clock: manualClock(),
      fleetClock: manualClock(),
      lease: { valid: () => leaseAgeMs < 7_000, ageMs: () => leaseAgeMs },
      metrics: createMetrics(),
      failed: (where: string) => failures.push(where),
    } as unknown as HostDeps;
    return new Placement(deps, new Fleet(deps), {
      room: () => room,
      holds: (accountId) => claimed.includes(accountId),
      claimed: ({ id }) => {
        claimed.push(id);
        if (claimed.length >= roomFor) room = 0;
      },
    });
  }

  it('takes what nobody owns', async () => {
    const placement = await placementWith(6);
    await placement.look();
    expect(claimed.toSorted()).toEqual(['acc_000', 'acc_001', 'acc_002', 'acc_003', 'acc_004', 'acc_005']);
    expect(failures).toEqual([]);
  });

  it('stops in the middle when there is no room any more, as when the host begins to drain', async () => {
    const placement = await placementWith(16);
    roomFor = 3;
    await placement.look();
    expect(claimed.length).toBeGreaterThanOrEqual(3);
    // Four are claimed side by side.
    expect(claimed.length).toBeLessThanOrEqual(6);
  });

  it('leaves the way free for a heartbeat that is late: each claim checks the item that the heartbeat writes', async () => {
    const placement = await placementWith(5);
    leaseAgeMs = 4_500;
    await placement.look();
    expect(claimed).toEqual([]);
    leaseAgeMs = 100;
    await placement.look();
    expect(claimed).toHaveLength(5);
  });

  /** As after a claim, a release or a new epoch whose answer was lost. */
  const inOurName = (accountId: string) =>
    new Table(emulators.clients.dynamodb, emulators.config.TABLE_NAME).update(keys.accountHot(tenantId, accountId), {
      update: 'SET #o = :host, ix = :mine',
      names: { '#o': 'owner' },
      values: { ':host': hostId, ':mine': finder.ownedBy(hostId) },
    });

  it('takes up what is in its name and held by nobody, whoever else had a better claim to it', async () => {
    const placement = await placementWith(8);
    const table = new Table(emulators.clients.dynamodb, emulators.config.TABLE_NAME);
    const other = 'hst_00000000000000000000000002';
    await putHost(table, newHost(other, { beatAt: 0 }));
    const ids = Array.from({ length: 8 }, (_, i) => `acc_00${i}`);
    for (const id of ids) await inOurName(id);
    await placement.look();
    await table.delete(keys.host(other));
    expect(claimed.toSorted()).toEqual(ids);
  });

  it('leaves to the others what it has given up in the moment of counting', async () => {
    const placement = await placementWith(1);
    await inOurName('acc_000');
    afterOwn = () =>
      new Table(emulators.clients.dynamodb, emulators.config.TABLE_NAME).update(keys.accountHot(tenantId, 'acc_000'), {
        update: 'SET ix = :unowned REMOVE #o',
        names: { '#o': 'owner' },
        values: { ':unowned': finder.unowned },
      });
    await placement.look();
    expect([claimed, failures]).toEqual([[], []]);
  });

  it('counts what is in its name in its first look, and again as soon as it is told to', async () => {
    const placement = await placementWith(1);
    room = 0;
    await placement.look();
    await inOurName('acc_000');
    room = 100;
    await placement.look();
    expect(claimed).toEqual([]);
    placement.recount();
    await placement.look();
    expect(claimed).toEqual(['acc_000']);
  });

  it('keeps in mind what is in its name while it may claim nothing', async () => {
    const placement = await placementWith(1);
    await inOurName('acc_000');
    leaseAgeMs = 4_500;
    await placement.look();
    leaseAgeMs = 100;
    await placement.look();
    expect(claimed).toEqual(['acc_000']);
  });

  it('offers to the others what is in its name while it has no room for it, and blames nothing on what is in hand', async () => {
    const placement = await placementWith(2);
    const table = new Table(emulators.clients.dynamodb, emulators.config.TABLE_NAME);
    for (const id of ['acc_000', 'acc_001']) await inOurName(id);
    await table.update(keys.accountHot(tenantId, 'acc_001'), {
      update: 'SET inHand = :message',
      values: { ':message': { messageId: 'msg_1', contractId: 'con_1', nonce: 'n' } },
    });
    room = 0;
    await placement.look();
    const [idle, busy] = await table.getMany<AccountHot>(
      ['acc_000', 'acc_001'].map((id) => keys.accountHot(tenantId, id)),
    );
    expect(idle).toMatchObject({ ix: 'unowned', epoch: 1 });
    expect(busy).toMatchObject({ ix: 'unowned', epoch: 1, inHand: { messageId: 'msg_1', released: true } });
    expect([idle, busy].map((hot) => hot?.owner)).toEqual([undefined, undefined]);
    // It has room again before anybody else has.
    room = 100;
    await placement.look();
    expect([claimed.toSorted(), failures]).toEqual([['acc_000', 'acc_001'], []]);
  });

  it('keeps what it holds while it has no room for more', async () => {
    const placement = await placementWith(1);
    await placement.look();
    room = 0;
    placement.recount();
    await placement.look();
    const table = new Table(emulators.clients.dynamodb, emulators.config.TABLE_NAME);
    expect(await table.get(keys.accountHot(tenantId, 'acc_000'))).toMatchObject({ owner: hostId, epoch: 1 });
  });

  it('finds an account again whose claim stood without an answer', async () => {
    const placement = await placementWith(1);
    loseAnswer = true;
    await placement.look();
    expect([claimed, failures]).toEqual([[], ['claim']]);
    await placement.look();
    expect(claimed).toEqual(['acc_000']);
  });
});
