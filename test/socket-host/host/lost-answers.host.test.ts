import { afterEach, expect, it } from 'vitest';
import { rendezvous } from '../../../lib/domain/hosts/ownership.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { type Faults, type Gateway, startGateway } from '../../harness/gateway.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';

let gateway: Gateway | undefined;
afterEach(() => gateway?.stop());

/** Waits for a session of the account that is open, other than `before`: sooner than a host that looks for lost accounts would open one. */
async function reopened(accountId: string, before: unknown): Promise<void> {
  const at = gateway;
  await until(
    'connected anew',
    async () => {
      const session = at?.sessions.get(accountId);
      return session !== before && session?.ping() !== undefined;
    },
    15_000,
  );
}

it('an account is connected again at once whose new epoch stood without an answer', async () => {
  const faults: Faults = {};
  gateway = await startGateway(scaledClock(10), systemClock);
  await gateway.host(undefined, faults);
  const account = await gateway.account();
  const { readAccount, readHot, sessions } = gateway;
  await until('connected', async () => (await readAccount(account.id))?.status === 'connected');
  const epoch = (await readHot(account.id))?.epoch ?? 0;
  const before = sessions.get(account.id);
  faults.after = async (command) => {
    if (command !== 'TransactWriteItems' || (await readHot(account.id))?.epoch === epoch) return;
    faults.after = undefined;
    throw new Error('no answer');
  };
  before?.end({ code: 440, detail: 'replaced' });
  await until('a new epoch', async () => ((await readHot(account.id))?.epoch ?? 0) > epoch);
  await reopened(account.id, before);
});

it('an account that could not be released for the host it was meant for is connected again at once', async () => {
  const faults: Faults = {};
  gateway = await startGateway(systemClock, scaledClock(2));
  const first = await gateway.host(undefined, faults);
  const account = await gateway.account();
  const { readHot, readAccount, sessions } = gateway;
  await until('connected', async () => (await readAccount(account.id))?.status === 'connected');
  const before = sessions.get(account.id);
  let refused = 0;
  faults.before = (command) => {
    if (command !== 'TransactWriteItems' || refused > 0) return;
    refused += 1;
    throw new Error('not now');
  };
  // The better claim is one host's of two by chance; a few hosts more make it certain.
  const others: string[] = [];
  do others.push((await gateway.host()).id);
  while (rendezvous([first.id, ...others], account.id)[0] === first.id);
  await until('a release was refused', async () => refused > 0);
  expect((await readHot(account.id))?.owner).toBe(first.id);
  await reopened(account.id, before);
  expect((await readHot(account.id))?.owner).toBe(first.id);
});
