import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createWakeQueue, type Host, putHost, removeHost } from '../../../lib/aws/hosts/hosts.ts';
import { wakeAccount } from '../../../lib/aws/hosts/wake.ts';
import { keys } from '../../../lib/aws/keys.ts';
import { newHost } from '../../factories.ts';
import { type Emulators, startEmulators } from '../../harness/emulators.ts';

const tenantId = 'ten_1';
const accountId = 'acc_1';
const nowMs = 1_800_000_000_000;
const [owner, second, third, fourth] = [1, 2, 3, 4].map((n) => `hst_0000000000000000000000000${n}`) as [
  string,
  string,
  string,
  string,
];

describe('waking an account', () => {
  let emulators: Emulators;
  const wakeQueues = new Map<string, string>();
  beforeAll(async () => {
    emulators = await startEmulators();
    const { clients, config } = emulators;
    for (const id of [owner, second, third, fourth]) {
      wakeQueues.set(id, await createWakeQueue(clients.sqs, config.WAKE_QUEUE_PREFIX, id));
    }
  });
  afterAll(() => emulators.stop());
  beforeEach(async () => {
    for (const id of [owner, second, third, fourth]) await host(id);
    await emulators.deps.table.put({ ...keys.accountHot(tenantId, accountId), owner });
  });

  const host = (id: string, more: Partial<Host> = {}) =>
    putHost(
      emulators.deps.table,
      newHost(id, { beatAt: nowMs, wakeQueueUrl: wakeQueues.get(id) ?? '', accounts: 1, ...more }),
    );

  /** The hosts that have been woken, once each. */
  async function wake(): Promise<{ notWoken: { cause: unknown } | undefined; woken: string[] }> {
    const notWoken = await wakeAccount({ ...emulators.deps, nowMs: () => nowMs }, tenantId, accountId);
    const woken: string[] = [];
    for (const [id, QueueUrl] of wakeQueues) {
      const { Messages = [] } = await emulators.clients.sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
      );
      woken.push(...Messages.map(() => id));
    }
    return { notWoken, woken };
  }

  it('wakes its owner alone', async () => {
    expect(await wake()).toEqual({ notWoken: undefined, woken: [owner] });
  });

  it('wakes an owner whose clock is behind all the same, since others leave it what it has; and the two who would take it', async () => {
    await host(owner, { beatAt: nowMs - 30_000 });
    const { woken } = await wake();
    expect([woken[0], woken.length]).toEqual([owner, 3]);
  });

  it('wakes the two who would take it where its owner has been retired or is gone', async () => {
    await host(owner, { beatAt: nowMs - 30_000, retired: true });
    const retired = await wake();
    await removeHost(emulators.deps.table, owner);
    const gone = await wake();
    expect(retired).toEqual(gone);
    expect(gone.woken).toHaveLength(2);
    expect(gone.woken).not.toContain(owner);
  });

  it('answers why its owner could not be woken', async () => {
    await host(owner, { wakeQueueUrl: `${wakeQueues.get(owner)}-gone` });
    expect(await wake()).toMatchObject({ notWoken: { cause: { name: 'QueueDoesNotExist' } }, woken: [] });
  });
});
