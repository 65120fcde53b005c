import {
  DeleteObjectCommand,
  GetBucketNotificationConfigurationCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { BucketPlan } from '../template/storage.ts';

const probeKey = 'paceline-probe';

/** Returns a sentence for each feature that Paceline needs and the user's own S3 lacks. */
export async function objectStoreGaps(s3: S3Client, buckets: BucketPlan[]): Promise<string[]> {
  const gaps: string[] = [];
  const [first] = buckets;
  if (first !== undefined && !(await refusesSecondWrite(s3, first.name))) {
    gaps.push(
      'Your S3 overwrites in spite of If-None-Match: a host that has lost an account could still write its keys. Use only one host.',
    );
  }
  const notifying = buckets.filter(({ notifications }) => notifications.length > 0);
  const kept = await Promise.all(notifying.map(({ name }) => hasNotifications(s3, name)));
  if (kept.includes(false)) {
    gaps.push('Your S3 does not notify queues of new objects: contracts that wait for an upload stay IMPORTING.');
  }
  return gaps;
}

async function refusesSecondWrite(s3: S3Client, Bucket: string): Promise<boolean> {
  const object = { Bucket, Key: probeKey };
  const create = () => s3.send(new PutObjectCommand({ ...object, Body: 'probe', IfNoneMatch: '*' }));
  await s3.send(new DeleteObjectCommand(object));
  await create();
  const refused = await create().then(
    () => false,
    (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode === 412,
  );
  await s3.send(new DeleteObjectCommand(object));
  return refused;
}

async function hasNotifications(s3: S3Client, Bucket: string): Promise<boolean> {
  try {
    const { QueueConfigurations = [] } = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket }));
    return QueueConfigurations.length > 0;
  } catch {
    return false;
  }
}
