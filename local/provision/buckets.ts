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

/** Makes the missing buckets and sets their CORS rules and notifications. */
export async function provisionBuckets(
  s3: S3Client,
  plans: BucketPlan[],
  queues: Map<string, ProvisionedQueue>,
): Promise<void> {
  await Promise.all(plans.map((plan) => provisionBucket(s3, plan, queues)));
}

async function provisionBucket(s3: S3Client, plan: BucketPlan, queues: Map<string, ProvisionedQueue>): Promise<void> {
  const Bucket = plan.name;
  try {
    await s3.send(new CreateBucketCommand({ Bucket }));
  } catch (error) {
    if (!(error instanceof BucketAlreadyOwnedByYou)) throw error;
  }
  if (plan.cors.length > 0) {
    const CORSRules = plan.cors.map((rule) => ({
      AllowedOrigins: rule.origins,
      AllowedMethods: rule.methods,
      AllowedHeaders: rule.headers,
      ExposeHeaders: rule.exposed,
      MaxAgeSeconds: rule.maxAgeSec,
    }));
    await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
  }
  if (plan.notifications.length > 0) {
    const QueueConfigurations = plan.notifications.map((one, index) => ({
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
}
