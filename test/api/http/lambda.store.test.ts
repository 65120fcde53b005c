import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { handler } from '../../../functions/api/handler.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import { type Api, startApi } from '../api.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

const context = { awsRequestId: 'invocation-1', getRemainingTimeInMillis: () => 29_000 } as Context;

function event(method: string, path: string, more: Partial<APIGatewayProxyEventV2> = {}): APIGatewayProxyEventV2 {
  const [rawPath = '', rawQueryString = ''] = path.split('?');
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString,
    isBase64Encoded: false,
    ...more,
    headers: { host: 'api.example.com', authorization: `Bearer ${api.keyA}`, ...more.headers },
    requestContext: {
      accountId: '000000000000',
      apiId: 'api',
      domainName: 'api.example.com',
      domainPrefix: 'api',
      http: { method, path: rawPath, protocol: 'HTTP/1.1', sourceIp: '203.0.113.7', userAgent: 'test' },
      requestId: 'gateway-1',
      routeKey: '$default',
      stage: '$default',
      time: '',
      timeEpoch: 0,
    },
  };
}

it('answers events of an HTTP API', async () => {
  const health = await handler(event('GET', '/health'), context);
  expect(health.statusCode).toBe(200);
  expect(JSON.parse(health.body ?? '')).toEqual({ status: 'ok', version: packageJson.version });
  expect(health.headers).toMatchObject({ 'x-request-id': 'gateway-1' });
});

it('takes JSON plain and as base64, and names caller and request in the audit log', async () => {
  const body = JSON.stringify({ name: 'Über' });
  const plain = await handler(event('POST', '/v1/accounts', { body }), context);
  expect([plain.statusCode, JSON.parse(plain.body ?? '').name]).toEqual([201, 'Über']);
  const encoded = { body: Buffer.from(body).toString('base64'), isBase64Encoded: true };
  expect((await handler(event('POST', '/v1/accounts', encoded), context)).statusCode).toBe(201);
  const log = await handler(event('GET', '/v1/audit?limit=1'), context);
  expect(JSON.parse(log.body ?? '').items[0]).toMatchObject({ ip: '203.0.113.7', requestId: 'gateway-1' });
});

it('gives pictures as base64', async () => {
  const icon = await handler(event('GET', '/docs/favicon-32x32.png'), context);
  expect(icon.isBase64Encoded).toBe(true);
  expect(
    Buffer.from(icon.body ?? '', 'base64')
      .subarray(1, 4)
      .toString(),
  ).toBe('PNG');
});

it('does not mind a body on a GET', async () => {
  expect((await handler(event('GET', '/v1/accounts', { body: '{}' }), context)).statusCode).toBe(200);
});

it('answers refusals as problem+json', async () => {
  const refused = await handler(event('GET', '/v1/accounts', { headers: { authorization: '' } }), context);
  expect(refused.statusCode).toBe(401);
  expect(refused.headers?.['content-type']).toBe('application/problem+json');
});

it('refuses an Idempotency-Key that is there and empty', async () => {
  const headers = { 'idempotency-key': '' };
  const refused = await handler(event('POST', '/v1/accounts', { body: '{"name":"x"}', headers }), context);
  expect([refused.statusCode, JSON.parse(refused.body ?? '').code]).toEqual([400, 'BAD_REQUEST']);
});

it('refuses bodies that are not UTF-8, which come as base64', async () => {
  const body = Buffer.from('{"name":"Gr\xfc\xdfe"}', 'latin1').toString('base64');
  const refused = await handler(event('POST', '/v1/accounts', { body, isBase64Encoded: true }), context);
  expect([refused.statusCode, JSON.parse(refused.body ?? '').code]).toEqual([400, 'MALFORMED_JSON']);
});
