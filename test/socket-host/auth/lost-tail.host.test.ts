import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAccount, setDesired } from '../../../lib/aws/accounts/accounts.ts';
import { type ObjectStore, objectStore } from '../../../lib/aws/client/objects.ts';
import { retireHost } from '../../../lib/aws/hosts/hosts.ts';
import { orphanAccounts } from '../../../lib/aws/hosts/ownership.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { AuthCorrupt } from '../../../socket-host/auth/errors.ts';
import { planRestore, restoreAuth } from '../../../socket-host/auth/restore.ts';
import { wipeUnopened } from '../../../socket-host/auth/wipe.ts';
import { rowsTo } from '../../factories.ts';
import { type Faults, type Gateway, oneAtATime, startGateway, tenantId } from '../../harness/gateway.ts';
import { until } from '../../harness/until.ts';
import { type Fixture, fixture, logKey, prefix, randomText, snapKey, write, writeEach } from './fixture.ts';

describe('a log that ends before the segment that is known to have been written', () => {
  let f: Fixture;
  beforeEach(() => {
    f = fixture();
  });
  afterEach(() => f.cleanUp());

  /** Segments 1 to 6. */
  async function written(): Promise<void> {
    const store = await f.open();
    await writeEach(store, 5, (i) => ({ session: { a: i } }));
    expect(store.head).toBe(6);
    await store.close();
    expect(store.head).toBe(6);
  }
  const lose = (...numbers: number[]) => {
    for (const number of numbers) f.objects.objects.delete(logKey(number));
  };
  const writer = (epoch: number) => ({
    objects: f.objects,
    host: 'hst_2',
    epoch,
    mayWrite: () => true,
    nowMs: () => f.clock.nowMs,
    nonce: randomUUID,
  });

  it('is damaged, and the error names what is missing', async () => {
    await written();
    lose(6);
    await expect(f.open({ epoch: 2, writtenTo: 6 })).rejects.toThrow(AuthCorrupt);
    await expect(f.open({ epoch: 2, writtenTo: 6 })).rejects.toThrow(
      'auth state cannot be loaded: ten_1/acc_1/log/000000000006 is missing, the last one written',
    );
    lose(5);
    await expect(f.open({ epoch: 2, writtenTo: 6 })).rejects.toThrow('segments 5 to 6 are missing');
    lose(1, 2, 3, 4);
    await expect(f.open({ epoch: 2, writtenTo: 6 })).rejects.toThrow('segments 1 to 6 are missing');
    expect(f.keys()).toEqual([]);
  });

  it('opens where it reaches that segment or goes on behind it', async () => {
    await written();
    const next = await f.open({ epoch: 2, writtenTo: 6 });
    expect(next.get('session', 'a')).toBe(4);
    expect(next.head).toBe(7);
    await write(next, { session: { a: 'newer' } });
    const third = await f.open({ epoch: 3, writtenTo: 6 });
    expect(third.get('session', 'a')).toBe('newer');
  });

  it('opens from a snapshot or a run in the place of the lost segments', async () => {
    const store = await f.open();
    await writeEach(store, 15, (i) => ({ session: { [`s${i}`]: randomText(9_000) } }));
    await store.close();
    expect(f.keys('snap')).toEqual([snapKey(16)]);
    lose(15, 16);
    const second = await f.open({ epoch: 2, writtenTo: 16 });
    await writeEach(second, 64, (i) => ({ session: { a: i } }));
    await second.close();
    expect(f.keys('run')).toHaveLength(1);
    expect(second.head).toBe(81);
    lose(78, 79, 80);
    await expect(f.open({ epoch: 3, writtenTo: 81 }).then((third) => third.get('session', 'a'))).resolves.toBe(63);
  });

  it('can be wiped, and goes on behind what was lost', async () => {
    await written();
    lose(5, 6);
    await wipeUnopened({ ...writer(2), prefix, writtenTo: 6 });
    expect(f.keys()).toEqual([logKey(7), snapKey(7)]);
    const next = await f.open({ epoch: 3, writtenTo: 6 });
    expect(next.get('session', 'a')).toBeUndefined();
    await next.wipe();
    expect(next.head).toBe(9);
    expect((await f.open({ epoch: 4, writtenTo: 9 })).head).toBe(10);
  });

  it('can be restored, and goes on behind what was lost', async () => {
    const store = await f.open();
    store.saveCreds({ me: { id: 'linked' }, account: {} });
    await writeEach(store, 4, (i) => ({ session: { a: i } }));
    await store.close();
    lose(4, 5);
    const plan = await planRestore(f.objects, prefix, { before: f.clock.nowMs }, 5);
    expect([plan.version.number, plan.number]).toEqual([3, 6]);
    await restoreAuth(writer(2), plan);
    const next = await f.open({ epoch: 3, writtenTo: 5 });
    expect(next.creds()).toEqual({ me: { id: 'linked' }, account: {} });
    expect(next.get('session', 'a')).toBeUndefined();
    expect(next.head).toBe(7);
  });
});

