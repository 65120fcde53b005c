import { setTimeout as sleep } from 'node:timers/promises';
import {
  ChangeMessageVisibilityCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { expect, onTestFinished, test } from 'vitest';
import { type SqsEmulator, startSqs } from '../../local/emulators/sqs.ts';
import type { Outcome } from '../../local/functions/function.ts';
import { provisionQueues } from '../../local/provision/queues.ts';
import { pollQueue, type QueuePollerOptions } from '../../local/sources/queue-poller.ts';
import { eventually, temporaryFolder } from './temporary-folder.ts';

interface Prepared {
  sqs: SQSClient;
  emulator: SqsEmulator;
  url: string;
  arn: string;
  dataDir: string;
}

async function prepare(
  options: { dataDir?: string; fifo?: boolean; maxReceiveCount?: number } = {},
): Promise<Prepared> {
  const dataDir = options.dataDir ?? temporaryFolder();
  const emulator = await startSqs({ port: 0, dataDir });
  const sqs = new SQSClient({
    endpoint: emulator.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local-secret' },
    useQueueUrlAsEndpoint: false,
  });
  onTestFinished(async () => {
    sqs.destroy();
    await emulator.close();
  });
  const end = options.fifo === false ? '' : '.fifo';
  const attributes: Record<string, string> = options.fifo === false ? {} : { FifoQueue: 'true' };
  const deadLetterArn = `arn:aws:sqs:us-east-1:000000000000:dead${end}`;
  const redrive = { deadLetterArn, maxReceiveCount: options.maxReceiveCount ?? 10 };
  const queues = await provisionQueues(sqs, [
    { name: `work${end}`, attributes: { ...attributes, VisibilityTimeout: '30' }, redrive },
    { name: `dead${end}`, attributes, redrive: undefined },
  ]);
  const { url, arn } = queues.get(`work${end}`) ?? { url: '', arn: '' };
  return { sqs, emulator, url, arn, dataDir };
}

let nextDeduplication = 0;
async function send({ sqs, url }: Prepared, body: string, group = 'g', more: object = {}): Promise<void> {
  const fifo = url.endsWith('.fifo')
    ? { MessageGroupId: group, MessageDeduplicationId: String(nextDeduplication++) }
    : {};
  await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: body, ...fifo, ...more }));
}

interface Batch {
  Records: { messageId: string; body: string; attributes: Record<string, string>; messageAttributes: object }[];
}

/** Polls with a function made of a test's own code; stops with the test. */
function poll(prepared: Prepared, handle: (batch: Batch) => Outcome, more: Partial<QueuePollerOptions> = {}): void {
  const stopping = new AbortController();
  const running = pollQueue(
    {
      sqs: prepared.sqs,
      queueUrl: prepared.url,
      queueArn: prepared.arn,
      batchSize: 10,
      reportsFailures: true,
      concurrency: 2,
      filters: [],
      log: () => undefined,
      target: {
        name: 'test',
        available: () => Promise.resolve(),
        invoke: (event) => Promise.resolve(handle(event as Batch)),
      },
      ...more,
    },
    stopping.signal,
  );
  onTestFinished(async () => {
    stopping.abort();
    await running;
  });
}

const ok = (failed: string[] = []): Outcome => ({
  kind: 'ok',
  value: { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) },
});

test('only the reported messages of a batch come again', async () => {
  const prepared = await prepare({ fifo: false });
  for (const body of ['a', 'b', 'c']) await send(prepared, body);
  const seen: string[] = [];
  poll(prepared, ({ Records }) => {
    const failed = Records.filter((one) => one.body === 'b' && one.attributes.ApproximateReceiveCount === '1');
    seen.push(...Records.map((one) => `${one.body}${one.attributes.ApproximateReceiveCount}`));
    return ok(failed.map((one) => one.messageId));
  });
  await eventually(() => (seen.includes('b2') ? true : undefined));
  expect(seen.toSorted()).toEqual(['a1', 'b1', 'b2', 'c1']);
});

