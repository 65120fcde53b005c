import { request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import type { Outcome } from '../../local/functions/function.ts';
import type { HttpEvent } from '../../local/gateway/event.ts';
import { type Gateway, startGateway } from '../../local/gateway/gateway.ts';
import { matchRoute } from '../../local/gateway/routes.ts';

async function prepare(
  outcome: Outcome = { kind: 'ok', value: { statusCode: 204 } },
  routeKey = '$default',
): Promise<{ gateway: Gateway; events: HttpEvent[] }> {
  const events: HttpEvent[] = [];
  const gateway = await startGateway(0);
  onTestFinished(() => gateway.close());
  const target = {
    name: 'test',
    available: () => Promise.resolve(),
    invoke: (event: unknown) => {
      events.push(event as HttpEvent);
      return Promise.resolve(outcome);
    },
  };
  gateway.setRoutes([{ routeKey, timeoutMs: 30_000, target }]);
  return { gateway, events };
}

test('a request becomes the event API Gateway sends', async () => {
  const { gateway, events } = await prepare();
  const { port } = new URL(gateway.url);
  await new Promise((resolve, reject) => {
    const sent = request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/v1/things/a%20b?x=1&x=2&y=%2B&z',
      headers: [
        ['Host', 'api.example'],
        ['X-Twice', 'one'],
        ['X-Twice', 'two'],
        ['Cookie', 'a=1; b=2'],
        ['Content-Type', 'application/json; charset=utf-8'],
        ['User-Agent', 'test'],
        ['Authorization', 'Bearer k'],
      ].flat(),
    });
    sent.once('response', (response) => response.resume().once('end', resolve));
    sent.once('error', reject);
    sent.end('{"ü":1}');
  });
  const event = events[0];
  expect(event).toMatchObject({
    version: '2.0',
    routeKey: '$default',
    rawPath: '/v1/things/a%20b',
    rawQueryString: 'x=1&x=2&y=%2B&z',
    cookies: ['a=1', 'b=2'],
    queryStringParameters: { x: '1,2', y: '+', z: '' },
    body: '{"ü":1}',
    isBase64Encoded: false,
    requestContext: {
      domainName: 'api.example',
      http: {
        method: 'POST',
        path: '/v1/things/a%20b',
        protocol: 'HTTP/1.1',
        sourceIp: '127.0.0.1',
        userAgent: 'test',
      },
      routeKey: '$default',
      stage: '$default',
    },
  });
  expect(event?.headers).toMatchObject({
    'x-twice': 'one,two',
    authorization: 'Bearer k',
    'x-forwarded-proto': 'http',
  });
  expect(event?.headers.cookie).toBeUndefined();
  expect(event?.requestContext.time).toMatch(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
  expect(event?.requestContext.requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(event?.pathParameters).toBeUndefined();
});

test('bytes that are not text come as base64, an absent body not at all', async () => {
  const { gateway, events } = await prepare();
  const headers = { 'content-type': 'application/octet-stream' };
  await fetch(gateway.url, { method: 'POST', body: new Uint8Array([0, 255]), headers });
  await fetch(gateway.url);
  const json = { 'content-type': 'application/json' };
  await fetch(gateway.url, { method: 'POST', body: new Uint8Array([0x22, 0xfc, 0x22]), headers: json });
  expect(events[2]).toMatchObject({ body: 'Ivwi', isBase64Encoded: true });
  expect(events[0]).toMatchObject({ body: 'AP8=', isBase64Encoded: true });
  expect(events[1]?.body).toBeUndefined();
  expect(events[1]?.isBase64Encoded).toBe(false);
});

test('the function’s answer is passed on: status, headers, cookies, bytes', async () => {
  const value = {
    statusCode: 201,
    headers: { 'content-type': 'image/png', 'x-n': 5 },
    cookies: ['a=1', 'b=2'],
    body: 'AP8=',
    isBase64Encoded: true,
  };
  const { gateway } = await prepare({ kind: 'ok', value });
  const response = await fetch(gateway.url);
  expect(response.status).toBe(201);
  expect(response.headers.get('content-type')).toBe('image/png');
  expect(response.headers.get('x-n')).toBe('5');
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  expect(new Uint8Array(await response.arrayBuffer())).toEqual(new Uint8Array([0, 255]));
});

test('an answer without a status is the JSON body of a 200', async () => {
  const { gateway } = await prepare({ kind: 'ok', value: { a: 1 } });
  const response = await fetch(gateway.url);
  expect([response.status, await response.json()]).toEqual([200, { a: 1 }]);
});

test.each<[Outcome['kind'], number, string, string]>([
  ['error', 500, 'INTERNAL', 'Internal server error'],
  ['crashed', 500, 'INTERNAL', 'Internal server error'],
  ['timeout', 503, 'UNAVAILABLE', 'Service unavailable'],
  ['unavailable', 503, 'UNAVAILABLE', 'Service unavailable'],
  ['too-large', 413, 'PAYLOAD_TOO_LARGE', 'Payload too large'],
])('an invocation that ends %s answers %i problem+json of the published lists', async (kind, status, code, title) => {
  const outcome: Outcome = kind === 'error' ? { kind, name: 'E', message: 'secret' } : ({ kind } as Outcome);
  const { gateway } = await prepare(outcome);
  const response = await fetch(gateway.url);
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = await response.text();
  expect(JSON.parse(problem)).toMatchObject({ type: 'about:blank', status, code, title });
  if (status === 413) expect(problem).toContain('/v1/contracts/:id/import');
  expect(problem).not.toContain('secret');
});

test('a body above 10 MB is 413 and no function sees it', async () => {
  const { gateway, events } = await prepare();
  const body = 'x'.repeat(10 * 1024 * 1024 + 1);
  expect((await fetch(gateway.url, { method: 'POST', body })).status).toBe(413);
  const unannounced = new Blob([body]).stream();
  const streamed = await fetch(gateway.url, { method: 'POST', body: unannounced, duplex: 'half' } as RequestInit);
  expect(streamed.status).toBe(413);
  expect(events).toEqual([]);
});

test('a path without a route is 404', async () => {
  const { gateway } = await prepare(undefined, 'GET /only');
  expect((await fetch(`${gateway.url}/only`)).status).toBe(204);
  expect((await fetch(`${gateway.url}/other`)).status).toBe(404);
  expect((await fetch(`${gateway.url}/only`, { method: 'POST' })).status).toBe(404);
});

const routes = ['$default', 'ANY /{all+}', 'GET /a/{id}', 'GET /a/b', 'ANY /a/b', 'GET /a/{id}/{rest+}'].map(
  (routeKey) => ({
    routeKey,
  }),
);
test.each([
  ['GET', '/a/b', 'GET /a/b', {}],
  ['POST', '/a/b', 'ANY /a/b', {}],
  ['GET', '/a/c', 'GET /a/{id}', { id: 'c' }],
  ['GET', '/a/c/d/e', 'GET /a/{id}/{rest+}', { id: 'c', rest: 'd/e' }],
  ['PUT', '/z', 'ANY /{all+}', { all: 'z' }],
])('%s %s takes the most specific route', (method, path, routeKey, pathParameters) => {
  expect(matchRoute(routes, method, path)?.match).toEqual({ routeKey, pathParameters });
});
