import { CreateQueueCommand, GetQueueUrlCommand, ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { queueExists, removeQueuesByPrefix } from '../../lib/aws/teardown.ts';

const server = buildApp({ logger: false });
let sqs: SQSClient;

beforeAll(async () => {
  const endpoint = await server.listen({ host: '127.0.0.1', port: 0 });
  sqs = new SQSClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    useQueueUrlAsEndpoint: false,
  });
});
afterAll(async () => {
  sqs.destroy();
  await server.close();
});

const make = (QueueName: string) =>
  sqs.send(
    new CreateQueueCommand({ QueueName, ...(QueueName.endsWith('.fifo') && { Attributes: { FifoQueue: 'true' } }) }),
  );

test('removes all lanes of one stage and nothing else, and can be repeated', async () => {
  const lanes = Array.from({ length: 25 }, (_, index) => `paceline-qa-lane-acc_${index}-bulk.fifo`);
  const others = ['paceline-qa-lanes-dlq.fifo', 'paceline-qa-inbox-hst_1', 'paceline-prod-lane-acc_1-bulk.fifo'];
  await Promise.all([...lanes, ...others].map(make));

  expect(await removeQueuesByPrefix(sqs, 'paceline-qa-lane-')).toBe(25);
  expect(await removeQueuesByPrefix(sqs, 'paceline-qa-lane-')).toBe(0);

  const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({}));
  expect(QueueUrls.map((url) => url.split('/').at(-1)).sort()).toEqual([...others].sort());
});

test.each(['', 'paceline-', 'paceline-qa', 'other-qa-lane-'])('refuses the prefix "%s"', async (prefix) => {
  await expect(removeQueuesByPrefix(sqs, prefix)).rejects.toThrow('Not the prefix');
});

test('knows whether a queue is there', async () => {
  await make('paceline-qa-feed.fifo');
  await sqs.send(new GetQueueUrlCommand({ QueueName: 'paceline-qa-feed.fifo' }));
  expect(await queueExists(sqs, 'paceline-qa-feed.fifo')).toBe(true);
  expect(await queueExists(sqs, 'paceline-other-feed.fifo')).toBe(false);
});
