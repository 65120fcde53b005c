import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { keys } from '../../lib/aws/keys.ts';
import { messageId } from '../../lib/domain/ids.ts';
import { type Api, startApi, tenantA } from './api.ts';

type Json = Record<string, unknown>;

let api: Api;
let document: Json;
let accountId: string;
let contractId: string;
let importingId: string;
let planId: string;
let tenantId: string;
let keyId: string;
beforeAll(async () => {
  api = await startApi();
  document = (await api.call('GET', '/openapi.json', undefined, { key: undefined })).json;
  accountId = await api.account({ pacing: { dayCap: 7 } }, { connected: true });
  await api.deps.table.update(keys.account(tenantA, accountId), {
    update: 'SET link = :link, #s = :s',
    names: { '#s': 'status' },
    values: {
      ':s': 'awaiting_link',
      ':link': { method: 'qr', code: 'x,y', attempt: 1, expiresAt: Date.now() + 60_000 },
    },
  });
  const order = { accountId, name: 'c', recipients: api.recipients(3) };
  contractId = (await api.call('POST', '/v1/contracts', { ...order, start: true })).json.id;
  importingId = (await api.call('POST', '/v1/contracts', { ...order, recipients: [] })).json.id;
  await api.call('POST', `/v1/contracts/${importingId}/import`, { format: 'csv' });
  const admin = { key: api.adminKey };
  planId = (await api.call('POST', '/v1/admin/plans', { name: 'p' }, admin)).json.id;
  tenantId = (await api.call('POST', '/v1/admin/tenants', { name: 't', planId }, admin)).json.id;
  keyId = (await api.call('POST', '/v1/api-keys', { name: 'k', scopes: ['read'] })).json.id;
});
afterAll(() => api.stop());

/** The schema with its references in place and every object closed: what it does not name is refused. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { $ref, ...rest } = schema as Json & { $ref?: string };
  if ($ref !== undefined) {
    const { schemas } = document.components as { schemas: Json };
    return closed(schemas[$ref.replace('#/components/schemas/', '')]);
  }
  const { example: _example, ...kept } = rest;
  const entries = Object.entries(kept).map(([name, value]) => [name, closed(value)] as const);
  const isOpen = 'properties' in kept && !('additionalProperties' in kept);
  return { ...Object.fromEntries(entries), ...(isOpen ? { additionalProperties: false } : {}) };
}

/** What is wrong with the answer, as its schema in the document has it. */
async function check(path: string, query: string, values: Json, key = api.keyA): Promise<string[]> {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => String(values[name]));
  const answer = await api.call('GET', filled + query, undefined, { key });
  const operation = ((document.paths as Json)[path] as Json).get as { responses: Record<string, Json> };
  const content = operation.responses[answer.status]?.content as Record<string, { schema: Json }> | undefined;
  const schema = content?.['application/json']?.schema;
  if (answer.status !== 200 || schema === undefined) return [`${path}: ${answer.status}`];
  const result = z.fromJSONSchema(closed(schema) as never).safeParse(answer.json);
  return result.success ? [] : result.error.issues.map((issue) => `${path}/${issue.path.join('/')}: ${issue.message}`);
}

describe('every GET answers what the document says, and no field more', () => {
  it('for tenants', async () => {
    const at = (id: string) => ({ id });
    const cases: [path: string, query: string, values: Json][] = [
      ['/health', '', {}],
      ['/v1/accounts', '', {}],
      ['/v1/accounts/{id}', '', at(accountId)],
      ['/v1/accounts/{id}/link', '', at(accountId)],
      ['/v1/accounts/{id}/qr', '', at(accountId)],
      ['/v1/contracts', '', {}],
      ['/v1/contracts/{id}', '', at(contractId)],
      ['/v1/contracts/{id}', '', at(importingId)],
      ['/v1/contracts/{id}/stats', '', at(contractId)],
      ['/v1/contracts/{id}/stats', '?list=failed', at(contractId)],
      ['/v1/messages', '', {}],
      ['/v1/messages/{id}', '', at(messageId(contractId, 0))],
      ['/v1/queues/status', '', {}],
      ['/v1/api-keys', '', {}],
      ['/v1/api-keys/{id}', '', at(keyId)],
      ['/v1/audit', '', {}],
    ];
    const wrong = await Promise.all(cases.map(([path, query, values]) => check(path, query, values)));
    expect(wrong.flat()).toEqual([]);
    const told = Object.entries(document.paths as Json).flatMap(([path, methods]) =>
      'get' in (methods as Json) && !path.startsWith('/v1/admin/') ? [path] : [],
    );
    const others = ['/v1/contracts/{id}/results.csv'];
    expect([...new Set([...cases.map(([path]) => path), ...others])].sort()).toEqual(told.sort());
  });

  it('for admins', async () => {
    const cases: [path: string, id: string][] = [
      ['/v1/admin/plans', ''],
      ['/v1/admin/plans/{id}', planId],
      ['/v1/admin/tenants', ''],
      ['/v1/admin/tenants/{id}', tenantId],
      ['/v1/api-keys', ''],
      ['/v1/audit', ''],
    ];
    const wrong = await Promise.all(cases.map(([path, id]) => check(path, '', { id }, api.adminKey)));
    expect(wrong.flat()).toEqual([]);
  });

  it('and the check itself sees a field too many', () => {
    const page = z.fromJSONSchema(closed({ $ref: '#/components/schemas/ContractPage' }) as never);
    const counts = { pk: 'T#1', pending: 0 };
    const issues = page.safeParse({ items: [{ counts }], nextCursor: null }).error?.issues ?? [];
    expect(issues.map((issue) => JSON.stringify(issue)).join()).toContain('"pk"');
  });
});
