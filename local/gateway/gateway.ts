import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { statusOf, titleOf, tooLargeDetail } from '../../functions/api/http/problem.ts';
import type { ErrorCode } from '../../lib/domain/errors.ts';
import type { Invocable, Outcome } from '../functions/function.ts';
import { httpEvent } from './event.ts';
import { matchRoute } from './routes.ts';

export interface GatewayRoute {
  routeKey: string;
  timeoutMs: number;
  target: Invocable;
}

export interface Gateway {
  readonly url: string;
  /** Replaces the routes. A request gets 404 when no route matches, or before the first call. */
  setRoutes(routes: GatewayRoute[]): void;
  close(): Promise<void>;
}

/** API Gateway's limit. */
const MAX_BODY_BYTES = 10 * 1024 * 1024;

/** Starts the HTTP API on 127.0.0.1. Its own errors are problem+json with the codes and titles of the API. `port` 0 takes a free port. */
export async function startGateway(port: number): Promise<Gateway> {
  let routes: GatewayRoute[] = [];
  const server = createServer((request, response) => {
    const requestId = randomUUID();
    serve(request, response, routes, requestId).catch((error: unknown) => {
      const detail = error instanceof Error ? error.message : String(error);
      if (response.headersSent) response.destroy();
      else sendProblem(response, 'INTERNAL', `The local gateway failed: ${detail}`, requestId);
    });
  });
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    setRoutes(changed) {
      routes = changed;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        // Open requests have one second to finish.
        setTimeout(() => server.closeAllConnections(), 1000).unref();
      }),
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  routes: GatewayRoute[],
  requestId: string,
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const found = matchRoute(routes, request.method ?? 'GET', path);
  if (found === undefined) {
    return sendProblem(response, 'NOT_FOUND', 'There is nothing at this path.', requestId);
  }
  const body = await readBody(request);
  if (body === 'cut-off') return;
  if (body === 'too-large') {
    response.setHeader('connection', 'close');
    request.resume();
    return sendProblem(response, 'PAYLOAD_TOO_LARGE', tooLargeDetail, requestId);
  }
  const event = httpEvent(request, body, found.match, { requestId, nowMs: Date.now() });
  sendOutcome(response, await found.route.target.invoke(event, found.route.timeoutMs), requestId);
}

async function readBody(request: IncomingMessage): Promise<Buffer | 'too-large' | 'cut-off'> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return 'too-large';
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
      else resolve('too-large');
    });
    request.once('end', () => resolve(Buffer.concat(chunks)));
    request.once('error', () => resolve('cut-off'));
    request.once('close', () => resolve('cut-off'));
  });
}

function sendOutcome(response: ServerResponse, outcome: Outcome, requestId: string): void {
  if (outcome.kind === 'ok') sendAnswer(response, outcome.value, requestId);
  else sendProblem(response, ...PROBLEMS[outcome.kind], requestId);
}

const PROBLEMS: Record<Exclude<Outcome['kind'], 'ok'>, [code: ErrorCode, detail: string]> = {
  error: ['INTERNAL', 'The function failed; its log says why.'],
  crashed: ['INTERNAL', 'The function process ended during this request; it is being restarted.'],
  timeout: ['UNAVAILABLE', 'The function took too long; try again.'],
  unavailable: ['UNAVAILABLE', 'The function is being started; try again.'],
  'too-large': ['PAYLOAD_TOO_LARGE', tooLargeDetail],
};

interface Answer {
  statusCode: number;
  headers?: Record<string, string | number | boolean>;
  cookies?: string[];
  body?: string;
  isBase64Encoded?: boolean;
}

/** Sends an object with a statusCode as it is, and any other value as the JSON body of a 200, as API Gateway does. */
function sendAnswer(response: ServerResponse, value: unknown, requestId: string): void {
  const answer: Answer = isAnswer(value)
    ? value
    : {
        statusCode: 200,
        headers: { 'content-type': 'application/json' },
        body: typeof value === 'string' ? value : JSON.stringify(value),
      };
  const { body = '' } = answer;
  const bytes = Buffer.from(body, answer.isBase64Encoded === true ? 'base64' : 'utf8');
  for (const [name, header] of Object.entries(answer.headers ?? {})) response.setHeader(name, String(header));
  if (answer.cookies !== undefined && answer.cookies.length > 0) response.setHeader('set-cookie', answer.cookies);
  if (!response.hasHeader('content-type') && bytes.length > 0)
    response.setHeader('content-type', 'text/plain;charset=UTF-8');
  response.setHeader('apigw-requestid', requestId);
  if (answer.statusCode !== 204 && answer.statusCode !== 304) response.setHeader('content-length', bytes.length);
  response.writeHead(answer.statusCode).end(bytes);
}

function isAnswer(value: unknown): value is Answer {
  return typeof value === 'object' && value !== null && 'statusCode' in value && typeof value.statusCode === 'number';
}

function sendProblem(response: ServerResponse, code: ErrorCode, detail: string, requestId: string): void {
  const status = statusOf[code];
  const title = titleOf[status];
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    'x-request-id': requestId,
    ...(status === 503 ? { 'retry-after': '1' } : {}),
  });
  response.end(JSON.stringify({ type: 'about:blank', title, status, code, detail }));
}
