import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { Pool } from 'undici';
import { systemClock } from '../../runtime/clock.ts';
import { systemRandom } from '../../runtime/random.ts';
import { RequestSigner } from './request-signer.ts';

/**
 * Makes the calls of the send path without the SDK's serializers and middleware, which take half of a call's CPU time
 * (bench/send --profile; docs/adr/0006-calls-of-the-send-path.md). Credentials and clock are the SDK's. undici sends, with less CPU than node:http:
 *
 *   command -> JSON or bytes -> request-signer.ts -> undici -> 200: the output
 *                                                           -> any other or no answer: the same command through the SDK
 *
 * So retries, errors and clock skew remain the SDK's. Each call through the SDK, the first one included, shows the address and the signing scope
 * for the direct calls. Do not use it for calls with options, such as a signal, nor for presigning with a body.
 */

/** Commands whose input and output are the JSON of the wire, except for binary values. */
const directReadsAndWrites: ReadonlySet<string> = new Set([
  'GetItemCommand',
  'BatchGetItemCommand',
  'TransactWriteItemsCommand',
]);
/** Binary values, and tables named by ARN, which may have another endpoint. An attribute named B also matches; its call goes through the SDK. */
const notPlainInput = /"(?:BS?":|arn:)/;
const notPlainOutput = /"BS?":\s*["[]/;

/** A bucket without an endpoint of its own (S3 Express has one), and a key that needs no escaping in a path. */
const plainBucket = /^(?!.*--)[a-z0-9][a-z0-9.-]+$/;
const plainKey = /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/;
/** Before larger bodies the SDK asks the server first (its expectContinueHeader, 2 MiB). */
const maxBodyBytes = 1024 * 1024;

export function callDynamoDirectly(client: DynamoDBClient, options: DirectOptions): void {
  const direct = new Direct(client, options);
  /** The body of each transaction as first sent, by input. The SDK orders members differently, and a token is valid for one body only. */
  const sent = new WeakMap<object, string>();
  client.middlewareStack.add(
    (next) => (args) => {
      const body = sent.get(args.input);
      if (body !== undefined && isRequest(args.request)) {
        args.request.body = body;
        args.request.headers['content-length'] = String(Buffer.byteLength(body));
      }
      return next(args);
    },
    { step: 'build', priority: 'high', name: 'repeatTransaction' },
  );
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      (args) => {
        if (directReadsAndWrites.has(commandName)) direct.learn(args.request, '/');
        return next(args);
      },
    learning,
  );
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        if (!direct.ready || !directReadsAndWrites.has(commandName)) return next(args);
        const input = commandName === 'TransactWriteItemsCommand' ? withToken(args.input) : args.input;
        const output = await call(commandName, input);
        return output === undefined ? next({ ...args, input }) : answered(next, output);
      },
    calling,
  );

  /** Returns undefined when the answer is not 200, or when input or output has values that are not plain. */
  async function call(commandName: string, input: object): Promise<object | undefined> {
    try {
      const body = JSON.stringify(input);
      if (notPlainInput.test(body)) return undefined;
      if (commandName === 'TransactWriteItemsCommand') sent.set(input, body);
      const text = await direct.send(jsonRequest('DynamoDB_20120810', commandName, body));
      return text === undefined || notPlainOutput.test(text) ? undefined : JSON.parse(text);
    } catch {
      // The input has no JSON form, or the answer is not JSON. The SDK then gives the better error.
      return undefined;
    }
  }
}

/** Both ways use one token, so that a transaction that has succeeded is not made twice. */
function withToken<Input extends object>(input: Input): Input {
  const given = 'ClientRequestToken' in input ? input.ClientRequestToken : undefined;
  return { ...input, ClientRequestToken: given ?? systemRandom.uniqueId() };
}

const jsonRequest = (api: string, commandName: string, body: string): DirectRequest => ({
  method: 'POST',
  path: '/',
  headers: {
    'content-type': 'application/x-amz-json-1.0',
    'x-amz-target': `${api}.${commandName.slice(0, -'Command'.length)}`,
  },
  body,
});

