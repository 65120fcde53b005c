import type { S3Client } from '@aws-sdk/client-s3';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { systemClock } from '../runtime/clock.ts';
import type { FunctionConfig } from '../runtime/config.ts';
import { systemRandom } from '../runtime/random.ts';
import type { Clients } from './client/clients.ts';
import { type ObjectStore, objectStore } from './client/objects.ts';
import { Table } from './client/table.ts';
import { type DeliveryQueue, deliveryQueue } from './webhooks/delivery-queue.ts';

/** The clients, clock and random bytes of a Lambda function. Tests replace the clock and the random bytes. */
export interface Deps {
  table: Table;
  sqs: SQSClient;
  /** The pages bucket: pages, uploads, exports. */
  pages: ObjectStore;
  s3: S3Client;
  deliveries: DeliveryQueue;
  config: FunctionConfig;
  /** Epoch milliseconds. */
  nowMs(): number;
  randomBytes(n: number): Uint8Array;
}

export function createDeps(config: FunctionConfig, clients: Clients): Deps {
  return {
    table: new Table(clients.dynamodb, config.TABLE_NAME),
    sqs: clients.sqs,
    pages: objectStore(clients.s3, config.PAGES_BUCKET),
    s3: clients.s3,
    deliveries: deliveryQueue(clients.sqs, {
      dueUrl: config.WEBHOOK_QUEUE_URL,
      laterUrl: config.WEBHOOK_LATER_QUEUE_URL,
    }),
    config,
    nowMs: systemClock.nowMs,
    randomBytes: systemRandom.bytes,
  };
}
