import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { updateAccount } from '../../../lib/aws/accounts/accounts.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { rowsTo } from '../../factories.ts';
import { type Gateway, startGateway, tenantId } from '../../harness/gateway.ts';
import { until } from '../../harness/until.ts';

type Session = NonNullable<ReturnType<Gateway['sessions']['get']>>;

const dayMs = 24 * 3_600_000;
const oldNumber = '79990000001';
const newNumber = '79990000002';
const neverLinked = {
  linkedAt: undefined as never,
  phoneNumber: undefined as never,
  pacedSince: undefined as never,
  pacedFor: undefined as never,
};

describe('the warm-up of a number', () => {
  let gateway: Gateway;
  beforeEach(async () => {
    gateway = await startGateway(systemClock);
    await gateway.host();
  });
  afterEach(() => gateway.stop());

  /** The session that shows the codes. */
  const offered = (id: string) =>
    until('a code', async () => {
      const shown = (await gateway.readAccount(id))?.status === 'awaiting_link';
      return shown ? gateway.sessions.get(id) : undefined;
    });
  async function opens(id: string, { listener }: Session, phoneNumber: string): Promise<Account> {
    listener.onOpen({ phoneNumber });
    listener.onDrained();
    return await until('connected', async () => {
      const now = await gateway.readAccount(id);
      return now?.status === 'connected' ? now : undefined;
    });
  }

  /** Somebody scans the code: credentials, then 515, then a login with them. */
  async function link(id: string, phoneNumber: string): Promise<Account> {
    const session = await offered(id);
    session.listener.onLinked({ phoneNumber });
    session.end({ code: 515, detail: 'restart required' });
    const next = await until('another session', async () => {
      const now = gateway.sessions.get(id);
      return now === session ? undefined : now;
    });
    return await opens(id, next, phoneNumber);
  }

  /** As a logout of `oldNumber`, linked first so long ago, leaves it. */
  const loggedOut = (pacedSince: number) =>
    gateway.account({ linkedAt: undefined as never, phoneNumber: oldNumber, pacedSince, pacedFor: oldNumber });

  it('goes on where the same number is linked again', async () => {
    const pacedSince = Date.now() - 100 * dayMs;
    const account = await loggedOut(pacedSince);
    expect(await link(account.id, oldNumber)).toMatchObject({ pacedSince, pacedFor: oldNumber });
  });

  it('begins with another number, also where the tenant has announced that one', async () => {
    const startedMs = Date.now();
    const account = await loggedOut(startedMs - 100 * dayMs);
    await updateAccount(gateway.deps, gateway.origin(), tenantId, account.id, { phoneNumber: newNumber });
    const now = await link(account.id, newNumber);
    expect(now).toMatchObject({ phoneNumber: newNumber, pacedFor: newNumber });
    expect(now.pacedSince).toBeGreaterThanOrEqual(startedMs);
  });

  it('begins with a link of which the host could only see, later, that it stands', async () => {
    const startedMs = Date.now();
    const account = await gateway.account({
      ...neverLinked,
      createdAt: startedMs - 30 * dayMs,
    });
    const now = await opens(account.id, await offered(account.id), newNumber);
    expect(now.linkedAt).toBeGreaterThanOrEqual(startedMs);
    expect(now.pacedSince).toBeGreaterThanOrEqual(startedMs);
    expect(now).toMatchObject({ phoneNumber: newNumber, pacedFor: newNumber });
  });

  it('holds from the first message on, whatever waited in the lanes and however old the account is', async () => {
    const account = await gateway.account({
      ...neverLinked,
      createdAt: Date.now() - 30 * dayMs,
      useLimits: true,
      pacing: { gapMs: [0, 0], restEvery: null, perMinute: null, delayMs: [0, 0] },
    });
    await offered(account.id);
    // Below half a window: no feed that asks for more, or has some, tells the host to look at the account meanwhile.
    await gateway.contract(account, rowsTo(24));
    await until('fed', async () => (await gateway.readHot(account.id))?.queuedBulk === 24);
    // The feed's word to the host is behind it too.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await link(account.id, newNumber);
    await until('the cap', async () => gateway.wire.length >= 20);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(gateway.wire).toHaveLength(20);
  });
});
