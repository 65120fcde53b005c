import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutBucketCorsCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { expect, onTestFinished, test } from 'vitest';
import { type S3Emulator, type S3Options, startS3 } from '../../local/emulators/s3.ts';
import { provisionBuckets } from '../../local/provision/buckets.ts';
import { eventually, temporaryFolder } from './temporary-folder.ts';

const Bucket = 'things';

async function prepare(
  options: Partial<S3Options> = {},
): Promise<{ s3: S3Client; emulator: S3Emulator; dataDir: string }> {
  const dataDir = options.dataDir ?? temporaryFolder();
  const emulator = await startS3({ port: 0, dataDir, deliver: () => true, ...options });
  const s3 = new S3Client({
    endpoint: emulator.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local-secret' },
    forcePathStyle: true,
  });
  onTestFinished(async () => {
    s3.destroy();
    await emulator.close();
  });
  await provisionBuckets(s3, [{ name: Bucket, cors: [], notifications: [] }], new Map());
  return { s3, emulator, dataDir };
}

const put = (s3: S3Client, Key: string, Body: string | Uint8Array, more: object = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const read = async (s3: S3Client, Key: string, more: object = {}) => {
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return await answer.Body?.transformToString();
};
const statusOf = async (work: Promise<unknown>): Promise<number | undefined> => {
  try {
    await work;
    return 200;
  } catch (error) {
    return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  }
};

test('of 20 racers that create one key exactly one wins, and its body stays', async () => {
  const { s3 } = await prepare();
  const racers = Array.from({ length: 20 }, (_, at) => statusOf(put(s3, 'k', `racer ${at}`, { IfNoneMatch: '*' })));
  const statuses = await Promise.all(racers);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.filter((status) => status === 412)).toHaveLength(19);
  expect(await read(s3, 'k')).toBe(`racer ${statuses.indexOf(200)}`);
});

test('the same holds for bodies that go to files', async () => {
  const { s3 } = await prepare();
  const bodies = Array.from({ length: 6 }, () => randomBytes(600_000));
  const statuses = await Promise.all(bodies.map((body) => statusOf(put(s3, 'k', body, { IfNoneMatch: '*' }))));
  const winner = bodies[statuses.indexOf(200)];
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }));
  expect(Buffer.from((await answer.Body?.transformToByteArray()) ?? []).equals(winner ?? Buffer.alloc(0))).toBe(true);
});

test('If-Match lets only the holder of the current ETag replace or delete', async () => {
  const { s3 } = await prepare();
  const first = await put(s3, 'k', 'one');
  await put(s3, 'k', 'two', { IfMatch: first.ETag });
  expect(await statusOf(put(s3, 'k', 'three', { IfMatch: first.ETag }))).toBe(412);
  expect(await statusOf(put(s3, 'absent', 'x', { IfMatch: first.ETag }))).toBe(404);
  expect(await statusOf(s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', IfMatch: first.ETag })))).toBe(412);
  expect(await read(s3, 'k')).toBe('two');
});

test('a body above fauxqs’ 11 MiB, streamed with a trailing checksum, comes back whole and in ranges', async () => {
  const { s3 } = await prepare();
  const body = randomBytes(12 * 1024 * 1024);
  const parts = [body.subarray(0, 5_000_000), body.subarray(5_000_000)];
  const streamed = { Bucket, Key: 'big', Body: Readable.from(parts), ContentLength: body.length };
  await s3.send(new PutObjectCommand(streamed));
  const whole = await s3.send(new GetObjectCommand({ Bucket, Key: 'big' }));
  expect(Buffer.from((await whole.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
  const range = await s3.send(new GetObjectCommand({ Bucket, Key: 'big', Range: 'bytes=1000000-1000009' }));
  expect(range.ContentRange).toBe('bytes 1000000-1000009/12582912');
  expect(Buffer.from((await range.Body?.transformToByteArray()) ?? [])).toEqual(body.subarray(1_000_000, 1_000_010));
});

test('small objects: metadata, head, ranges, absence', async () => {
  const { s3 } = await prepare();
  await put(s3, 'a b/ü&.txt', '0123456789', { ContentType: 'text/plain', Metadata: { by: 'test' } });
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'a b/ü&.txt' }));
  expect(head).toMatchObject({ ContentLength: 10, ContentType: 'text/plain', Metadata: { by: 'test' } });
  expect(await read(s3, 'a b/ü&.txt', { Range: 'bytes=-3' })).toBe('789');
  expect(await read(s3, 'a b/ü&.txt', { Range: 'bytes=7-' })).toBe('789');
  expect(await statusOf(read(s3, 'a b/ü&.txt', { Range: 'bytes=10-' }))).toBe(416);
  await put(s3, 'empty', '', { ContentLength: 0 });
  expect(await read(s3, 'empty')).toBe('');
  await expect(read(s3, 'absent')).rejects.toThrow(expect.objectContaining({ name: 'NoSuchKey' }));
  await expect(s3.send(new GetObjectCommand({ Bucket: 'absent', Key: 'k' }))).rejects.toThrow(
    expect.objectContaining({ name: 'NoSuchBucket' }),
  );
});

test('tagging leaves the body alone', async () => {
  const { s3 } = await prepare();
  await put(s3, 'k', 'body');
  const TagSet = [{ Key: 'kind', Value: 'a & b' }];
  await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging: { TagSet } }));
  expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'k' }))).TagSet).toEqual(TagSet);
  expect(await read(s3, 'k')).toBe('body');
});

