import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { Pool } from 'undici';
import { systemClock } from '../../runtime/clock.ts';
import { systemRandom } from '../../runtime/random.ts';
import { RequestSigner } from './request-signer.ts';

/**
 * The calls of the send path, made without the SDK's way from input to request and back, which takes half of a call's CPU time
 * (bench/send --profile; docs/adr/0006-calls-of-the-send-path.md). Credentials and clock are the SDK's; undici, which does with less than node:http, sends:
 *
 *   command -> JSON or bytes -> request-signer.ts -> undici -> 200: the output
 *                                                           -> anything else, or no answer: the same command, the SDK's way
 *
 * So retries, errors and clock skew remain the SDK's. The first call goes its way and shows where to and how signed; each later one that
 * goes its way shows it again. Not for calls with options of their own, such as a signal, nor for presigning with a body.
 */

/** Input and output of these are the wire's JSON as it stands, but for binary values. */
const directReadsAndWrites: ReadonlySet<string> = new Set([
  'GetItemCommand',
  'BatchGetItemCommand',
  'TransactWriteItemsCommand',
]);
/** Binary values, and tables named by ARN, which may have an endpoint of their own. An attribute of the name B looks the same. */
const notPlainInput = /"(?:BS?":|arn:)/;
const notPlainOutput = /"BS?":\s*["[]/;

/** A bucket that has no endpoint of its own, as those of S3 Express, and a key that needs no escaping in a path. */
const plainBucket = /^(?!.*--)[a-z0-9][a-z0-9.-]+$/;
const plainKey = /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/;
/** Before sending larger bodies the SDK asks for a go-ahead (its expectContinueHeader, 2 MiB). */
const maxBodyBytes = 1024 * 1024;

export function callDynamoDirectly(client: DynamoDBClient, options: DirectOptions): void {
  const direct = new Direct(client, options);
  /** What transactions were first sent as, by input: the SDK orders members its own way, and a token stands for one request. */
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

  /** Undefined: not answered 200, or not with plain values alone. */
  async function call(commandName: string, input: object): Promise<object | undefined> {
    try {
      const body = JSON.stringify(input);
      if (notPlainInput.test(body)) return undefined;
      if (commandName === 'TransactWriteItemsCommand') sent.set(input, body);
      const text = await direct.send(jsonRequest('DynamoDB_20120810', commandName, body));
      return text === undefined || notPlainOutput.test(text) ? undefined : JSON.parse(text);
    } catch {
      // Not to be put in JSON, or the answer is none: the SDK says it better.
      return undefined;
    }
  }
}

/** One token for both ways, so that a transaction that stood is not made twice. */
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

/** Deleting from a queue, and receiving from it without waiting: a long poll can be cut short, which these calls cannot. */
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

/** Undefined: no JSON, which the SDK says better. */
function parsed(text: string): object | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** PutObject of bytes, create-only or not, for a client with path-style buckets; the output is empty. */
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

/** Undefined for whatever needs more than path, condition and bytes. */
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

/** After signing, for each attempt. */
const learning = { step: 'finalizeRequest', priority: 'low', name: 'learnPlace' } as const;
const calling = { step: 'initialize', priority: 'low', name: 'callDirectly' } as const;

interface Place {
  protocol: string;
  hostname: string;
  port?: number;
  signingRegion: string;
  signingService: string;
  /** Where the hostname is for this AWS account alone: `<account>.ddb.<region>.amazonaws.com`. */
  accountId?: string;
}

interface DirectRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array;
}

/** What sends to one origin: undici's Pool, or what a test puts in its place. */
export type Connections = Pick<Pool, 'dispatch' | 'close' | 'destroy'>;

/** What its client allows as well. */
export interface DirectOptions {
  /** Until an answer must have begun, and between its parts. */
  timeoutMs: number;
  /** Connections at a time. */
  maxSockets: number;
  open?(origin: string): Connections;
}

const connectTimeoutMs = 3_000;
/** Shorter than any service keeps a silent connection, so that a request does not meet one that is being closed. */
const keepAliveMs = 4_000;

/** One service, spoken to with its client's credentials and clock, over connections of its own. */
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

  /** The address is known. */
  get ready(): boolean {
    return this.place !== undefined;
  }

  /** Takes over where the SDK sends a request to, and how it signs it, unless the path is not what a direct call would use. */
  learn(request: unknown, path: string): void {
    this.place = isRequest(request) && request.path === path ? placeOf(request) : undefined;
  }

  /** The body of an answer 200; undefined for every other and when none came. */
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

  /** Connections of its own, to the one place; they go with the client. */
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

/** Undefined when not signed as direct calls can be. */
function placeOf({ protocol, hostname, port, headers }: SignedRequest): Place | undefined {
  const scope = /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request,/;
  const [, signingRegion, signingService] = scope.exec(headers.authorization ?? '') ?? [];
  if (signingRegion === undefined || signingService === undefined) return undefined;
  // In a Lambda function S3's events carry it on, and Lambda finds loops by it; it differs with each invocation.
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
