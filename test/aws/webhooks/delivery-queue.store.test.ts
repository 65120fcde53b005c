import { DeleteMessageCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DeliveryMessage } from '../../../lib/aws/webhooks/delivery-queue.ts';
import { type Emulators, startEmulators } from '../../harness/emulators.ts';

let emulators: Emulators;
beforeAll(async () => {
  emulators = await startEmulators();
});
afterAll(() => emulators.stop());

const message = (id: string, group = '0'): DeliveryMessage => ({
  t: 'ten_1',
  w: 'whk_1',
  id,
  at: 1,
  e: 'evt_1',
  ea: 1,
  due: 1,
  group,
});

async function receive(url: string) {
  const { Messages = [] } = await emulators.clients.sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: url,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 2,
      MessageSystemAttributeNames: ['MessageGroupId'],
    }),
  );
  return Messages.map(({ Body = '', Attributes, ReceiptHandle = '' }) => ({
    body: JSON.parse(Body),
    group: Attributes?.MessageGroupId,
    handle: ReceiptHandle,
  }));
}

it('sends each key once, to the group of its endpoint, and gives a group back when its message is released', async () => {
  const { deliveries, config } = emulators.deps;
  const all = Array.from({ length: 23 }, (_, i) => ({ message: message(`dlv_${i}`, String(i % 4)), key: `k${i}` }));
  await deliveries.send([...all, { message: message('dlv_0'), key: 'k0' }]);
  const seen: string[] = [];
  for (let round = 0; round < 30 && seen.length < 23; round++) {
    const got = await receive(config.WEBHOOK_QUEUE_URL);
    for (const { body, group } of got) expect(group).toBe(`whk_1#${body.group}`);
    seen.push(...got.map(({ body }) => body.id));
    await deliveries.release(got.map(({ handle }) => handle));
  }
  expect(seen.toSorted()).toEqual(all.map(({ message: { id } }) => id).toSorted());
});

it('holds back for whole seconds', async () => {
  const { deliveries, config } = emulators.deps;
  const began = Date.now();
  await deliveries.later(message('dlv_later'), 900);
  let got = await receive(config.WEBHOOK_LATER_QUEUE_URL);
  while (got.length === 0) got = await receive(config.WEBHOOK_LATER_QUEUE_URL);
  expect(got.map(({ body }) => body.id)).toEqual(['dlv_later']);
  expect(Date.now() - began).toBeGreaterThanOrEqual(980);
  await emulators.clients.sqs.send(
    new DeleteMessageCommand({ QueueUrl: config.WEBHOOK_LATER_QUEUE_URL, ReceiptHandle: got[0]?.handle }),
  );
});