describe('an account whose newest keys are gone', () => {
  let gateway: Gateway;
  let auth: ObjectStore;
  beforeEach(async () => {
    gateway = await startGateway(systemClock);
    auth = objectStore(gateway.emulators.clients.s3, gateway.emulators.env.AUTH_BUCKET ?? '');
  });
  afterEach(() => gateway.stop());

  const segments = async (id: string) => await auth.list(`${tenantId}/${id}/log/`);
  const reaches = (id: string, status: Account['status']) =>
    until(status, async () => (await gateway.readAccount(id))?.status === status);
  const completed = (id: string) =>
    until('completed', async () => (await gateway.readContract(id))?.status === 'COMPLETED');
  const head = async (id: string) => (await gateway.readHot(id))?.authHead;

  /** Each connection writes a segment; then a message. */
  async function sent(connections: number, account: Account): Promise<void> {
    await reaches(account.id, 'connected');
    for (let n = 1; n < connections; n++) {
      gateway.sessions.get(account.id)?.end({ code: 515, detail: 'test' });
      await until('another segment', async () => (await segments(account.id)).length === n + 1);
      await reaches(account.id, 'connected');
    }
    await completed((await gateway.contract(account, rowsTo(1))).id);
  }

  /** An account that has had so many connections; its host has ended, and of its segments the newest are gone. */
  async function damaged(connections: number, lost: number): Promise<Account> {
    const host = await gateway.host();
    const account = await gateway.account();
    await sent(connections, account);
    await host.stop();
    await auth.remove((await segments(account.id)).slice(-lost));
    return account;
  }

  it.each([1, 2])('by %i is reported and sends nothing', async (lost) => {
    const first = await gateway.host();
    const account = await gateway.account();
    await sent(3, account);
    expect(await head(account.id)).toBe(3);
    await first.stop();
    await auth.remove((await segments(account.id)).slice(-lost));
    await gateway.contract(account, rowsTo(2, 10));
    await gateway.host();
    await reaches(account.id, 'failed');
    expect((await gateway.readAccount(account.id))?.statusReason).toBe('auth_state_damaged');
    await until('released', async () => (await gateway.readHot(account.id))?.owner === undefined);
    expect(gateway.wire).toHaveLength(1);
    expect(await segments(account.id)).toHaveLength(3 - lost);
    expect(await head(account.id)).toBe(3);
  });

  it('is reported although the table is away when it is found', async () => {
    const account = await damaged(2, 1);
    let refused = 0;
    const faults: Faults = {
      before: async (command) => {
        if (command !== 'TransactWriteItems' || refused >= 3) return;
        if ((await gateway.readAccount(account.id))?.status !== 'connecting') return;
        refused += 1;
        throw new Error('the table is away');
      },
    };
    await gateway.host(undefined, faults);
    await reaches(account.id, 'failed');
    expect(refused).toBe(3);
    expect((await gateway.readAccount(account.id))?.statusReason).toBe('auth_state_damaged');
  });

  it('can be logged out and linked anew', async () => {
    const account = await damaged(3, 2);
    await gateway.host();
    await reaches(account.id, 'failed');
    for (const [desired, status] of [
      ['logged_out', 'logged_out'],
      ['connected', 'awaiting_link'],
    ] as const) {
      const pair = await readAccount(gateway.deps.table, tenantId, account.id);
      if (pair === undefined) throw new Error('no such account');
      await setDesired(gateway.deps, gateway.origin(), pair, desired);
      await reaches(account.id, status);
    }
  });

  it('is not what a handover or a crash in the ordinary course looks like', async () => {
    const first = await gateway.host();
    const account = await gateway.account(oneAtATime);
    await sent(2, account);
    await until('its totals are written', async () => (await gateway.readHot(account.id))?.inHand === undefined);
    // A segment that came to be, and no claim after it.
    gateway.sessions.get(account.id)?.end({ code: 515, detail: 'test' });
    await until('another segment', async () => (await segments(account.id)).length === 3);
    await reaches(account.id, 'connected');
    await retireHost(gateway.deps.table, first.id, Date.now());
    await orphanAccounts(gateway.deps.table, first.id);
    expect(await head(account.id)).toBe(2);

    // A claim that stood, whose owner died.
    gateway.answerWith(() => 'silence');
    const second = await gateway.host();
    const contract = await gateway.contract(account, rowsTo(1, 10));
    await until('on the wire', async () => gateway.wire.length === 2);
    expect(await head(account.id)).toBe((await segments(account.id)).length);
    await retireHost(gateway.deps.table, second.id, Date.now());
    await orphanAccounts(gateway.deps.table, second.id);
    gateway.answerWith(() => ({}));

    // A release in good order, and an owner after it.
    const third = await gateway.host();
    await completed(contract.id);
    await third.stop();
    expect(await head(account.id)).toBe((await segments(account.id)).length);
    await gateway.host();
    await completed((await gateway.contract(account, rowsTo(1, 30))).id);
    expect((await gateway.readAccount(account.id))?.status).toBe('connected');
  });
});