/** Sends deletes directly, and receives that do not wait. A long poll must be abortable, which direct calls are not. */
export function callSqsDirectly(client: SQSClient, options: DirectOptions): void {
  const direct = new Direct(client, options);
  const isDirect = (commandName: string, input: object): boolean =>
    commandName === 'DeleteMessageBatchCommand' ||
    (commandName === 'ReceiveMessageCommand' && 'WaitTimeSeconds' in input && input.WaitTimeSeconds === 0);
  client.middlewareStack.add(
    (next) => (args) => {
      direct.learn(args.request, '/');
      return next(args);
    },
    learning,
  );
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        if (!direct.ready || !isDirect(commandName, args.input)) return next(args);
        const text = await direct.send(jsonRequest('AmazonSQS', commandName, JSON.stringify(args.input)));
        const output = text === undefined ? undefined : parsed(text);
        return output === undefined ? next(args) : answered(next, output);
      },
    calling,
  );
}

/** Returns undefined when the text is not JSON; the SDK then gives the better error. */
function parsed(text: string): object | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Sends PutObject of bytes directly, create-only or not, for a client with path-style buckets. The output is empty. */
export function callS3Directly(client: S3Client, options: DirectOptions): void {
  const direct = new Direct(client, options);
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        const put = commandName === 'PutObjectCommand' ? plainPut({ ...args.input }) : undefined;
        if (put !== undefined) direct.learn(args.request, put.path);
        return next(args);
      },
    learning,
  );
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const put = direct.ready && commandName === 'PutObjectCommand' ? plainPut({ ...args.input }) : undefined;
        const text = put === undefined ? undefined : await direct.send(put);
        return text === undefined ? next(args) : answered(next, {});
      },
    calling,
  );
}

/** Returns undefined for a put that needs more than path, condition and bytes. */
function plainPut(input: Partial<Record<string, unknown>>): DirectRequest | undefined {
  const { Bucket, Key, Body, IfNoneMatch, ...others } = input;
  if (typeof Bucket !== 'string' || !plainBucket.test(Bucket)) return undefined;
  if (typeof Key !== 'string' || !plainKey.test(Key)) return undefined;
  if (!(Body instanceof Uint8Array) || Body.byteLength > maxBodyBytes) return undefined;
  if (Object.values(others).some((value) => value !== undefined)) return undefined;
  return {
    method: 'PUT',
    path: `/${Bucket}/${Key}`,
    headers: {
      'content-type': 'application/octet-stream',
      ...(typeof IfNoneMatch === 'string' ? { 'if-none-match': IfNoneMatch } : {}),
    },
    body: Body,
  };
}

/** Position of the middleware: after signing, for each attempt. */
const learning = { step: 'finalizeRequest', priority: 'low', name: 'learnPlace' } as const;
const calling = { step: 'initialize', priority: 'low', name: 'callDirectly' } as const;

interface Place {
  protocol: string;
  hostname: string;
  port?: number;
  signingRegion: string;
  signingService: string;
  /** Set when the hostname belongs to one AWS account: `<account>.ddb.<region>.amazonaws.com`. */
  accountId?: string;
}

interface DirectRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array;
}

/** Connections to one origin: undici's Pool, or a fake in tests. */
export type Connections = Pick<Pool, 'dispatch' | 'close' | 'destroy'>;

/** Limits, equal to those of the SDK client. */
export interface DirectOptions {
  /** Longest wait for the start of an answer, and between its parts. */
  timeoutMs: number;
  /** Most connections at a time. */
  maxSockets: number;
  open?(origin: string): Connections;
}

const connectTimeoutMs = 3_000;
/** Shorter than the idle timeout of any service, so that no request uses a connection that is being closed. */
const keepAliveMs = 4_000;

/** Sends to one service with the credentials and clock of its SDK client, over its own connections. */
class Direct {
  private readonly client: DynamoDBClient | S3Client | SQSClient;
  private readonly options: DirectOptions;
  private pool: { origin: string; connections: Connections } | undefined;
  private place: Place | undefined;
  private readonly signer = new RequestSigner();

