import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { callDynamoDirectly, callS3Directly, callSqsDirectly } from './direct-calls.ts';

export interface Clients {
  dynamodb: DynamoDBClient;
  sqs: SQSClient;
  s3: S3Client;
}

/**
 * Longest wait for the start of an answer; then the call is tried again. On a dead connection each attempt takes this long, and the account sends
 * nothing during that time.
 */
const answerTimeoutMs = 5_000;
/** For slow calls, and for silence within an answer: an imported file is read only as fast as its rows are stored. */
const longTimeoutMs = 30_000;
const largeBodyBytes = 1024 * 1024;

/**
 * Creates the three AWS clients of a process. Endpoints, region and credentials come from the SDK's standard environment. Emulators need path-style
 * buckets and queue URLs that are not used as endpoints; real AWS accepts both. `maxSockets` limits the parallel requests of each client, long polls
 * included.
 */
export function createClients(options: { maxSockets?: number } = {}): Clients {
  const { maxSockets = 200 } = options;
  const agent = { maxSockets };
  const handler = (requestTimeout: number) => ({
    httpsAgent: agent,
    httpAgent: agent,
    connectionTimeout: 3_000,
    requestTimeout,
    // Without this the SDK only warns of a request that hangs, and the caller waits for ever.
    throwOnRequestTimeout: true,
    // For an answer that stalls after its headers.
    socketTimeout: requestTimeout,
  });
  const clients: Clients = {
    // All calls have one endpoint and one identity, so the middleware chain of each command can be cached.
    dynamodb: new DynamoDBClient({ requestHandler: handler(answerTimeoutMs), maxAttempts: 5, cacheMiddleware: true }),
    sqs: new SQSClient({ requestHandler: handler(longTimeoutMs), useQueueUrlAsEndpoint: false, md5: false }),
    s3: new S3Client({
      requestHandler: handler(longTimeoutMs),
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    }),
  };
  for (const { middlewareStack } of Object.values(clients)) {
    // It prepares its log lines even when the logger drops them: a twelfth of a call's CPU time (bench/send --profile).
    middlewareStack.remove('loggerMiddleware');
    // It builds the User-Agent again for each call. Requests are sent without one.
    middlewareStack.remove('getUserAgentMiddleware');
  }
  timeRequests(clients.s3, s3TimeoutMs);
  timeRequests(clients.sqs, sqsTimeoutMs);
  callDynamoDirectly(clients.dynamodb, { timeoutMs: answerTimeoutMs, maxSockets });
  callS3Directly(clients.s3, { timeoutMs: answerTimeoutMs, maxSockets });
  callSqsDirectly(clients.sqs, { timeoutMs: answerTimeoutMs, maxSockets });
  return clients;
}

interface OutgoingRequest {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array;
}

/** Large bodies (snapshots, exports, imports) and POST, which deletes up to 1,000 objects, get the long timeout. */
function s3TimeoutMs({ method, headers }: OutgoingRequest): number {
  const large = Number(headers['content-length'] ?? 0) > largeBodyBytes;
  return large || method === 'POST' ? longTimeoutMs : answerTimeoutMs;
}

/** A receive may take its wait for a message in addition. */
function sqsTimeoutMs({ headers, body = '' }: OutgoingRequest): number {
  if (headers['x-amz-target'] !== 'AmazonSQS.ReceiveMessage') return answerTimeoutMs;
  const json = typeof body === 'string' ? body : new TextDecoder().decode(body);
  const [, waitSec = '0'] = /"WaitTimeSeconds":(\d+)/.exec(json) ?? [];
  return Number(waitSec) * 1000 + answerTimeoutMs;
}

/** Gives each request its own timeout, because the client's setting is one for all. */
function timeRequests({ config }: S3Client | SQSClient, timeoutMs: (request: OutgoingRequest) => number): void {
  const { requestHandler } = config;
  const handle = requestHandler.handle.bind(requestHandler);
  requestHandler.handle = (request, options) => handle(request, { requestTimeout: timeoutMs(request), ...options });
}

/**
 * Calls `call` for each call of the clients from now on, with `dynamodb`, `sqs` or `s3` and the command without "Command". Retries are not
 * reported. Use this before the first call.
 */
export function onCall(clients: Clients, call: (service: keyof Clients, command: string) => void): void {
  const place = { step: 'initialize', priority: 'high', name: 'noteCall', override: true } as const;
  const noting =
    (service: keyof Clients) =>
    <Args, Result>(next: (args: Args) => Result, context: { commandName?: string }) =>
    (args: Args): Result => {
      call(service, context.commandName?.replace(/Command$/, '') ?? 'unknown');
      return next(args);
    };
  clients.dynamodb.middlewareStack.add(noting('dynamodb'), place);
  clients.sqs.middlewareStack.add(noting('sqs'), place);
  clients.s3.middlewareStack.add(noting('s3'), place);
}

export function destroyClients(clients: Clients): void {
  clients.dynamodb.destroy();
  clients.sqs.destroy();
  clients.s3.destroy();
}
