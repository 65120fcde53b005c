import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAccount, setDesired } from '../../../lib/aws/accounts/accounts.ts';
import { type ObjectStore, objectStore } from '../../../lib/aws/client/objects.ts';
import { deleteAccount } from '../../../lib/aws/contracts/account-contracts.ts';
import { retireHost } from '../../../lib/aws/hosts/hosts.ts';
import { orphanAccounts } from '../../../lib/aws/hosts/ownership.ts';
import { keys } from '../../../lib/aws/keys.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import type { RunningHost } from '../../../socket-host/host/host.ts';
import { rowsTo } from '../../factories.ts';
import { type Faults, type Gateway, startGateway, tenantId } from '../../harness/gateway.ts';
import { until } from '../../harness/until.ts';

let gateway: Gateway;
let host: RunningHost;
let faults: Faults;
let account: Account;
let auth: ObjectStore;
let logins: number;

beforeEach(async () => {
  gateway = await startGateway(systemClock);
  auth = objectStore(gateway.emulators.clients.s3, gateway.emulators.env.AUTH_BUCKET ?? '');
  faults = {};
  host = await gateway.host(() => {}, faults);
  account = await gateway.account();
  await until('connected', async () => (await stands()) === 'connected');
  await gateway.stores[0]?.saveCreds({ account: 'signed by the phone', me: 'linked' });
  logins = 0;
});
afterEach(() => gateway.stop());

const stands = async () => (await gateway.readAccount(account.id))?.status;

/** WhatsApp answers each login from now on so, the one that follows a lost connection included. */
function refuseAll(code: number): void {
  gateway.refuseWith(() => {
    logins += 1;
    return { code, detail: 'test' };
  });
  gateway.sessions.get(account.id)?.end({ code: 428, detail: 'the connection was lost' });
}

/** A transaction of the host fails, the first one that `when` holds for, or all of them from then on. */
function fail(when: () => Promise<boolean>, how: 'once' | 'from then on'): { failed(): boolean } {
  let failures = 0;
  faults.before = async (command) => {
    if (command !== 'TransactWriteItems' || (how === 'once' && failures > 0)) return;
    if (failures === 0 && !(await when())) return;
    failures += 1;
    throw new Error('no answer');
  };
  return { failed: () => failures > 0 };
}

async function die(): Promise<void> {
  await retireHost(gateway.deps.table, host.id, Date.now());
  await orphanAccounts(gateway.deps.table, host.id);
}

const released = () =>
  until('released', async () => {
    const hot = await gateway.deps.table.get<{ owner?: string; ix?: string }>(keys.accountHot(tenantId, account.id));
    return hot !== undefined && hot.owner === undefined && hot.ix === undefined;
  });

async function desire(desired: Account['desired']): Promise<void> {
  const pair = await readAccount(gateway.deps.table, tenantId, account.id);
  if (pair === undefined) throw new Error('no such account');
  await setDesired(gateway.deps, gateway.origin(), pair, desired);
}

const ends: [number, Account['status'], string][] = [
  [403, 'banned', 'refused_403'],
  [401, 'logged_out', 'by_whatsapp'],
  [411, 'failed', 'multidevice_mismatch'],
];

describe.each(ends)('an account that WhatsApp refused with %i', (code, status, statusReason) => {
  it.each<[string, () => Promise<boolean>]>([
    ['it could not be given up', async () => (await stands()) === status],
    ['its status could not be written', async () => logins > 0],
  ])('does not log in again when %s at once', async (_what, when) => {
    const { failed } = fail(when, 'once');
    refuseAll(code);
    await released();
    expect(failed()).toBe(true);
    expect(logins).toBe(1);
    expect(await gateway.readAccount(account.id)).toMatchObject({ status, statusReason });
  });

  it('does not log in again when its host died before it gave the account up, but when it is asked to', async () => {
    const { failed } = fail(async () => (await stands()) === status, 'from then on');
    refuseAll(code);
    await until('the host hangs', async () => failed());
    await die();
    await gateway.host();
    await released();
    expect(logins).toBe(1);
    expect(await gateway.readAccount(account.id)).toMatchObject({ status, statusReason });
    gateway.refuseWith(undefined);
    await desire('connected');
    await until('another connection', async () => ['connected', 'awaiting_link'].includes((await stands()) ?? ''));
  });
});

