import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { callDynamoDirectly, callS3Directly, callSqsDirectly } from './direct-calls.ts';

export interface Clients {
  dynamodb: DynamoDBClient;
  sqs: SQSClient;
  s3: S3Client;
}

/** Until a call must have been answered; then it is tried again. */
const dynamodbTimeoutMs = 5_000;
const s3TimeoutMs = 30_000;
/** Longer than a long poll, 20 s. */
const sqsTimeoutMs = 30_000;

/**
 * The three AWS clients of a process. Endpoints, region and credentials come from the SDK's standard environment; emulators need path-style
 * buckets and queue URLs that are not taken for endpoints, which real AWS accepts as well.
 * `maxSockets` bounds parallel requests a client, long polls included.
 */
export function createClients(options: { maxSockets?: number } = {}): Clients {
  const { maxSockets = 200 } = options;
  const agent = { maxSockets };
  const handler = (requestTimeout: number) => ({
    httpsAgent: agent,
    httpAgent: agent,
    connectionTimeout: 3_000,
    requestTimeout,
    // Without this a request that hangs is only warned of, and its caller hangs with it.
    throwOnRequestTimeout: true,
    // An answer that stalls after its headers.
    socketTimeout: requestTimeout,
  });
  const clients = {
    // Its calls go to one endpoint under one identity, so each command's chain of middleware can be made once and kept.
    dynamodb: new DynamoDBClient({ requestHandler: handler(dynamodbTimeoutMs), maxAttempts: 5, cacheMiddleware: true }),
    sqs: new SQSClient({ requestHandler: handler(sqsTimeoutMs), useQueueUrlAsEndpoint: false, md5: false }),
    s3: new S3Client({
      requestHandler: handler(s3TimeoutMs),
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    }),
  };
  for (const { middlewareStack } of Object.values(clients)) {
    // It prepares what it would log for a logger that drops everything: a twelfth of a call's CPU time (bench/send --profile).
    middlewareStack.remove('loggerMiddleware');
    // Without it there is no User-Agent; it is put together anew for each call.
    middlewareStack.remove('getUserAgentMiddleware');
  }
  callDynamoDirectly(clients.dynamodb, { timeoutMs: dynamodbTimeoutMs, maxSockets });
  callS3Directly(clients.s3, { timeoutMs: s3TimeoutMs, maxSockets });
  callSqsDirectly(clients.sqs, { timeoutMs: sqsTimeoutMs, maxSockets });
  return clients;
}

/**
 * Tells of every call made through the clients from now on: `dynamodb`, `sqs` or `s3`, and the command without "Command". Tries again are
 * not told. Must be asked for before the first call.
 */
export function onCall(clients: Clients, call: (service: keyof Clients, command: string) => void): void {
  const place = { step: 'initialize', priority: 'high', name: 'tellOfCall', override: true } as const;
  const telling =
    (service: keyof Clients) =>
    <Args, Result>(next: (args: Args) => Result, context: { commandName?: string }) =>
    (args: Args): Result => {
      call(service, context.commandName?.replace(/Command$/, '') ?? 'unknown');
      return next(args);
    };
  clients.dynamodb.middlewareStack.add(telling('dynamodb'), place);
  clients.sqs.middlewareStack.add(telling('sqs'), place);
  clients.s3.middlewareStack.add(telling('s3'), place);
}

export function destroyClients(clients: Clients): void {
  clients.dynamodb.destroy();
  clients.sqs.destroy();
  clients.s3.destroy();
}
