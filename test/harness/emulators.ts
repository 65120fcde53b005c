import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { CreateQueueCommand, GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import { type Clients, createClients, destroyClients } from '../../lib/aws/clients.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { type FunctionConfig, functionConfig } from '../../lib/runtime/config.ts';

export interface Emulators {
  clients: Clients;
  config: FunctionConfig;
  deps: Deps;
  /** The environment a function process would have; the same values are set in process.env until stop(). */
  env: Record<string, string>;
  stop(): Promise<void>;
}

/**
 * DynamoDB (dynoxide, in memory), SQS and S3 (fauxqs) on free loopback ports, with the table, buckets and fixed queues of
 * docs/architecture.md, all empty. One per test file; about 0.5 s.
 */
export async function startEmulators(): Promise<Emulators> {
  const port = await freePort();
  const dynamo = startDynamo(port);
  const fauxqs = buildApp({ logger: false });
  const endpoint = await fauxqs.listen({ host: '127.0.0.1', port: 0 });
  const env: Record<string, string> = {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${port}`,
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_ENDPOINT_URL_S3: endpoint,
    POWERTOOLS_METRICS_DISABLED: 'true',
  };
  const before = setEnv(env);
  const clients = createClients();
  await waitForPort(port, dynamo);
  Object.assign(env, await provision(clients));
  const config = functionConfig(env);
  const own = setEnv(env);
  return {
    clients,
    config,
    deps: createDeps(config, clients),
    env,
    async stop() {
      setEnv(own);
      setEnv(before);
      destroyClients(clients);
      const ended = new Promise((resolve) => dynamo.once('exit', resolve));
      dynamo.kill('SIGKILL');
      await Promise.all([ended, fauxqs.close()]);
    },
  };
}

async function provision(clients: Clients): Promise<Record<string, string>> {
  const string = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' as const });
  await clients.dynamodb.send(
    new CreateTableCommand({
      TableName: 'paceline-test',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [string('pk'), string('sk'), string('ix'), string('ixs')],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: 'finder',
          KeySchema: [
            { AttributeName: 'ix', KeyType: 'HASH' },
            { AttributeName: 'ixs', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'KEYS_ONLY' },
        },
      ],
      StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
    }),
  );
  for (const Bucket of ['paceline-test-pages', 'paceline-test-auth']) {
    await clients.s3.send(new CreateBucketCommand({ Bucket }));
  }
  const fifo = { FifoQueue: 'true' };
  const dlq = await clients.sqs.send(
    new CreateQueueCommand({ QueueName: 'paceline-test-lane-dlq.fifo', Attributes: fifo }),
  );
  const feed = await clients.sqs.send(
    new CreateQueueCommand({ QueueName: 'paceline-test-feed.fifo', Attributes: fifo }),
  );
  const webhooks = await clients.sqs.send(
    new CreateQueueCommand({ QueueName: 'paceline-test-webhook.fifo', Attributes: fifo }),
  );
  const later = await clients.sqs.send(new CreateQueueCommand({ QueueName: 'paceline-test-webhook-later' }));
  const arn = await clients.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: dlq.QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  return {
    STAGE: 'test',
    TABLE_NAME: 'paceline-test',
    PAGES_BUCKET: 'paceline-test-pages',
    AUTH_BUCKET: 'paceline-test-auth',
    FEED_QUEUE_URL: feed.QueueUrl ?? '',
    WEBHOOK_QUEUE_URL: webhooks.QueueUrl ?? '',
    WEBHOOK_LATER_QUEUE_URL: later.QueueUrl ?? '',
    LANE_PREFIX: 'paceline-test-lane-',
    INBOX_PREFIX: 'paceline-test-inbox-',
    LANE_DLQ_ARN: arn.Attributes?.QueueArn ?? '',
    LOG_LEVEL: 'error',
  };
}

function startDynamo(port: number): ChildProcess {
  const binary = fileURLToPath(new URL('../../node_modules/@dynoxide/linux-x64/dynoxide', import.meta.url));
  return spawn(binary, ['--port', String(port)], { stdio: 'ignore' });
}

/** Sets variables of this process and answers what they were. */
function setEnv(values: Record<string, string | undefined>): Record<string, string | undefined> {
  const before: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(values)) {
    before[name] = process.env[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  return before;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

async function waitForPort(port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (child.exitCode !== null) throw new Error(`dynoxide ended with ${child.exitCode}`);
    try {
      await fetch(`http://127.0.0.1:${port}/`);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
  throw new Error('dynoxide did not start within 3 s');
}
