import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { type Endpoints, LOCAL_ACCOUNT, LOCAL_CREDENTIALS, LOCAL_REGION } from '../process/environment.ts';
import { type LocalPlan, type Provisioned, planFrom } from '../template/plan.ts';
import type { Stack } from '../template/stacks.ts';
import { provisionBuckets } from './buckets.ts';
import { objectStoreGaps } from './gaps.ts';
import { provisionQueues } from './queues.ts';
import { provisionTables } from './tables.ts';

/** The supervisor's AWS clients, for the emulators or the user's own services. */
export interface LocalClients {
  dynamodb: DynamoDBClient;
  sqs: SQSClient;
  s3: S3Client;
}

export function localClients(endpoints: Endpoints): LocalClients {
  const common = { region: LOCAL_REGION, credentials: LOCAL_CREDENTIALS };
  return {
    dynamodb: new DynamoDBClient({ ...common, endpoint: endpoints.dynamodb }),
    sqs: new SQSClient({
      ...common,
      endpoint: endpoints.sqs,
      useQueueUrlAsEndpoint: false,
      requestHandler: { httpAgent: { maxSockets: 500 } },
    }),
    s3: new S3Client({ ...common, endpoint: endpoints.s3, forcePathStyle: true }),
  };
}

export function destroyLocalClients(clients: LocalClients): void {
  clients.dynamodb.destroy();
  clients.sqs.destroy();
  clients.s3.destroy();
}

/**
 * Creates the missing resources of the templates. Returns the plan with the real addresses; its warnings say what the user's own S3 lacks. A second
 * call changes nothing.
 */
export async function provision(
  stacks: Stack[],
  clients: LocalClients,
  addresses: { apiUrl: string; sqsUrl: string },
  options: { ownS3: boolean } = { ownS3: false },
): Promise<LocalPlan> {
  const known: Provisioned = {
    ...addresses,
    region: LOCAL_REGION,
    accountId: LOCAL_ACCOUNT,
    queues: new Map(),
    streams: new Map(),
  };
  const wanted = planFrom(stacks, known);
  const [streams, queues] = await Promise.all([
    provisionTables(clients.dynamodb, wanted.tables),
    provisionQueues(clients.sqs, wanted.queues),
  ]);
  await provisionBuckets(clients.s3, wanted.buckets, queues, { lenient: options.ownS3 });
  const gaps = options.ownS3 ? await objectStoreGaps(clients.s3, wanted.buckets) : [];
  const plan = planFrom(stacks, { ...known, queues, streams });
  return { ...plan, warnings: [...plan.warnings, ...gaps] };
}
