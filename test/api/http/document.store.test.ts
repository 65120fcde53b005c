import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, startApi } from '../api.ts';

interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  webhooks: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; securitySchemes: object };
}
interface Shape {
  properties: Record<string, { enum?: string[] }>;
}
interface Operation {
  security?: unknown[];
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object; example?: unknown }> }>;
}

let api: Api;
let document: Document;
beforeAll(async () => {
  api = await startApi();
  document = (await api.call('GET', '/openapi.json', undefined, { key: undefined })).json as unknown as Document;
});
afterAll(() => api.stop());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

describe('/openapi.json', () => {
  it('is OpenAPI 3.1 with exactly the routes of this release', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(
      operations()
        .map(({ method, path }) => `${method.toUpperCase()} ${path}`)
        .sort(),
    ).toEqual([
      'DELETE /v1/accounts/{id}',
      'DELETE /v1/admin/plans/{id}',
      'DELETE /v1/admin/tenants/{id}',
      'DELETE /v1/api-keys/{id}',
      'DELETE /v1/contracts/{id}',
      'DELETE /v1/suppressions/{phone}',
      'DELETE /v1/webhooks/{id}',
      'GET /health',
      'GET /v1/accounts',
      'GET /v1/accounts/{id}',
      'GET /v1/accounts/{id}/link',
      'GET /v1/accounts/{id}/qr',
      'GET /v1/admin/plans',
      'GET /v1/admin/plans/{id}',
      'GET /v1/admin/tenants',
      'GET /v1/admin/tenants/{id}',
      'GET /v1/api-keys',
      'GET /v1/api-keys/{id}',
      'GET /v1/audit',
      'GET /v1/contracts',
      'GET /v1/contracts/{id}',
      'GET /v1/contracts/{id}/results.csv',
      'GET /v1/contracts/{id}/stats',
      'GET /v1/events',
      'GET /v1/inbox',
      'GET /v1/messages',
      'GET /v1/messages/{id}',
      'GET /v1/queues/status',
      'GET /v1/suppressions',
      'GET /v1/suppressions.csv',
      'GET /v1/suppressions/{phone}',
      'GET /v1/webhooks',
      'GET /v1/webhooks/{id}',
      'GET /v1/webhooks/{id}/deliveries',
      'PATCH /v1/accounts/{id}',
      'PATCH /v1/admin/plans/{id}',
      'PATCH /v1/admin/tenants/{id}',
      'PATCH /v1/webhooks/{id}',
      'POST /v1/accounts',
      'POST /v1/accounts/{id}/confirm-number',
      'POST /v1/accounts/{id}/connect',
      'POST /v1/accounts/{id}/disconnect',
      'POST /v1/accounts/{id}/logout',
      'POST /v1/accounts/{id}/pairing-code',
      'POST /v1/accounts/{id}/pause',
      'POST /v1/accounts/{id}/resume',
      'POST /v1/admin/plans',
      'POST /v1/admin/tenants',
      'POST /v1/api-keys',
      'POST /v1/contracts',
      'POST /v1/contracts/{id}/cancel',
      'POST /v1/contracts/{id}/clear-failed',
      'POST /v1/contracts/{id}/import',
      'POST /v1/contracts/{id}/pause',
      'POST /v1/contracts/{id}/recipients',
      'POST /v1/contracts/{id}/retry-failed',
      'POST /v1/contracts/{id}/start',
      'POST /v1/deliveries/{id}/replay',
      'POST /v1/messages/bulk',
      'POST /v1/suppressions',
      'POST /v1/suppressions/import',
      'POST /v1/webhooks',
      'POST /v1/webhooks/{id}/enable',
      'POST /v1/webhooks/{id}/replay',
      'POST /v1/webhooks/{id}/rotate-secret',
      'POST /v1/webhooks/{id}/test',
    ]);
  });

  it('resolves every reference', () => {
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
      ([, name]) => name,
    );
    expect(refs.length).toBeGreaterThan(100);
    for (const name of refs) expect(Object.keys(document.components.schemas)).toContain(name);
  });

  it('declares path parameters, keys, answers and errors with examples', () => {
    for (const { path, method, operation } of operations()) {
      const where = `${method} ${path}`;
      const params = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect([where, params.map(({ name }) => name)]).toEqual([where, named]);
      const statuses = Object.keys(operation.responses);
      expect([where, statuses.some((status) => /^2/.test(status))]).toEqual([where, true]);
      if (path === '/health') continue;
      expect(operation.security?.length).toBeGreaterThan(0);
      expect(statuses).toEqual(expect.arrayContaining(['401', '403']));
      if (method === 'post') {
        expect(operation.parameters).toContainEqual(expect.objectContaining({ name: 'idempotency-key', in: 'header' }));
      }
      const withBody = operation.requestBody === undefined ? [] : ['400', '413', '415', '422'];
      expect([where, statuses]).toEqual([where, expect.arrayContaining([...withBody, '500', '503'])]);
      for (const [status, answer] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue;
        const content = answer.content?.['application/problem+json'];
        expect(content?.schema).toEqual({ $ref: '#/components/schemas/Problem' });
        expect(content?.example).toMatchObject({ status: Number(status), code: expect.any(String) });
      }
    }
  });

  it('describes inputs as closed objects', () => {
    for (const name of [
      'AccountInput',
      'AccountPatch',
      'ContractInput',
      'Recipient',
      'TenantInput',
      'ApiKeyInput',
      'PacingInput',
      'SuppressionInput',
      'WebhookInput',
      'WebhookPatch',
    ]) {
      expect(document.components.schemas[name]).toMatchObject({ type: 'object', additionalProperties: false });
    }
  });

  it('documents the data of each type of event, in the log and as an endpoint is sent it', () => {
    const schemas = document.components.schemas as Record<string, { anyOf?: { $ref: string }[] } & Shape>;
    const typesOf = (union: string) =>
      (schemas[union]?.anyOf ?? []).flatMap(
        ({ $ref }) => schemas[$ref.split('/').at(-1) ?? '']?.properties.type?.enum ?? [],
      );
    expect(typesOf('Event')).toContain('message.read');
    expect(typesOf('Event')).not.toContain('account.qr');
    expect(typesOf('EventBody').filter((type) => !typesOf('Event').includes(type))).toEqual([
      'account.qr',
      'account.pairing_code',
      'webhook.test',
    ]);
    expect(schemas.WebhookTestEventBody?.properties.data).toEqual({
      type: 'object',
      properties: {
        webhook: {
          type: 'object',
          properties: { id: expect.any(Object), name: expect.any(Object) },
          required: ['id', 'name'],
        },
      },
      required: ['webhook'],
    });
    expect(schemas.MessageEvent?.properties.data).toEqual({
      type: 'object',
      properties: { message: { $ref: '#/components/schemas/Message' } },
      required: ['message'],
    });
    expect(document.webhooks.event?.post?.requestBody?.content['application/json']?.schema).toEqual({
      $ref: '#/components/schemas/EventBody',
    });
  });
});

describe('/docs', () => {
  it('renders the document with files from here alone', async () => {
    const page = await api.call('GET', '/docs', undefined, { key: undefined });
    expect(page.status).toBe(200);
    expect(page.text).not.toMatch(/https?:\/\//);
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? '');
    expect(files).toHaveLength(5);
    for (const file of files) {
      const answer = await api.call('GET', file, undefined, { key: undefined });
      expect([file, answer.status]).toEqual([file, 200]);
    }
    expect((await api.call('GET', '/docs/start.js', undefined, { key: undefined })).text).toContain(
      "url: '/openapi.json'",
    );
    expect((await api.call('GET', '/docs/index.js', undefined, { key: undefined })).status).toBe(404);
    expect((await api.call('GET', '/docs/..%2fpackage.json', undefined, { key: undefined })).status).toBe(404);
  });
});

describe('/health', () => {
  it('needs no key and says the version', async () => {
    const health = await api.call('GET', '/health', undefined, { key: undefined });
    expect([health.status, health.json]).toEqual([200, { status: 'ok', version: '1.2.3' }]);
  });
});