test('listing is in byte order, by pages, with prefix, start and delimiter; deletion takes many', async () => {
  const { s3 } = await prepare();
  for (const key of ['p/2', 'p/1', 'p/10', 'q/x/1', 'q/x/2', 'q/y', 'z']) await put(s3, key, key);
  const list = async (more: object) => await s3.send(new ListObjectsV2Command({ Bucket, ...more }));
  const keys = (page: ListObjectsV2CommandOutput) => page.Contents?.map((one) => one.Key);
  expect(keys(await list({ Prefix: 'p/' }))).toEqual(['p/1', 'p/10', 'p/2']);
  expect(keys(await list({ Prefix: 'p/', StartAfter: 'p/1' }))).toEqual(['p/10', 'p/2']);
  const first = await list({ MaxKeys: 3 });
  expect(first.IsTruncated).toBe(true);
  const rest = await list({ MaxKeys: 10, ContinuationToken: first.NextContinuationToken });
  expect([...(keys(first) ?? []), ...(keys(rest) ?? [])]).toEqual(['p/1', 'p/10', 'p/2', 'q/x/1', 'q/x/2', 'q/y', 'z']);
  expect(rest.IsTruncated).toBe(false);
  const folders = await list({ Delimiter: '/' });
  expect(folders.CommonPrefixes).toEqual([{ Prefix: 'p/' }, { Prefix: 'q/' }]);
  expect(keys(folders)).toEqual(['z']);
  const Objects = [{ Key: 'p/1' }, { Key: 'p/2' }, { Key: 'not there' }];
  await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
  expect(keys(await list({ Prefix: 'p/' }))).toEqual(['p/10']);
});

test('a presigned URL works until it expires, and only as it was signed', async () => {
  let nowMs = Date.now();
  const { s3, emulator } = await prepare({ now: () => nowMs });
  const command = new PutObjectCommand({ Bucket, Key: 'up/a b.csv', ContentType: 'text/csv' });
  const url = await getSignedUrl(s3, command, { expiresIn: 60, signableHeaders: new Set(['content-type', 'host']) });
  const upload = (to: string, type = 'text/csv', method = 'PUT') =>
    fetch(to, { method, body: 'row', headers: { 'content-type': type } });
  expect((await upload(url)).status).toBe(200);
  expect(await read(s3, 'up/a b.csv')).toBe('row');
  expect((await upload(url.replace('a%20b', 'other'))).status).toBe(403);
  expect((await upload(url.replace('X-Amz-Expires=60', 'X-Amz-Expires=600'))).status).toBe(403);
  expect((await upload(url, 'text/html')).status).toBe(403);
  expect((await upload(url, 'text/csv', 'DELETE')).status).toBe(403);
  expect((await upload(`${emulator.url}/${Bucket}/unsigned`)).status).toBe(403);
  nowMs += 61_000;
  const late = await upload(url);
  expect(late.status).toBe(403);
  expect(await late.text()).toContain('Request has expired');
});