test('a FIFO group keeps its order over a failure while other groups go on', async () => {
  const prepared = await prepare();
  for (const body of ['a1', 'a2', 'a3']) await send(prepared, body, 'a');
  await send(prepared, 'b1', 'b');
  const done: string[] = [];
  poll(prepared, ({ Records }) => {
    const failed = Records.filter((one) => one.body === 'a2' && one.attributes.ApproximateReceiveCount === '1');
    for (const one of Records) if (!failed.includes(one)) done.push(one.body);
    return ok(failed.map((one) => one.messageId));
  });
  await eventually(() => (done.length === 4 ? true : undefined));
  expect(done.filter((body) => body.startsWith('a'))).toEqual(['a1', 'a2', 'a3']);
  expect(done.indexOf('b1')).toBeLessThan(done.indexOf('a2'));
});

test('a crash brings the whole batch back; attributes arrive as Lambda gives them', async () => {
  const prepared = await prepare();
  const MessageAttributes = { kind: { DataType: 'String', StringValue: 'test' } };
  await send(prepared, 'x', 'g', { MessageAttributes });
  const batches: Batch[] = [];
  poll(prepared, (batch) => {
    batches.push(batch);
    return batches.length === 1 ? { kind: 'crashed' } : ok();
  });
  await eventually(() => (batches.length === 2 ? true : undefined));
  expect(batches[1]?.Records[0]).toMatchObject({
    body: 'x',
    attributes: { ApproximateReceiveCount: '2', MessageGroupId: 'g' },
    messageAttributes: {
      kind: { stringValue: 'test', dataType: 'String', stringListValues: [], binaryListValues: [] },
    },
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:work.fifo',
    awsRegion: 'us-east-1',
  });
});

test('a message no function ever takes ends in the dead-letter queue', async () => {
  const prepared = await prepare({ maxReceiveCount: 1 });
  await send(prepared, 'poison');
  poll(prepared, () => ({ kind: 'error', name: 'Error', message: 'no' }));
  const dead = prepared.url.replace('work', 'dead');
  const found = await eventually(async () => {
    const { Messages } = await prepared.sqs.send(new ReceiveMessageCommand({ QueueUrl: dead }));
    return Messages?.[0]?.Body;
  });
  expect(found).toBe('poison');
});

test('a message made visible again is there at once, and after a restart', async () => {
  const prepared = await prepare();
  await send(prepared, 'x');
  const receive = async (from: Prepared) => {
    const { Messages } = await from.sqs.send(new ReceiveMessageCommand({ QueueUrl: from.url }));
    return Messages?.[0];
  };
  const back = async (from: Prepared, ReceiptHandle: string | undefined) => {
    const give = { QueueUrl: from.url, ReceiptHandle, VisibilityTimeout: 0 };
    await from.sqs.send(new ChangeMessageVisibilityCommand(give));
  };
  await back(prepared, (await receive(prepared))?.ReceiptHandle);
  const again = await receive(prepared);
  expect(again?.Body).toBe('x');
  await back(prepared, again?.ReceiptHandle);
  await prepared.emulator.close();
  expect((await receive(await prepare({ dataDir: prepared.dataDir })))?.Body).toBe('x');
});

test('a long poll whose caller has gone takes no message', async () => {
  const prepared = await prepare({ fifo: false });
  const controller = new AbortController();
  const wait = new ReceiveMessageCommand({ QueueUrl: prepared.url, WaitTimeSeconds: 20 });
  const gone = prepared.sqs.send(wait, { abortSignal: controller.signal });
  await sleep(100);
  controller.abort();
  await expect(gone).rejects.toThrow();
  await sleep(50);
  await send(prepared, 'x');
  await sleep(50);
  const { Messages } = await prepared.sqs.send(new ReceiveMessageCommand({ QueueUrl: prepared.url }));
  expect(Messages?.[0]?.Body).toBe('x');
});
