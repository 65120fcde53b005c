import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListBucketsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { GetQueueUrlCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type S3Emulator, startS3 } from '../../local/emulators/s3.ts';
import { type Endpoints, LOCAL_CREDENTIALS, LOCAL_REGION } from '../../local/process/environment.ts';
import { type LocalStack, startLocal } from '../../local/stack.ts';
import { summary } from '../../local/summary.ts';
import { orderByUpload } from './order-by-upload.ts';

/** An S3 that the stack did not start, which notifies the stack's queues of new objects; everything else is embedded. */
describe('an S3 of the user, set with AWS_ENDPOINT_URL_S3', () => {
  let s3: S3Emulator;
  let client: S3Client;
  let sqs: SQSClient | undefined;
  let stack: LocalStack;
  const folder = mkdtempSync(join(tmpdir(), 'paceline-independent-s3-'));
  const dataDir = join(folder, 'data');
  const before = process.env.AWS_ENDPOINT_URL_S3;
  const own = { region: LOCAL_REGION, credentials: LOCAL_CREDENTIALS };

  async function notifyQueue(queueArn: string, MessageBody: string): Promise<boolean> {
    if (sqs === undefined) return false;
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: queueArn.split(':').at(-1) }));
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    return true;
  }

  beforeAll(async () => {
    s3 = await startS3({ port: 0, dataDir: join(folder, 'objects'), deliver: notifyQueue });
    client = new S3Client({ ...own, endpoint: s3.url, forcePathStyle: true });
    process.env.AWS_ENDPOINT_URL_S3 = s3.url;
    const onEndpoints = (endpoints: Endpoints): void => {
      sqs = new SQSClient({ ...own, endpoint: endpoints.sqs, useQueueUrlAsEndpoint: false });
    };
    stack = await startLocal({ dataDir, quiet: true, onEndpoints });
  });
  afterAll(async () => {
    await stack?.stop();
    if (before === undefined) delete process.env.AWS_ENDPOINT_URL_S3;
    else process.env.AWS_ENDPOINT_URL_S3 = before;
    sqs?.destroy();
    client.destroy();
    await s3.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is used instead of the embedded one, and named; nothing it lacks is reported', async () => {
    expect(stack.elsewhere).toEqual({ S3: s3.url });
    expect(summary(stack)).toContain(`S3           ${s3.url}    (yours)\n`);
    expect(readdirSync(dataDir)).not.toContain('s3');
    expect(stack.warnings.filter((warning) => warning.includes('S3'))).toEqual([]);
    const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
    expect(Buckets.map(({ Name = '' }) => Name.split('-')[2]).sort()).toEqual(['auth', 'pages']);
  });

  it('takes an upload, of which the queue is notified, and the keys of an account that sends', async () => {
    await orderByUpload(stack, stack.simulatorUrl ?? '');
    const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
    const auth = Buckets.find(({ Name }) => Name?.startsWith('paceline-local-auth-'))?.Name;
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: auth }));
    expect(Contents.some(({ Key }) => Key?.endsWith('/log/000000000001'))).toBe(true);
  });
});
