import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { S3Client } from '@aws-sdk/client-s3';

/**
 * The calls of the send path, made without the SDK's way from input to request and back, which takes half of a call's CPU time
 * (bench/send --profile). The SDK still signs and keeps the connections:
 *
 *   command -> JSON or bytes -> SDK's signer -> SDK's request handler -> 200: the output
 *                                                                    -> anything else, or no answer: the same command, the SDK's way
 *
 * So retries, errors and clock skew remain the SDK's. The first call goes its way and shows the address. Not for calls with options of
 * their own, such as a signal.
 */

/** Input and output of these are the wire's JSON as it stands, but for binary values. */
const directReadsAndWrites: ReadonlySet<string> = new Set([
  'GetItemCommand',
  'BatchGetItemCommand',
  'TransactWriteItemsCommand',
]);
/** A bucket or a key that needs no escaping in a path. */
const plainPath = /^[\w.-]+(\/[\w.-]+)*$/;

export function callDynamoDirectly(client: DynamoDBClient): void {
  const direct = new Direct(client, 'dynamodb');
  client.middlewareStack.add(direct.learn, learning);
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        if (!direct.ready || !directReadsAndWrites.has(commandName)) return next(args);
        // One token for both ways, so that a transaction that stood is not made twice.
        const token = commandName === 'TransactWriteItemsCommand' ? { ClientRequestToken: randomUUID() } : {};
        const input = { ...token, ...args.input };
        const output = await call(commandName, JSON.stringify(input));
        return output === undefined ? next({ ...args, input }) : answered(next, output);
      },
    calling,
  );

  /** Undefined: not answered 200, or not with plain values alone. */
  async function call(commandName: string, body: string): Promise<object | undefined> {
    if (body.includes('"B":{') || body.includes('"BS":[')) return undefined;
    const text = await direct.send({
      method: 'POST',
      path: '/',
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `DynamoDB_20120810.${commandName.slice(0, -'Command'.length)}`,
      },
      body,
    });
    return text === undefined || text.includes('"B":"') || text.includes('"BS":[') ? undefined : JSON.parse(text);
  }
}

/** PutObject of bytes, create-only or not, for a client with path-style buckets; the output is empty. */
export function callS3Directly(client: S3Client): void {
  const direct = new Direct(client, 's3');
  client.middlewareStack.add(direct.learn, learning);
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        if (!direct.ready || commandName !== 'PutObjectCommand') return next(args);
        const { Bucket, Key, Body, IfNoneMatch, ...others }: Partial<Record<string, unknown>> = { ...args.input };
        const path = `${Bucket}/${Key}`;
        const isPlain = plainPath.test(path) && Object.values(others).every((value) => value === undefined);
        if (!isPlain || !(Body instanceof Uint8Array)) return next(args);
        const headers = typeof IfNoneMatch === 'string' ? { 'if-none-match': IfNoneMatch } : {};
        const text = await direct.send({ method: 'PUT', path: `/${path}`, headers, body: Body });
        return text === undefined ? next(args) : answered(next, {});
      },
    calling,
  );
}

const learning = { step: 'finalizeRequest', priority: 'low', name: 'learnPlace' } as const;
const calling = { step: 'initialize', priority: 'low', name: 'callDirectly' } as const;

interface Place {
  protocol: string;
  hostname: string;
  port?: number;
}

interface DirectRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array;
}

/** One service, spoken to with its client's own signer and connections. */
class Direct {
  private readonly client: DynamoDBClient | S3Client;
  private readonly signingName: string;
  private place: Place | undefined;
  private signer: ReturnType<typeof makeSigner> | undefined;

  constructor(client: DynamoDBClient | S3Client, signingName: string) {
    this.client = client;
    this.signingName = signingName;
  }

  /** The address is known. */
  get ready(): boolean {
    return this.place !== undefined;
  }

  /** Middleware: sees where the SDK sends to. */
  readonly learn =
    <Args extends { request: unknown }, Result>(next: (args: Args) => Result) =>
    (args: Args): Result => {
      if (isPlace(args.request)) this.place ??= args.request;
      return next(args);
    };

  /** The body of an answer 200; undefined for every other and when none came. */
  async send({ method, path, headers, body }: DirectRequest): Promise<string | undefined> {
    const { client, place } = this;
    if (place === undefined) return undefined;
    const { protocol, hostname, port } = place;
    this.signer ??= makeSigner(client, this.signingName);
    try {
      const request = await (await this.signer).sign({
        method,
        protocol,
        hostname,
        ...(port === undefined ? {} : { port }),
        path,
        query: {},
        headers: {
          host: port === undefined ? hostname : `${hostname}:${port}`,
          'content-length': String(Buffer.byteLength(body)),
          ...headers,
        },
        body,
      });
      const handler = client.config.requestHandler;
      const { response } = await handler.handle(request as Parameters<typeof handler.handle>[0]);
      const text = await textOf(response.body);
      return response.statusCode === 200 ? text : undefined;
    } catch {
      return undefined;
    }
  }
}

async function makeSigner({ config }: DynamoDBClient | S3Client, signingName: string) {
  const signingRegion = await config.region();
  return await config.signer({ name: 'sigv4', signingName, signingRegion, properties: {} });
}

/** By events, which cost a fraction of iterating. */
function textOf(body: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    body.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    body.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    body.on('error', reject);
    body.on('aborted', () => reject(new Error('the answer was cut off')));
  });
}

function isPlace(request: unknown): request is Place {
  return typeof request === 'object' && request !== null && 'hostname' in request && 'protocol' in request;
}

/** An output in the shape the command promises, which the service has kept. */
function answered<Result>(_next: (args: never) => Promise<{ output: Result }>, output: object) {
  return { response: undefined, output: { $metadata: {}, ...output } as Result };
}
