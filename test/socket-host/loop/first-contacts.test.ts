import { expect, it } from 'vitest';
import type { Table } from '../../../lib/aws/client/table.ts';
import type { Hold } from '../../../lib/aws/hosts/ownership.ts';
import type { Account } from '../../../lib/domain/accounts/account.ts';
import { AccountRecord } from '../../../socket-host/account/record.ts';
import type { HostDeps } from '../../../socket-host/deps.ts';
import { FirstContacts } from '../../../socket-host/loop/first-contacts.ts';
import { manualClock } from '../../harness/manual-clock.ts';

const hour = 3_600_000;
const hold: Hold = { tenantId: 'ten_1', accountId: 'acc_1', hostId: 'hst_1', epoch: 1 };

/** An account's item, with calls that end when the test says so, in any order. */
function item(settings: Partial<Account> = {}) {
  let held = { id: 'acc_1', status: 'connected', warnings: [], ...settings } as unknown as Account;
  const calls: (() => void)[] = [];
  const clock = manualClock();
  const called = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    calls.push(resolve);
    await promise;
  };
  const table = {
    async get() {
      const read = held;
      await called();
      return read;
    },
    async tryTransact({ account }: { account: { values: Record<string, unknown> } }) {
      await called();
      held = { ...held, firstContactsHeldUntil: account.values[':firstContactsHeldUntil'] as never };
    },
  } as unknown as Table;
  const deps = { table, clock, failed() {} } as unknown as HostDeps;
  const record = new AccountRecord(deps, hold, held, () => {});
  const flush = () => new Promise((resolve) => setImmediate(resolve));
  return {
    record,
    contacts: new FirstContacts(deps, record),
    nowMs: clock.nowMs(),
    heldUntil: () => held.firstContactsHeldUntil,
    calls,
    /** Ends the calls that are under way, the last one first. */
    async end() {
      await flush();
      for (const call of calls.splice(0).reverse()) call();
      await flush();
    },
  };
}

it('the newest word on first contacts is the one that stays, whichever write ends first', async () => {
  const { contacts, record, nowMs, heldUntil, end } = item();
  const announced = [contacts.announced(nowMs + hour), contacts.announced(nowMs + 2 * hour)];
  await end();
  await end();
  await Promise.all(announced);
  expect([heldUntil(), record.account.firstContactsHeldUntil]).toEqual([nowMs + 2 * hour, nowMs + 2 * hour]);
});

it('a hold that is written while the account is read stands', async () => {
  const { contacts, record, nowMs, calls, end } = item();
  const reading = record.read();
  const announced = contacts.announced(nowMs + hour);
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toHaveLength(2);
  await end();
  await end();
  await Promise.all([reading, announced]);
  expect(record.account.firstContactsHeldUntil).toBe(nowMs + hour);
});

it('a timelock without an end holds for a day, one that is over not at all', async () => {
  const { contacts, nowMs, end } = item();
  const announced = contacts.announced(Number.NaN);
  await end();
  await announced;
  expect(contacts.untilMs).toBe(nowMs + 24 * hour);
  const over = contacts.announced(nowMs - 1);
  await end();
  await over;
  expect(contacts.untilMs).toBeUndefined();
});