test('a preflight follows the CORS rules of the bucket', async () => {
  const { s3, emulator } = await prepare();
  const preflight = (origin: string, method: string) =>
    fetch(`${emulator.url}/${Bucket}/k`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'content-type' },
    });
  expect((await preflight('https://a.example', 'PUT')).status).toBe(403);
  const rule = { AllowedOrigins: ['https://*.example'], AllowedMethods: ['PUT'], AllowedHeaders: ['*'] };
  await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [rule] } }));
  const allowed = await preflight('https://a.example', 'PUT');
  expect(allowed.status).toBe(200);
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://a.example');
  expect(allowed.headers.get('access-control-allow-headers')).toBe('content-type');
  expect((await preflight('https://a.example', 'DELETE')).status).toBe(403);
  expect((await preflight('https://elsewhere.test', 'PUT')).status).toBe(403);
});

test('the queue is notified of a put even when the queue is away for a while', async () => {
  const notified: { queueArn: string; body: string }[] = [];
  let away = true;
  const { s3 } = await prepare({
    deliver: (queueArn, body) => {
      if (away) return false;
      notified.push({ queueArn, body });
      return true;
    },
  });
  const QueueConfigurations = [
    {
      QueueArn: 'arn:aws:sqs:us-east-1:000000000000:q',
      Events: ['s3:ObjectCreated:*' as const],
      Filter: { Key: { FilterRules: [{ Name: 'prefix' as const, Value: 'up/' }] } },
    },
  ];
  const NotificationConfiguration = { QueueConfigurations };
  await s3.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }));
  await put(s3, 'up/ä b.csv', 'abc');
  await put(s3, 'elsewhere', 'abc');
  away = false;
  await eventually(() => (notified.length === 2 ? true : undefined));
  expect(notified.map((one) => one.queueArn)).toEqual(Array(2).fill('arn:aws:sqs:us-east-1:000000000000:q'));
  expect(JSON.parse(notified[0]?.body ?? '')).toMatchObject({ Event: 's3:TestEvent', Bucket });
  expect(JSON.parse(notified[1]?.body ?? '').Records).toMatchObject([
    {
      eventName: 'ObjectCreated:Put',
      s3: {
        bucket: { name: 'things' },
        object: { key: 'up/%C3%A4+b.csv', size: 3, eTag: '900150983cd24fb0d6963f7d28e17f72' },
      },
    },
  ]);
});

test('an upload that is cut off leaves nothing', async () => {
  const { s3, emulator } = await prepare();
  const controller = new AbortController();
  const body = new ReadableStream({
    start(stream) {
      stream.enqueue(randomBytes(400_000));
      setTimeout(() => controller.abort(), 50);
    },
  });
  const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'k' }));
  const cut = fetch(url, { method: 'PUT', body, signal: controller.signal, duplex: 'half' } as RequestInit);
  await expect(cut).rejects.toThrow();
  expect(await statusOf(read(s3, 'k'))).toBe(404);
  expect(emulator.url).toMatch(/^http:\/\/127\.0\.0\.1:/);
});

test('what was stored is there after a restart, large bodies too', async () => {
  const first = await prepare();
  await put(first.s3, 'small', 'kept');
  await put(first.s3, 'large', 'x'.repeat(300_000));
  await first.emulator.close();
  const second = await prepare({ dataDir: first.dataDir });
  expect(await read(second.s3, 'small')).toBe('kept');
  expect((await read(second.s3, 'large'))?.length).toBe(300_000);
});
