import { BatchGetItemCommand, GetItemCommand, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb';
import { PutObjectCommand, type PutObjectCommandInput } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Clients, createClients, destroyClients } from '../../../lib/aws/client/clients.ts';
import { objectStore } from '../../../lib/aws/client/objects.ts';
import { presignUpload } from '../../../lib/aws/contracts/pages.ts';
import { type Answer, type PlayedService, playService } from './played-service.ts';
import { judgeSignature, type Received } from './sigv4.ts';

/** What the task role's endpoint gives out at the moment. */
let roleKey = 'ASIAFIRST';
const secrets = {
  ASIAFIRST: { secretAccessKey: 'first/secret+', sessionToken: 'first//token==' },
  ASIASECOND: { secretAccessKey: 'second/secret+', sessionToken: 'second//token==' },
};
const getItem = new GetItemCommand({ TableName: 'paceline', Key: { pk: { S: 'tenant#ä' }, sk: { S: 'account' } } });
const put = (more: Partial<PutObjectCommandInput> = {}) =>
  new PutObjectCommand({ Bucket: 'paceline-auth', Key: 'a1/keys/0001.log', Body: Buffer.from('entry'), ...more });
const ok: Answer = { status: 200, body: '{}' };

/** By the time of the played service. */
const judge = (request: Received, nowMs = Date.now()): string => {
  const service = request.method === 'PUT' ? 's3' : 'dynamodb';
  return judgeSignature(request, { service, region: 'eu-central-1', nowMs, secrets });
};

let answer: (request: Received) => Answer = () => ok;
let role: PlayedService;
let service: PlayedService;
let clients: Clients;

beforeEach(async () => {
  answer = () => ok;
  roleKey = 'ASIAFIRST';
  service = await playService((request) => answer(request));
  role = await playService(() => {
    const { secretAccessKey, sessionToken } = secrets[roleKey as keyof typeof secrets];
    // About to expire, so that it is asked again and again.
    const Expiration = new Date(Date.now() + 60_000).toISOString();
    const body = { AccessKeyId: roleKey, SecretAccessKey: secretAccessKey, Token: sessionToken, Expiration };
    return { status: 200, body: JSON.stringify(body) };
  });
  vi.stubEnv('AWS_REGION', 'eu-central-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
  vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', role.endpoint);
  vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', service.endpoint);
  vi.stubEnv('AWS_ENDPOINT_URL_S3', service.endpoint);
  clients = createClients();
});

afterEach(async () => {
  vi.unstubAllEnvs();
  destroyClients(clients);
  await Promise.all([service.close(), role.close()]);
});

describe('requests under a task role', () => {
  it('are signed right both ways', async () => {
    const transaction = new TransactWriteItemsCommand({
      TransactItems: [{ Put: { TableName: 'paceline', Item: { pk: { S: 'größe "1"\n' }, n: { N: '1' } } } }],
      ClientRequestToken: 'token',
    });
    const batch = new BatchGetItemCommand({ RequestItems: { paceline: { Keys: [{ pk: { S: '👍' } }] } } });
    for (const send of [
      () => clients.dynamodb.send(getItem),
      () => clients.dynamodb.send(batch),
      () => clients.dynamodb.send(transaction),
      () => clients.s3.send(put()),
      () => clients.s3.send(put({ IfNoneMatch: '*' })),
    ]) {
      for (let call = 0; call < 2; call++) await send();
    }
    expect(service.ways()).toEqual(['sdk', ...Array(5).fill('direct'), 'sdk', ...Array(3).fill('direct')]);
    expect(service.received.map((request) => judge(request))).toEqual(Array(10).fill('right'));
    const sentTokens = service.received.map(({ body }) => /"ClientRequestToken":"(.*?)"/.exec(body.toString())?.[1]);
    expect(sentTokens.filter((token) => token !== undefined)).toEqual(['token', 'token']);
    expect(service.received[0]?.headers['x-amz-security-token']).toBe('first//token==');
  });

  it('are the same both ways but for what the SDK says of its attempts', async () => {
    for (let call = 0; call < 2; call++) await clients.dynamodb.send(getItem);
    for (let call = 0; call < 2; call++) await clients.s3.send(put({ IfNoneMatch: '*' }));
    const [sdkGet, directGet, sdkPut, directPut] = service.received.map(withoutSignature);
    expect(service.ways()).toEqual(['sdk', 'direct', 'sdk', 'direct']);
    expect(difference(sdkGet?.headers, directGet?.headers)).toEqual(['amz-sdk-invocation-id', 'amz-sdk-request']);
    expect(difference(sdkPut?.headers, directPut?.headers)).toEqual(['amz-sdk-invocation-id', 'amz-sdk-request']);
    expect(directGet?.body.toString()).toBe(sdkGet?.body.toString());
    expect(directPut?.body.toString()).toBe('entry');
    expect([sdkPut?.url, directPut?.url]).toEqual([
      '/paceline-auth/a1/keys/0001.log?x-id=PutObject',
      '/paceline-auth/a1/keys/0001.log',
    ]);
    expect(directPut?.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': '5',
      'if-none-match': '*',
    });
  });

  it('follow the role to its next credentials', async () => {
    for (let call = 0; call < 3; call++) await clients.dynamodb.send(getItem);
    for (let call = 0; call < 3; call++) await clients.s3.send(put());
    roleKey = 'ASIASECOND';
    for (let call = 0; call < 4; call++) await clients.dynamodb.send(getItem);
    for (let call = 0; call < 4; call++) await clients.s3.send(put());
    expect(service.received.map((request) => judge(request))).toEqual(Array(14).fill('right'));
    for (const at of [9, 13]) {
      expect(service.received[at]).toMatchObject({ way: 'direct' });
      expect(service.received[at]?.headers['x-amz-security-token']).toBe('second//token==');
    }
  });

  it('take over the clock the SDK has set right', async () => {
    const nowMs = () => Date.now() + 3_600_000;
    answer = (request) => {
      const headers = { date: new Date(nowMs()).toUTCString() };
      if (judge(request, nowMs()) === 'right') return { status: 200, headers, body: '{}' };
      return { status: 400, headers, body: '{"__type":"InvalidSignatureException","message":"Signature expired"}' };
    };
    for (let call = 0; call < 3; call++) await clients.dynamodb.send(getItem);
    expect(service.ways()).toEqual(['sdk', 'sdk', 'direct', 'direct']);
  });
});

