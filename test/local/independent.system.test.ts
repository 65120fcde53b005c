import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOCAL_CREDENTIALS, LOCAL_REGION } from '../../local/process/environment.ts';
import { provisionBuckets } from '../../local/provision/buckets.ts';
import { objectStoreGaps } from '../../local/provision/gaps.ts';
import { type LocalStack, startLocal } from '../../local/stack.ts';
import { summary } from '../../local/summary.ts';
import { type Simulator, startSimulator } from '../../simulator/server.ts';
import { type Emulators, startEmulators } from '../harness/emulators.ts';
import { orderByUpload } from './order-by-upload.ts';

/** DynamoDB and SQS of our own making, and a WhatsApp test server that the stack did not start; S3 stays the embedded one. */
let emulators: Emulators;
let whatsapp: Simulator;
let stack: LocalStack;
const dataDir = mkdtempSync(join(tmpdir(), 'paceline-independent-'));
const before = { ...process.env };

beforeAll(async () => {
  emulators = await startEmulators();
  delete process.env.AWS_ENDPOINT_URL_S3;
  whatsapp = await startSimulator({ port: 0 });
  process.env.WHATSAPP_URL = whatsapp.whatsappUrl;
  process.env.WHATSAPP_ROOT_KEY = whatsapp.rootKeyHex;
  stack = await startLocal({ dataDir, quiet: true });
});
afterAll(async () => {
  await stack.stop();
  await whatsapp.stop();
  await emulators.stop();
  process.env = before;
  rmSync(dataDir, { recursive: true, force: true });
});

describe('endpoints the user has set', () => {
  it('are used instead of the embedded ones, each for itself', async () => {
    expect(stack.simulatorUrl).toBeUndefined();
    expect(Object.keys(stack.elsewhere)).toEqual(['WhatsApp', 'DynamoDB', 'SQS']);
    const { TableNames } = await emulators.clients.dynamodb.send(new ListTablesCommand({}));
    expect(TableNames).toContain('paceline-local-table');
    const { QueueUrls = [] } = await emulators.clients.sqs.send(
      new ListQueuesCommand({ QueueNamePrefix: 'paceline-local-' }),
    );
    expect(QueueUrls.some((url) => url.endsWith('/paceline-local-feed.fifo'))).toBe(true);
    const folders = readdirSync(dataDir);
    expect(folders).toContain('s3');
    expect(folders.filter((name) => ['dynamodb', 'sqs', 'simulator'].includes(name))).toEqual([]);
  });

  it('are named when everything runs', () => {
    const text = summary(stack);
    expect(text).toContain(`WhatsApp     ${whatsapp.whatsappUrl}\n`);
    expect(text).toContain(`DynamoDB     ${emulators.env.AWS_ENDPOINT_URL_DYNAMODB}    (yours)\n`);
    expect(text).toContain(`SQS          ${emulators.env.AWS_ENDPOINT_URL_SQS}    (yours)\n`);
    expect(text).not.toContain('S3  ');
  });

  it('carry a message from the order to the phone, an upload among them', async () => {
    await orderByUpload(stack, whatsapp.url);
  });
});

const s3At = (endpoint: string) =>
  new S3Client({ endpoint, region: LOCAL_REGION, credentials: LOCAL_CREDENTIALS, forcePathStyle: true });

describe('an S3 of the user', () => {
  it('that keeps what Paceline needs is good, as is the one that all tests run on', async () => {
    const buckets = [
      { name: emulators.config.AUTH_BUCKET, cors: [], notifications: [] },
      {
        name: emulators.config.PAGES_BUCKET,
        cors: [],
        notifications: [{ queueArn: '', events: [], prefix: '', suffix: '' }],
      },
    ];
    const s3 = s3At(emulators.env.AWS_ENDPOINT_URL_S3 ?? '');
    expect(await objectStoreGaps(s3, buckets)).toEqual([]);
    s3.destroy();
  });

  it('that overwrites in spite of If-None-Match is reported', async () => {
    const overwriting = buildApp({ logger: false });
    const s3 = s3At(await overwriting.listen({ host: '127.0.0.1', port: 0 }));
    const buckets = [{ name: 'paceline-gaps', cors: [], notifications: [] }];
    await provisionBuckets(s3, buckets, new Map(), { lenient: true });
    expect(await objectStoreGaps(s3, buckets)).toEqual([
      expect.stringContaining('overwrites in spite of If-None-Match'),
    ]);
    s3.destroy();
    await overwriting.close();
  });
});
