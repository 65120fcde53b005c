import {
  BucketAlreadyOwnedByYou,
  CreateBucketCommand,
  type Event,
  PutBucketCorsCommand,
  PutBucketNotificationConfigurationCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { BucketPlan } from '../template/storage.ts';
import type { ProvisionedQueue } from './queues.ts';

/** Creates the missing buckets and sets CORS rules and notifications. With `lenient`, errors of these two settings are ignored. */
export async function provisionBuckets(
  s3: S3Client,
  plans: BucketPlan[],
  queues: Map<string, ProvisionedQueue>,
  options: { lenient: boolean } = { lenient: false },
): Promise<void> {
  await Promise.all(
    plans.map(async (plan) => {
      await makeBucket(s3, plan.name);
      const settings = [setCors(s3, plan), setNotifications(s3, plan, queues)];
      if (options.lenient) await Promise.allSettled(settings);
      else await Promise.all(settings);
    }),
  );
}

async function makeBucket(s3: S3Client, Bucket: string): Promise<void> {
  try {
    await s3.send(new CreateBucketCommand({ Bucket }));
  } catch (error) {
    if (!(error instanceof BucketAlreadyOwnedByYou)) throw error;
  }
}

async function setCors(s3: S3Client, { name: Bucket, cors }: BucketPlan): Promise<void> {
  if (cors.length === 0) return;
  const CORSRules = cors.map((rule) => ({
    AllowedOrigins: rule.origins,
    AllowedMethods: rule.methods,
    AllowedHeaders: rule.headers,
    ExposeHeaders: rule.exposed,
    MaxAgeSeconds: rule.maxAgeSec,
  }));
  await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
}

async function setNotifications(
  s3: S3Client,
  { name: Bucket, notifications }: BucketPlan,
  queues: Map<string, ProvisionedQueue>,
): Promise<void> {
  if (notifications.length === 0) return;
  const QueueConfigurations = notifications.map((one, index) => ({
    Id: `notification-${index + 1}`,
    QueueArn: queues.get(one.queueArn.split(':').at(-1) ?? '')?.arn ?? one.queueArn,
    Events: one.events as Event[],
    Filter: {
      Key: {
        FilterRules: [
          ...(one.prefix === '' ? [] : [{ Name: 'prefix' as const, Value: one.prefix }]),
          ...(one.suffix === '' ? [] : [{ Name: 'suffix' as const, Value: one.suffix }]),
        ],
      },
    },
  }));
  const NotificationConfiguration = { QueueConfigurations };
  await s3.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }));
}