describe('the keys of a device that was unlinked', () => {
  /** Nothing gets through to the bucket once the status is written. Answers what is left there. */
  async function loggedOutWithKeysLeft(logOut: () => Promise<void> | void): Promise<string[]> {
    faults.before = async (command) => {
      if (!command.includes('Object')) return;
      if ((await stands()) === 'logged_out') throw new Error('no answer');
    };
    await logOut();
    await until('logged out', async () => (await stands()) === 'logged_out');
    const left = await auth.list(`${tenantId}/${account.id}/`);
    expect(left.length).toBeGreaterThan(0);
    return left;
  }

  async function diedBeforeTheWipe(): Promise<string[]> {
    const left = await loggedOutWithKeysLeft(() => refuseAll(401));
    await die();
    return left;
  }

  async function nothingLeftOf(before: string[]): Promise<void> {
    const prefix = `${tenantId}/${account.id}/`;
    await until('wiped', async () => (await auth.list(prefix)).every((key) => !before.includes(key)));
  }

  it('go with the next owner when the first one died over them', async () => {
    const before = await diedBeforeTheWipe();
    await gateway.host();
    await released();
    await nothingLeftOf(before);
    expect(logins).toBe(1);
    expect(await stands()).toBe('logged_out');
  });

  it('go with the next owner when the first one ended in good order and could not remove them', async () => {
    const before = await loggedOutWithKeysLeft(() => desire('logged_out'));
    await host.stop();
    await gateway.host();
    await nothingLeftOf(before);
    await released();
    expect(logins).toBe(0);
    expect(await gateway.readAccount(account.id)).toMatchObject({ status: 'logged_out', statusReason: 'by_request' });
  });

  it('are not used when a connection is asked for before anybody has removed them', async () => {
    const before = await diedBeforeTheWipe();
    gateway.refuseWith(undefined);
    await desire('connected');
    const opened = gateway.stores.length;
    await gateway.host();
    await until('shows a code', async () => (await stands()) === 'awaiting_link');
    await nothingLeftOf(before);
    expect(gateway.stores.length).toBeGreaterThan(opened);
    expect(gateway.stores.at(-1)?.registered()).toBe(false);
  });

  it('do not outlive an account that is deleted before anybody has removed them', async () => {
    const before = await diedBeforeTheWipe();
    await deleteAccount(gateway.deps, gateway.origin(), tenantId, account.id);
    await gateway.host();
    await nothingLeftOf(before);
    await until('removed', async () => (await gateway.readHot(account.id)) === undefined);
    expect(logins).toBe(1);
  });
});

describe('what was in hand when WhatsApp refused the account and its host died', () => {
  async function refusedWith(code: number, status: Account['status']) {
    gateway.answerWith(() => 'silence');
    const contract = await gateway.contract(account, rowsTo(1));
    await until('on the wire', async () => gateway.wire.length === 1);
    const { failed } = fail(async () => (await stands()) === status, 'from then on');
    refuseAll(code);
    await until('the host hangs', async () => failed());
    await die();
    return async () =>
      expect((await gateway.messages(contract))[0]).toMatchObject({
        state: 'FAILED',
        error: { code: 'OUTCOME_UNKNOWN' },
      });
  }

  it('ends, as it can never be learned', async () => {
    const hasEnded = await refusedWith(403, 'banned');
    await gateway.host();
    await released();
    await hasEnded();
    expect(logins).toBe(1);
  });

  it('is not sent by the device that is linked next', async () => {
    const hasEnded = await refusedWith(401, 'logged_out');
    gateway.answerWith(() => ({}));
    gateway.refuseWith(undefined);
    await desire('connected');
    await gateway.host();
    await until('another connection', async () => ['connected', 'awaiting_link'].includes((await stands()) ?? ''));
    await hasEnded();
    expect(gateway.wire).toHaveLength(1);
  });
});

it('a restriction holds although the tenant disconnects and connects meanwhile', async () => {
  gateway.sessions.get(account.id)?.end({ code: 402, detail: 'test', expireSec: 60 });
  await until('restricted', async () => (await stands()) === 'restricted');
  gateway.whenOpening(() => {
    logins += 1;
  });
  await desire('disconnected');
  await released();
  expect(await stands()).toBe('disconnected');
  await desire('connected');
  await until('restricted again', async () => (await stands()) === 'restricted');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(logins).toBe(0);
});

it('an account whose connection ended while the table failed is connected again', async () => {
  gateway.answerWith(() => 'silence');
  await gateway.contract(account, rowsTo(1));
  await until('on the wire', async () => gateway.wire.length === 1);
  faults.before = (command) => {
    if (command === 'TransactWriteItems') throw new Error('the table is away');
  };
  const before = gateway.sessions.get(account.id);
  before?.end({ code: 503, detail: 'test' }, 50);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  faults.before = undefined;
  await until('a new session', async () => gateway.sessions.get(account.id) !== before);
  await until('connected', async () => (await stands()) === 'connected');
});

describe('what WhatsApp says at the end of a connection counts', () => {
  const heard: [number, Account['status'], number][] = [
    [402, 'restricted', 0],
    [403, 'banned', 0],
    // Once, and not a second time.
    [440, 'failed', 1],
  ];
  it.each(heard)('with %i also where a message in hand shows the end first', async (code, status, again) => {
    gateway.answerWith(() => 'silence');
    await gateway.contract(account, rowsTo(1));
    await until('on the wire', async () => gateway.wire.length === 1);
    gateway.whenOpening(() => {
      logins += 1;
    });
    for (let times = 0; times <= again; times++) {
      await until('on the wire', async () => gateway.wire.length === 1 + times);
      gateway.sessions.get(account.id)?.end({ code, detail: 'test', expireSec: 60 }, 50);
    }
    await until(status, async () => (await stands()) === status);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(logins).toBe(again);
    expect(await stands()).toBe(status);
  });
});
