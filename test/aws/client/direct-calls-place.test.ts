import { Readable } from 'node:stream';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { Dispatcher } from 'undici';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { callDynamoDirectly, callS3Directly, type DirectOptions } from '../../../lib/aws/client/direct-calls.ts';

interface Sent {
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  headers: Record<string, string>;
}

let sent: string[];
let accountId: string | undefined;
const credentials = async () => ({
  accessKeyId: `AKIA${accountId ?? ''}`,
  secretAccessKey: 'secret',
  // Asked anew for each call.
  expiration: new Date(Date.now() + 1_000),
  ...(accountId === undefined ? {} : { accountId }),
});
/** Notes the way, the place and the scope of a request. */
function note(origin: string, path: string, headers: Record<string, string>): void {
  const way = headers['amz-sdk-invocation-id'] === undefined ? 'direct' : 'sdk';
  const [, region, service] = /\/\d{8}\/([^/]+)\/([^/]+)\//.exec(headers.authorization ?? '') ?? [];
  sent.push(`${way} ${origin}${path} ${service} ${region}`);
  expect(headers.host).toBe(new URL(origin).host);
}

/** Both ways reach nobody. */
const requestHandler = {
  async handle({ protocol, hostname, port, path, headers }: Sent) {
    note(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`, path, headers);
    return { response: { statusCode: 200, headers: {}, body: Readable.from([Buffer.from('{}')]) } };
  },
};
const options: DirectOptions = {
  timeoutMs: 1_000,
  maxSockets: 1,
  open: (origin) => ({
    dispatch(request, handler) {
      note(origin, request.path, request.headers as Record<string, string>);
      const controller = {} as Dispatcher.DispatchController;
      handler.onResponseStart?.(controller, 200, {});
      handler.onResponseData?.(controller, Buffer.from('{}'));
      handler.onResponseEnd?.(controller, {});
      return true;
    },
    close: async () => {},
    destroy: async () => {},
  }),
};

beforeEach(() => {
  sent = [];
  accountId = undefined;
  vi.stubEnv('AWS_ACCOUNT_ID', undefined);
});
afterEach(() => vi.unstubAllEnvs());

function dynamoClient(settings: { region?: string; endpoint?: string; accountIdEndpointMode?: 'disabled' } = {}) {
  const client = new DynamoDBClient({ region: 'eu-central-1', credentials, requestHandler, ...settings });
  callDynamoDirectly(client, options);
  return () => client.send(new GetItemCommand({ TableName: 'paceline', Key: { pk: { S: 'a' } } }));
}

function s3Client(settings: { region?: string; endpoint?: string; forcePathStyle?: boolean } = {}) {
  const s3 = { region: 'eu-central-1', credentials, requestHandler, forcePathStyle: true, ...settings };
  const client = new S3Client({ ...s3, requestChecksumCalculation: 'WHEN_REQUIRED' });
  callS3Directly(client, options);
  return () => client.send(new PutObjectCommand({ Bucket: 'paceline-auth', Key: 'a/1', Body: Buffer.from('x') }));
}

it("is the region's endpoint", async () => {
  const get = dynamoClient();
  await get();
  await get();
  const put = s3Client();
  await put();
  await put();
  expect(sent).toEqual([
    'sdk https://dynamodb.eu-central-1.amazonaws.com/ dynamodb eu-central-1',
    'direct https://dynamodb.eu-central-1.amazonaws.com/ dynamodb eu-central-1',
    'sdk https://s3.eu-central-1.amazonaws.com/paceline-auth/a/1 s3 eu-central-1',
    'direct https://s3.eu-central-1.amazonaws.com/paceline-auth/a/1 s3 eu-central-1',
  ]);
});

it("is the account's endpoint, as long as the credentials are the account's", async () => {
  const get = dynamoClient();
  accountId = '111122223333';
  await get();
  await get();
  accountId = '444455556666';
  await get();
  await get();
  accountId = undefined;
  await get();
  await get();
  // The region's endpoint serves every account.
  accountId = '444455556666';
  await get();
  expect(sent).toEqual([
    'sdk https://111122223333.ddb.eu-central-1.amazonaws.com/ dynamodb eu-central-1',
    'direct https://111122223333.ddb.eu-central-1.amazonaws.com/ dynamodb eu-central-1',
    'sdk https://444455556666.ddb.eu-central-1.amazonaws.com/ dynamodb eu-central-1',
    'direct https://444455556666.ddb.eu-central-1.amazonaws.com/ dynamodb eu-central-1',
    'sdk https://dynamodb.eu-central-1.amazonaws.com/ dynamodb eu-central-1',
    'direct https://dynamodb.eu-central-1.amazonaws.com/ dynamodb eu-central-1',
    'direct https://dynamodb.eu-central-1.amazonaws.com/ dynamodb eu-central-1',
  ]);
});

it("is the region's endpoint where the account's is turned off", async () => {
  const get = dynamoClient({ accountIdEndpointMode: 'disabled' });
  accountId = '111122223333';
  await get();
  await get();
  expect(sent[1]).toBe('direct https://dynamodb.eu-central-1.amazonaws.com/ dynamodb eu-central-1');
});

it('is signed for the region the endpoint belongs to', async () => {
  const get = dynamoClient({ region: 'local' });
  await get();
  await get();
  expect(sent).toEqual([
    'sdk http://localhost:8000/ dynamodb us-east-1',
    'direct http://localhost:8000/ dynamodb us-east-1',
  ]);
});

it('is never learnt where paths begin with something else', async () => {
  const get = dynamoClient({ endpoint: 'http://127.0.0.1:4566/base' });
  const put = s3Client({ endpoint: 'http://127.0.0.1:4566/base' });
  const putByHost = s3Client({ forcePathStyle: false });
  for (const call of [get, get, put, put, putByHost, putByHost]) await call();
  expect(sent.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
    'sdk http://127.0.0.1:4566/base/',
    'sdk http://127.0.0.1:4566/base/',
    'sdk http://127.0.0.1:4566/base/paceline-auth/a/1',
    'sdk http://127.0.0.1:4566/base/paceline-auth/a/1',
    'sdk https://paceline-auth.s3.eu-central-1.amazonaws.com/a/1',
    'sdk https://paceline-auth.s3.eu-central-1.amazonaws.com/a/1',
  ]);
});
