import {
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callDynamoDirectly, callS3Directly } from '../../../lib/aws/client/direct-calls.ts';
import { type Answer, type PlayedService, playService } from './played-service.ts';

const getItem = new GetItemCommand({ TableName: 'paceline', Key: { pk: { S: 'a' } } });
const transaction = new TransactWriteItemsCommand({
  TransactItems: [{ Put: { TableName: 'paceline', Item: { pk: { S: 'a' } } } }],
});
const put = new PutObjectCommand({ Bucket: 'paceline-auth', Key: 'a1/1', Body: Buffer.from('x'), IfNoneMatch: '*' });

const ok: Answer = { status: 200, body: '{}' };
const json = (status: number, type: string): Answer => ({
  status,
  body: JSON.stringify({ __type: type, message: 'no' }),
});
const xml = (status: number, code: string): Answer => ({
  status,
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`,
});
const failures: Record<string, Answer> = {
  'the connection reset': 'reset',
  'the answer cut off': 'cut off',
  'the answer standing still': 'stall',
  'no answer': 'hang',
  'an answer 500': json(500, 'InternalServerError'),
  'an answer 503 without a body': { status: 503 },
  throttling: json(400, 'ThrottlingException'),
};

/** How the coming requests are answered, one after the other; then the last one on and on. */
let script: Answer[] = [ok];
/** Transactions by token, objects by path, with what was sent. */
let effects: Map<string, string>;
let service: PlayedService;
let dynamodb: DynamoDBClient;
let s3: S3Client;

const limits = { timeoutMs: 150, maxSockets: 10 };

beforeEach(async () => {
  script = [ok];
  effects = new Map();
  service = await playService(({ method, url, headers, body }) => {
    const answer = (script.length > 1 ? script.shift() : script[0]) ?? ok;
    // What is not refused is done, answered or not.
    if (typeof answer !== 'string' && answer.status !== 200) return answer;
    if (method === 'PUT') {
      const path = url.split('?')[0] ?? '';
      if (effects.has(path)) return xml(412, 'PreconditionFailed');
      effects.set(path, '');
    } else if (headers['x-amz-target']?.endsWith('TransactWriteItems')) {
      const text = body.toString();
      const token = JSON.parse(text).ClientRequestToken;
      // Stricter than need be: whether the service compares bytes or parameters is not said.
      if ((effects.get(token) ?? text) !== text) return json(400, 'IdempotentParameterMismatchException');
      effects.set(token, text);
    }
    return answer;
  });
  const config = {
    region: 'eu-central-1',
    endpoint: service.endpoint,
    credentials: { accessKeyId: 'AKIA', secretAccessKey: 'secret' },
    maxAttempts: 2,
    requestHandler: { requestTimeout: 150, throwOnRequestTimeout: true, socketTimeout: 150 },
  } satisfies DynamoDBClientConfig;
  dynamodb = new DynamoDBClient(config);
  callDynamoDirectly(dynamodb, limits);
  s3 = new S3Client({ ...config, forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED' });
  callS3Directly(s3, limits);
  await dynamodb.send(getItem);
  await s3.send(put);
  effects.clear();
  service.ways();
});

afterEach(async () => {
  dynamodb.destroy();
  s3.destroy();
  await service.close();
});

/** How a call ended: `done`, or the error's name and status. */
async function end(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return 'done';
  } catch (error) {
    const { name, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
    return `${name} ${$metadata?.httpStatusCode ?? ''}`;
  }
}

/** How a call ends both ways when answered so, what it has done, and the ways of its requests. */
async function bothWays(client: DynamoDBClient | S3Client, call: () => Promise<unknown>, answers: Answer[]) {
  script = [...answers];
  const direct = { end: await end(call), effects: effects.size, ways: service.ways() };
  effects.clear();
  client.middlewareStack.remove('callDirectly');
  script = [...answers];
  const sdk = { end: await end(call), effects: effects.size, ways: service.ways() };
  return { direct, sdk };
}

describe.each(Object.entries(failures))('%s', (_, failure) => {
  it('once: the call is done, once', async () => {
    const { direct, sdk } = await bothWays(dynamodb, () => dynamodb.send(transaction), [failure, ok]);
    expect(direct).toEqual({ end: 'done', effects: 1, ways: ['direct', 'sdk'] });
    expect(sdk).toEqual({ end: 'done', effects: 1, ways: ['sdk', 'sdk'] });
  });

  it('always: the call fails as the SDK has it', async () => {
    const { direct, sdk } = await bothWays(dynamodb, () => dynamodb.send(transaction), [failure]);
    expect(direct.end).not.toBe('done');
    expect(direct.end).toBe(sdk.end);
    expect([direct.effects, sdk.effects]).toEqual(typeof failure === 'string' ? [1, 1] : [0, 0]);
    expect(direct.ways).toEqual(['direct', 'sdk', 'sdk']);
    expect(sdk.ways).toEqual(['sdk', 'sdk']);
  });
});

describe.each<[string, Answer, string]>([
  ['the connection reset', 'reset', 'PreconditionFailed 412'],
  ['the answer cut off', 'cut off', 'PreconditionFailed 412'],
  ['no answer', 'hang', 'PreconditionFailed 412'],
  ['an answer 500', xml(500, 'InternalError'), 'done'],
  ['throttling', xml(503, 'SlowDown'), 'done'],
])('creating an object: %s', (_, failure, expected) => {
  it('once: it ends as the SDK has it, with one object', async () => {
    const { direct, sdk } = await bothWays(s3, () => s3.send(put), [failure, ok]);
    expect(direct).toEqual({ end: expected, effects: 1, ways: ['direct', 'sdk'] });
    expect(sdk).toEqual({ end: expected, effects: 1, ways: ['sdk', 'sdk'] });
  });
});

describe('other failures', () => {
  it('no connection: the call fails as the SDK has it', async () => {
    dynamodb.destroy();
    await service.close();
    const { direct, sdk } = await bothWays(dynamodb, () => dynamodb.send(transaction), [ok]);
    expect(direct.end).toMatch(/^(Error|TimeoutError|AggregateError) $/);
    expect(direct.end).toBe(sdk.end);
  });

  it('a bucket of another region: the call fails as the SDK has it', async () => {
    const moved: Answer = {
      status: 301,
      headers: {
        'x-amz-bucket-region': 'us-west-2',
        location: 'https://s3.us-west-2.amazonaws.com/paceline-auth/a1/1',
      },
      body: '<Error><Code>PermanentRedirect</Code><Message>no</Message></Error>',
    };
    const { direct, sdk } = await bothWays(s3, () => s3.send(put), [moved]);
    expect(direct).toEqual({ end: 'PermanentRedirect 301', effects: 0, ways: ['direct', 'sdk'] });
    expect(sdk).toEqual({ end: 'PermanentRedirect 301', effects: 0, ways: ['sdk'] });
  });

  it('input that is no JSON: the call fails as the SDK has it, and nothing is sent', async () => {
    const Key = { pk: { N: 1n as unknown as string } };
    const bigint = () => dynamodb.send(new GetItemCommand({ TableName: 'paceline', Key }));
    const { direct, sdk } = await bothWays(dynamodb, bigint, [ok]);
    expect(direct.end).toBe(sdk.end);
    expect(direct.ways).toEqual(sdk.ways);
  });

  it('a token given as undefined is one token both ways', async () => {
    const input = { TransactItems: [], ClientRequestToken: undefined };
    script = ['reset', ok];
    await dynamodb.send(new TransactWriteItemsCommand(input));
    expect(service.ways()).toEqual(['direct', 'sdk']);
    expect([...effects.keys()]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  });

  it('connections are used again after failing answers, and closed with the client', async () => {
    script = [json(400, 'ConditionalCheckFailedException')];
    for (let call = 0; call < 50; call++) expect(await end(() => dynamodb.send(getItem))).not.toBe('done');
    expect(service.ways()).toEqual(Array(50).fill(['direct', 'sdk']).flat());
    // Each way one of DynamoDB and one of S3, but that direct calls to S3 have not begun.
    expect(service.openSockets()).toBe(3);
    dynamodb.destroy();
    s3.destroy();
    await expect.poll(() => service.openSockets()).toBe(0);
  });
});
