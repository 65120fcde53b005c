import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AwsService } from './fault-answers.ts';
import { type FaultProxies, startFaultProxies } from './fault-proxy.ts';

interface Asked {
  method: string;
  url: string;
  host: string;
  body: string;
  gone: boolean;
}

describe('the fault proxy', () => {
  let asked: Asked[];
  let answerAfterMs: number;
  let server: Server;
  let proxies: FaultProxies;
  let clients: { dynamodb: DynamoDBClient; sqs: SQSClient; s3: S3Client };

  beforeEach(async () => {
    asked = [];
    answerAfterMs = 0;
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const { method = '', url = '', headers } = request;
      const seen: Asked = { method, url, host: headers.host ?? '', body: String(Buffer.concat(chunks)), gone: false };
      asked.push(seen);
      response.once('close', () => {
        seen.gone = !response.writableFinished;
      });
      const body = headers['x-amz-target']?.includes('SQS') ? '{"Messages":[]}' : '{"Item":{"pk":{"S":"x"}}}';
      setTimeout(() => response.end(url.startsWith('/bucket') ? '' : body), answerAfterMs);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    proxies = await startFaultProxies({ log: true });
    const common = { region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, maxAttempts: 1 };
    clients = {
      dynamodb: new DynamoDBClient({ ...common, endpoint: proxies.dynamodb.url }),
      sqs: new SQSClient({ ...common, endpoint: proxies.sqs.url, useQueueUrlAsEndpoint: false, md5: false }),
      s3: new S3Client({ ...common, endpoint: proxies.s3.url, forcePathStyle: true }),
    };
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    proxies.setTargets({ dynamodb: url, sqs: url, s3: url });
  });
  afterEach(async () => {
    for (const client of Object.values(clients)) client.destroy();
    await proxies.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const get = () => clients.dynamodb.send(new GetItemCommand({ TableName: 't', Key: { pk: { S: 'x' } } }));
  const put = () => clients.s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'a/b', Body: 'abc' }));
  const receive = (abortSignal?: AbortSignal) =>
    clients.sqs.send(new ReceiveMessageCommand({ QueueUrl: 'http://q/1/2' }), abortSignal ? { abortSignal } : {});
  const call = (service: AwsService): Promise<unknown> =>
    service === 'dynamodb' ? get() : service === 's3' ? put() : receive();
  const every = () => true;

  it('passes requests on unchanged and names them', async () => {
    expect((await get()).Item).toEqual({ pk: { S: 'x' } });
    await put();
    await clients.s3.send(new ListObjectsV2Command({ Bucket: 'bucket' })).catch(() => undefined);
    await clients.sqs.send(new DeleteMessageCommand({ QueueUrl: 'http://q/1/2', ReceiptHandle: 'r' }));
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST /',
      'PUT /bucket/a/b?x-id=PutObject',
      'GET /bucket/?list-type=2',
      'POST /',
    ]);
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ TableName: 't', Key: { pk: { S: 'x' } } });
    expect(asked[0]?.host).toBe(new URL(proxies.dynamodb.url).host);
    expect(proxies.log().map(({ operation, status }) => [operation, status])).toEqual([
      ['GetItem', 200],
      ['PutObject', 200],
      ['ListObjectsV2', 200],
      ['DeleteMessage', 200],
    ]);
  });

  it.each([
    ['dynamodb', 'error', 500, ['InternalServerError', 'InternalServerError']],
    ['sqs', 'error', 500, ['InternalError', 'InternalError']],
    ['s3', 'error', 500, ['InternalError', 'InternalError']],
    ['dynamodb', 'throttle', 400, ['ProvisionedThroughputExceededException', 'ThrottlingException']],
    ['sqs', 'throttle', 400, ['RequestThrottled', 'RequestThrottled']],
    ['s3', 'throttle', 503, ['SlowDown', 'SlowDown']],
  ] as const)('%s can answer %s as the service would', async (service, kind, status, names) => {
    proxies[service].rule(every, { kind }, 2);
    for (const name of names) {
      await expect(call(service)).rejects.toMatchObject({ name, $metadata: { httpStatusCode: status } });
    }
    expect(asked).toEqual([]);
    await call(service);
    expect(asked).toHaveLength(1);
  });

  it('can do the work and say nothing until the line breaks', async () => {
    proxies.s3.rule(every, { kind: 'swallow-answer', ms: 600 });
    const startedMs = performance.now();
    await expect(put()).rejects.toThrow();
    expect(performance.now() - startedMs).toBeGreaterThan(590);
    expect(asked).toHaveLength(1);
    expect(proxies.s3.log.map(({ fault, status }) => [fault, status])).toEqual([['swallow-answer', 200]]);
  });

  it('can break the line before the work, after some silence, and after the work', async () => {
    proxies.dynamodb.rule(every, { kind: 'drop' });
    proxies.dynamodb.rule(every, { kind: 'hang', ms: 600 });
    proxies.dynamodb.rule(every, { kind: 'lose-answer' });
    const startedMs = performance.now();
    await expect(get()).rejects.toThrow();
    expect(performance.now() - startedMs).toBeLessThan(500);
    await expect(get()).rejects.toThrow();
    expect(performance.now() - startedMs).toBeGreaterThan(590);
    expect(asked).toHaveLength(0);
    await expect(get()).rejects.toThrow();
    expect(asked).toHaveLength(1);
    expect(proxies.dynamodb.log.map(({ fault, status }) => [fault, status])).toEqual([
      ['drop', undefined],
      ['hang', undefined],
      ['lose-answer', 200],
    ]);
  });

  it('delays', async () => {
    proxies.dynamodb.rule(every, { kind: 'delay', ms: 120 });
    const startedMs = performance.now();
    await get();
    expect(performance.now() - startedMs).toBeGreaterThan(115);
  });

  it('holds a request before or after the work until it is released', async () => {
    const matches = ({ operation, body }: { operation: string; body: string }) =>
      operation === 'GetItem' && body.includes('"x"');
    for (const [at, done] of [
      ['before', 0],
      ['after', 1],
    ] as const) {
      asked.length = 0;
      const rule = proxies.dynamodb.rule(matches, { kind: 'hold', at });
      const answer = get();
      expect((await rule.met).operation).toBe('GetItem');
      await get();
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(asked).toHaveLength(1 + done);
      rule.release();
      expect((await answer).Item).toEqual({ pk: { S: 'x' } });
      expect(asked).toHaveLength(2);
      expect(rule.count).toBe(1);
    }
  });

  it('asks the plan for whatever no rule met', async () => {
    proxies.setPlan(({ service }) => (service === 'sqs' ? { kind: 'error' } : undefined));
    await get();
    await expect(receive()).rejects.toMatchObject({ name: 'InternalError' });
    proxies.setPlan(undefined);
    await receive();
  });

  it('ends a wait for messages whose caller has gone', async () => {
    answerAfterMs = 2000;
    const leaving = new AbortController();
    const waiting = receive(leaving.signal);
    while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    leaving.abort();
    await expect(waiting).rejects.toThrow();
    while (asked[0]?.gone !== true) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});
