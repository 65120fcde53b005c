import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectsCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { DeleteMessageBatchCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Clients, createClients, destroyClients } from '../../../lib/aws/client/clients.ts';
import { type PlayedService, playService } from './played-service.ts';

const Bucket = 'paceline-auth';
const QueueUrl = 'https://sqs.eu-central-1.amazonaws.com/1/queue';
const put = (Key: string, bytes: number) =>
  new PutObjectCommand({ Bucket, Key, Body: Buffer.alloc(bytes, 'x'), IfNoneMatch: '*' });
const receive = (WaitTimeSeconds: number) => new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds });
const remove = new DeleteMessageBatchCommand({ QueueUrl, Entries: [{ Id: '0', ReceiptHandle: 'receipt' }] });
const mebibyte = 1024 * 1024;

let service: PlayedService;
let clients: Clients;
let silent: boolean;

beforeEach(async () => {
  silent = false;
  service = await playService(() => (silent ? 'hang' : { status: 200, body: '{}' }));
  vi.stubEnv('AWS_REGION', 'eu-central-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIA');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_ENDPOINT_URL_S3', service.endpoint);
  vi.stubEnv('AWS_ENDPOINT_URL_SQS', service.endpoint);
  clients = createClients();
  // Where direct calls go to is learnt from these.
  await clients.s3.send(put('first', 10));
  await clients.sqs.send(remove);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  destroyClients(clients);
  await service.close();
});

it('calls that hang are made again after 5 s; large objects, removals of many and long polls are waited for', async () => {
  silent = true;
  service.ways();
  const calls = [
    clients.s3.send(put('small', mebibyte)),
    clients.s3.send(new GetObjectCommand({ Bucket, Key: 'read' })),
    clients.s3.send(put('large', mebibyte + 1)),
    clients.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'a' }] } })),
    clients.sqs.send(remove),
    clients.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: '"WaitTimeSeconds":20' })),
    clients.sqs.send(receive(0)),
    clients.sqs.send(receive(5)),
    clients.sqs.send(receive(20)),
  ].map((call) => call.catch(() => undefined));
  const asked = () => {
    const counts = new Map<string, number>();
    for (const { method, url, headers, body } of service.received.slice(2)) {
      const target = headers['x-amz-target']?.split('.')[1];
      const wait = target === 'ReceiveMessage' ? ` ${JSON.parse(body.toString()).WaitTimeSeconds} s` : '';
      const name = target === undefined ? `${method} ${url.replace(/[?].*/, '')}` : `${target}${wait}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return Object.fromEntries(counts);
  };
  const once = {
    'PUT /paceline-auth/small': 1,
    'GET /paceline-auth/read': 1,
    'PUT /paceline-auth/large': 1,
    'POST /paceline-auth/': 1,
    DeleteMessageBatch: 1,
    SendMessage: 1,
    'ReceiveMessage 0 s': 1,
    'ReceiveMessage 5 s': 1,
    'ReceiveMessage 20 s': 1,
  };

  await sleep(4500);
  expect(asked()).toEqual(once);
  silent = false;
  await sleep(3500);
  expect(asked()).toEqual({
    ...once,
    'PUT /paceline-auth/small': 2,
    'GET /paceline-auth/read': 2,
    DeleteMessageBatch: 2,
    SendMessage: 2,
    'ReceiveMessage 0 s': 2,
  });
  destroyClients(clients);
  await Promise.all(calls);
}, 20_000);