describe('outputs', () => {
  it('are the same both ways', async () => {
    const answers: Record<string, object> = {
      GetItem: {
        Item: {
          s: { S: '"B":"no"' },
          n: { N: '12345678901234567890' },
          l: { L: [{ NULL: true }, { BOOL: false }] },
          m: { M: {} },
        },
      },
      BatchGetItem: {
        Responses: { paceline: [{ pk: { S: 'a' }, ss: { SS: ['x', 'y'] } }] },
        UnprocessedKeys: { paceline: { Keys: [{ pk: { S: 'b' } }], ConsistentRead: true } },
      },
      TransactWriteItems: { ConsumedCapacity: [{ TableName: 'paceline', CapacityUnits: 4.5 }] },
    };
    answer = ({ headers }) => ({
      status: 200,
      body: JSON.stringify(answers[headers['x-amz-target']?.split('.')[1] ?? '']),
    });
    const batch = new BatchGetItemCommand({ RequestItems: { paceline: { Keys: [{ pk: { S: 'a' } }] } } });
    const transaction = new TransactWriteItemsCommand({ TransactItems: [], ReturnConsumedCapacity: 'TOTAL' });
    const sendAll = async () => [
      await clients.dynamodb.send(getItem),
      await clients.dynamodb.send(batch),
      await clients.dynamodb.send(transaction),
    ];
    await clients.dynamodb.send(getItem);
    service.ways();
    const direct = await sendAll();
    expect(service.ways()).toEqual(['direct', 'direct', 'direct']);
    clients.dynamodb.middlewareStack.remove('callDirectly');
    clients.dynamodb.destroy();
    const sdk = await sendAll();
    expect(service.ways()).toEqual(['sdk', 'sdk', 'sdk']);
    const plain = (outputs: object[]) => outputs.map((output) => ({ ...output, $metadata: undefined }));
    expect(plain(direct)).toEqual(plain(sdk));
    expect(plain(direct)).toEqual(plain(Object.values(answers)));
  });

  it("in need of decoding, or no JSON at all, are the SDK's to read", async () => {
    await clients.dynamodb.send(getItem);
    service.ways();
    answer = () => ({ status: 200, body: '{"Item":{"a":{"B":"AQI="},"b":{"BS": ["Aw=="]}}}' });
    const { Item } = await clients.dynamodb.send(getItem);
    expect(Item).toEqual({ a: { B: new Uint8Array([1, 2]) }, b: { BS: [new Uint8Array([3])] } });
    expect(service.ways()).toEqual(['direct', 'sdk']);
    answer = () => ({ status: 200, body: '<html>' });
    await expect(clients.dynamodb.send(getItem)).rejects.toThrow(/not valid JSON|Unexpected token/);
  });
});

