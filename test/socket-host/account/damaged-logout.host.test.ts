import { expect, it } from 'vitest';
import { readAccount, setDesired } from '../../../lib/aws/accounts/accounts.ts';
import { objectStore } from '../../../lib/aws/client/objects.ts';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { startGateway, tenantId } from '../../harness/gateway.ts';
import { until } from '../../harness/until.ts';

it('an account whose keys are damaged can be logged out', async () => {
  const gateway = await startGateway(systemClock);
  try {
    const account = await gateway.account();
    const auth = objectStore(gateway.emulators.clients.s3, gateway.emulators.env.AUTH_BUCKET ?? '');
    const prefix = `${tenantId}/${account.id}/`;
    await auth.put(`${prefix}log/000000000001`, Buffer.from('damaged'));
    await gateway.host();
    await until('failed', async () => (await gateway.readAccount(account.id))?.status === 'failed');
    expect((await gateway.readAccount(account.id))?.statusReason).toBe('auth_state_damaged');
    const pair = await readAccount(gateway.deps.table, tenantId, account.id);
    if (pair === undefined) throw new Error('no such account');
    await setDesired(gateway.deps, gateway.origin(), pair, 'logged_out');
    await until('logged out', async () => (await gateway.readAccount(account.id))?.status === 'logged_out');
    await until('wiped', async () => !(await auth.list(prefix)).includes(`${prefix}log/000000000001`));
  } finally {
    await gateway.stop();
  }
});
