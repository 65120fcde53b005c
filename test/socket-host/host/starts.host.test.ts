import { expect, it } from 'vitest';
import { systemClock } from '../../../lib/runtime/clock.ts';
import { type Faults, startGateway } from '../../harness/gateway.ts';
import { manualClock } from '../../harness/manual-clock.ts';
import { until } from '../../harness/until.ts';

it('a host whose wake queue was long in the making serves accounts all the same', async () => {
  const fleetClock = manualClock();
  const gateway = await startGateway(systemClock, fleetClock);
  try {
    const account = await gateway.account();
    const fenced: string[] = [];
    const faults: Faults = {
      before: async (command) => {
        if (command === 'CreateQueue') await fleetClock.advance(8_000);
      },
    };
    const host = await gateway.host((why) => fenced.push(why), faults);
    await until('connected', async () => (await gateway.readAccount(account.id))?.status === 'connected', 5_000);
    expect((await gateway.readHot(account.id))?.owner).toBe(host.id);
    expect(fenced).toEqual([]);
    // Drains wait on the fleet's clock.
    const ended = host.stop();
    await until('drained', async () => {
      await fleetClock.advance(100);
      return await Promise.race([ended.then(() => true), systemClock.sleep(20).then(() => false)]);
    });
  } finally {
    await gateway.stop();
  }
});