describe("inputs that are the SDK's alone", () => {
  beforeEach(async () => {
    await clients.dynamodb.send(getItem);
    await clients.s3.send(put());
    service.ways();
  });

  it('are binary values and tables named by ARN', async () => {
    const Key = { pk: { B: new Uint8Array([1]) } };
    await clients.dynamodb.send(new GetItemCommand({ TableName: 'paceline', Key }));
    await clients.dynamodb.send(
      new GetItemCommand({ TableName: 'arn:aws:dynamodb:eu-central-1:111122223333:table/t', Key: { pk: { S: 'a' } } }),
    );
    expect(service.ways()).toEqual(['sdk', 'sdk']);
    expect(JSON.parse(service.received.at(-2)?.body.toString() ?? '')).toMatchObject({ Key: { pk: { B: 'AQ==' } } });
  });

  it.each([
    ['a key that needs escaping', { Key: 'a b+c/ä=.json' }],
    ['a key with dots for a folder', { Key: 'a/../b' }],
    ['a type', { ContentType: 'text/csv' }],
    ['text for a body', { Body: 'text' }],
    ['more than 1 MiB', { Body: new Uint8Array(1024 * 1024 + 1) }],
    ['a bucket named like those with an endpoint of their own', { Bucket: 'bucket--euc1-az1' }],
  ])('are objects with %s', async (_, more) => {
    await clients.s3.send(put(more));
    expect(service.ways()).toEqual(['sdk']);
    expect(judge(service.received.at(-1) ?? expect.fail())).toBe('right');
  });

  it('are objects without bucket or key, or with a path for a bucket, and nothing is sent', async () => {
    for (const more of [{ Bucket: undefined }, { Key: undefined }, { Bucket: 'paceline-auth/a1' }]) {
      await expect(clients.s3.send(put(more))).rejects.toThrow();
    }
    expect(service.ways()).toEqual([]);
  });

  it('are URLs to presign, and nothing is sent', async () => {
    const { url } = await presignUpload(clients.s3, 'paceline-pages', 'imports/a.csv', 'text/csv');
    expect(url).toContain('/paceline-pages/imports/a.csv?');
    expect(service.ways()).toEqual([]);
  });

  it('are objects of a traced Lambda invocation', async () => {
    vi.stubEnv('AWS_LAMBDA_FUNCTION_NAME', 'import');
    vi.stubEnv('_X_AMZN_TRACE_ID', 'Root=1-1');
    const inLambda = createClients();
    for (let call = 0; call < 2; call++) await inLambda.s3.send(put());
    for (let call = 0; call < 2; call++) await inLambda.dynamodb.send(getItem);
    destroyClients(inLambda);
    expect(service.ways()).toEqual(['sdk', 'sdk', 'sdk', 'direct']);
    expect(service.received.at(-3)?.headers['x-amzn-trace-id']).toBe('Root=1-1');
  });
});

describe('create-only objects', () => {
  it('are created, exist, or are tried again after a conflict', async () => {
    const store = objectStore(clients.s3, 'paceline-auth');
    const body = Buffer.from('fence');
    await store.create('a1/epoch/1', body);
    service.ways();
    expect(await store.create('a1/epoch/2', body)).toBe('created');
    expect(service.ways()).toEqual(['direct']);
    answer = () => s3Error(412, 'PreconditionFailed');
    expect(await store.create('a1/epoch/2', body)).toBe('exists');
    expect(service.ways()).toEqual(['direct', 'sdk']);
    let requests = 0;
    answer = () => (++requests <= 4 ? s3Error(409, 'ConditionalRequestConflict') : ok);
    expect(await store.create('a1/epoch/3', body)).toBe('created');
    expect(service.ways()).toEqual(['direct', 'sdk', 'direct', 'sdk', 'direct']);
    expect(service.received.every(({ headers }) => headers['if-none-match'] === '*')).toBe(true);
  });
});

const s3Error = (status: number, code: string): Answer => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`,
});

function withoutSignature(request: Received): Received {
  const { authorization: _, 'x-amz-date': __, ...headers } = request.headers;
  return { ...request, headers };
}

/** Names of the headers that differ, or are on one side only. */
function difference(a: Record<string, string> = {}, b: Record<string, string> = {}): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((name) => a[name] !== b[name]).sort();
}