  constructor(client: DynamoDBClient | S3Client | SQSClient, options: DirectOptions) {
    this.client = client;
    this.options = options;
    const { requestHandler } = client.config;
    const destroy = requestHandler.destroy?.bind(requestHandler);
    requestHandler.destroy = () => {
      void this.pool?.connections.destroy();
      destroy?.();
    };
  }

  /** Whether an SDK call has shown the address. */
  get ready(): boolean {
    return this.place !== undefined;
  }

  /** Takes the address and signing scope from an SDK request. Forgets them when its path is not that of a direct call. */
  learn(request: unknown, path: string): void {
    this.place = isRequest(request) && request.path === path ? placeOf(request) : undefined;
  }

  /** Returns the body of an answer 200; undefined for any other answer, or none. */
  async send({ method, path, headers, body }: DirectRequest): Promise<string | undefined> {
    const { config } = this.client;
    if (this.place === undefined) return undefined;
    const { protocol, hostname, port, signingRegion, signingService, accountId } = this.place;
    try {
      const credentials = await config.credentials();
      if (accountId !== undefined && credentials.accountId !== accountId) return undefined;
      const unsigned = {
        method,
        path,
        headers: {
          host: port === undefined ? hostname : `${hostname}:${port}`,
          'content-length': String(Buffer.byteLength(body)),
          ...headers,
        },
        body,
      };
      const date = new Date(systemClock.nowMs() + config.systemClockOffset);
      const signed = this.signer.sign(unsigned, credentials, { date, region: signingRegion, service: signingService });
      return await this.exchange(this.connections(protocol, hostname, port), { method, path, headers: signed, body });
    } catch {
      return undefined;
    }
  }

  /** Returns the connections to the one origin. They end with the client. */
  private connections(protocol: string, hostname: string, port: number | undefined): Connections {
    const origin = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`;
    if (this.pool?.origin === origin) return this.pool.connections;
    void this.pool?.connections.close();
    const { timeoutMs, maxSockets, open } = this.options;
    const connections =
      open?.(origin) ??
      new Pool(origin, {
        connections: maxSockets,
        connectTimeout: connectTimeoutMs,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        keepAliveTimeout: keepAliveMs,
      });
    this.pool = { origin, connections };
    return connections;
  }

  private exchange(connections: Connections, request: DirectRequest): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let status = 0;
      connections.dispatch(request, {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode;
        },
        onResponseData(_controller, chunk) {
          chunks.push(chunk);
        },
        onResponseEnd() {
          resolve(status === 200 ? Buffer.concat(chunks).toString('utf8') : undefined);
        },
        onResponseError(_controller, error) {
          reject(error);
        },
      });
    });
  }
}

interface SignedRequest extends Pick<Place, 'protocol' | 'hostname' | 'port'> {
  path: string;
  headers: Record<string, string>;
  body?: unknown;
}

function isRequest(request: unknown): request is SignedRequest {
  return typeof request === 'object' && request !== null && 'hostname' in request && 'headers' in request;
}

/** Returns undefined for a request that direct calls could not sign in the same way. */
function placeOf({ protocol, hostname, port, headers }: SignedRequest): Place | undefined {
  const scope = /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request,/;
  const [, signingRegion, signingService] = scope.exec(headers.authorization ?? '') ?? [];
  if (signingRegion === undefined || signingService === undefined) return undefined;
  // In a Lambda function each invocation has its own trace id. S3's events pass it on, and Lambda finds loops by it.
  const isTraced = Object.keys(headers).some((name) => name.toLowerCase() === 'x-amzn-trace-id');
  if (isTraced && signingService === 's3') return undefined;
  const accountId = /^(\d{12})\./.exec(hostname)?.[1];
  return {
    protocol,
    hostname,
    ...(port === undefined ? {} : { port }),
    signingRegion,
    signingService,
    ...(accountId === undefined ? {} : { accountId }),
  };
}

/** Returns the output in the form in which the SDK passes it on. `_next` only gives its type, which nothing checks. */
function answered<Result>(_next: (args: never) => Promise<{ output: Result }>, output: object) {
  return { response: undefined, output: { $metadata: {}, ...output } as Result };
}
