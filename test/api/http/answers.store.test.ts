import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Item } from '../../../lib/aws/client/table.ts';
import { completeEvents } from '../../../lib/aws/events/event-data.ts';
import { putEvents } from '../../../lib/aws/events/events.ts';
import { closeBatch, storeInbound } from '../../../lib/aws/inbound/inbound.ts';
import { keys } from '../../../lib/aws/keys.ts';
import { planDeliveriesTo } from '../../../lib/aws/webhooks/deliveries.ts';
import { storeOutcome } from '../../../lib/aws/webhooks/delivery-outcomes.ts';
import { disableEndpoint, readEndpoint } from '../../../lib/aws/webhooks/endpoints.ts';
import { eventsOf, type PacelineEvent } from '../../../lib/domain/events/events.ts';
import type { InboundContent } from '../../../lib/domain/inbound/inbound.ts';
import { type Api, rowId, startApi, tenantA } from '../api.ts';

type Json = Record<string, unknown>;

let api: Api;
let document: Json;
let accountId: string;
let contractId: string;
let importingId: string;
let planId: string;
let tenantId: string;
let keyId: string;
let webhookId: string;
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
  await api.call('POST', '/v1/suppressions', { phoneNumber: optedOut, reason: 'asked by mail' });
  await people();
  await webhook();
});
afterAll(() => api.stop());

const optedOut = '79997654321';
const contents: InboundContent[] = [
  { type: 'text', text: 'Is it open?', target: '3A00' },
  { type: 'image', text: 'this one', media: { mimeType: 'image/jpeg', sizeBytes: 9000, width: 640, height: 480 } },
  { type: 'location', location: { latitude: 52.5, longitude: 13.4, name: 'Shop' } },
  { type: 'contact', contacts: [{ name: 'Ann', vcard: 'BEGIN:VCARD' }] },
  { type: 'reaction', emoji: null, target: '3A00' },
];

/** Two batches of messages, one of them published; the sender of the other has a LID alone. */
async function people(): Promise<void> {
  const at = Date.now() - 60_000;
  const { table } = api.deps;
  for (const [id, from] of Object.entries({ inb_a: '79991234567', inb_b: '88112233445566' })) {
    const batch = { tenantId: tenantA, accountId, id };
    for (const [index, content] of contents.entries()) {
      const target = index === 0 ? { kind: 'new' as const, id, dueAt: at + 2000 } : { kind: 'open' as const, id };
      const message = { id: `${id}-${index}`, from, fromLid: '88112233445566', at, ...content };
      await storeInbound(table, batch, message, target, at);
    }
    if (id === 'inb_a') await closeBatch(table, batch, at + 3000);
  }
}

/** Events of each shape in the log, and a webhook that was sent them, with success, without, and not yet. */
async function webhook(): Promise<void> {
  const { table } = api.deps;
  const settings = { headers: { 'X-Env': 'prod' }, rateLimitPerSec: 5, accountIds: [accountId], ordered: true };
  const input = { name: 'w', url: 'https://hooks.example.com/', events: ['message'], ...settings };
  webhookId = (await api.call('POST', '/v1/webhooks', input)).json.id;
  await api.call('POST', '/v1/webhooks', { name: 'bare', url: 'https://hooks.example.com/', events: ['account.qr'] });
  const endpoint = await readEndpoint(table, tenantA, webhookId);
  if (endpoint === undefined) throw new Error('no webhook');
  const [shown] = await putEventsOf(keys.account(tenantA, accountId));
  const [queued] = await putEventsOf(await fedMessage());
  await putEventsOf(keys.contract(tenantA, contractId));
  const [received] = await putEventsOf(keys.inboundBatch(tenantA, accountId, 'inb_a'));
  const events = [shown, queued, received].filter((event) => event !== undefined);
  expect(events).toHaveLength(3);
  const [first, second] = await planDeliveriesTo(api.deps, endpoint, events, { at: Date.now() });
  if (first === undefined || second === undefined) throw new Error('not planned');
  const at = Date.now();
  const attempt = { at, status: 200, durationMs: 5, response: 'ok' };
  const failure = { at, status: null, durationMs: 5, response: null, error: 'timeout' as const };
  await storeOutcome(table, first, { status: 'delivered', slot: 0 }, at, attempt);
  await storeOutcome(table, second, { status: 'failed', slot: 9, reason: 'given_up' }, at, failure);
  await disableEndpoint(table, endpoint, 'failing', at);
  await putEventsOf(keys.endpoint(tenantA, webhookId));
  const [entry] = await table.queryAll<Item & { pk: string; sk: string }>({ pk: `T#${tenantA}`, skPrefix: 'S#' });
  if (entry !== undefined) await putEventsOf(entry);
}

/** The contract's first message and its text, as the feed makes them. */
async function fedMessage(): Promise<{ pk: string; sk: string }> {
  const id = rowId(contractId, 0);
  const key = keys.message(tenantA, id);
  const nowMs = Date.now();
  const of = { id, tenantId: tenantA, accountId, contractId, row: 0, to: '79991000000', lane: 'bulk' };
  const state = { state: 'QUEUED', feedSeq: 1, attempts: 0, createdAt: nowMs, queuedAt: nowMs };
  await api.deps.table.writeMany([
    { put: { ...key, type: 'message', ...of, ...state } },
    { put: { ...keys.text(tenantA, id), type: 'text', text: 'Hello 0' } },
  ]);
  return key;
}

/** The item as if it had just been put. */
async function putEventsOf({ pk, sk }: { pk: string; sk: string }): Promise<PacelineEvent[]> {
  const item = await api.deps.table.get<Item>({ pk, sk });
  const drafts = eventsOf(undefined, item, { at: Date.now(), version: '1' });
  const events = await completeEvents(api.deps.table, drafts, Date.now());
  await putEvents(api.deps.table, events);
  return events;
}

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
      ['/v1/messages/{id}', '', at(rowId(contractId, 0))],
      ['/v1/queues/status', '', {}],
      ['/v1/api-keys', '', {}],
      ['/v1/api-keys/{id}', '', at(keyId)],
      ['/v1/audit', '', {}],
      ['/v1/events', '', {}],
      ['/v1/inbox', '', {}],
      ['/v1/suppressions', '', {}],
      ['/v1/suppressions/{phone}', '', { phone: optedOut }],
      ['/v1/webhooks', '', {}],
      ['/v1/webhooks/{id}', '', at(webhookId)],
      ['/v1/webhooks/{id}/deliveries', '', at(webhookId)],
    ];
    const wrong = await Promise.all(cases.map(([path, query, values]) => check(path, query, values)));
    expect(wrong.flat()).toEqual([]);
    const shown = Object.entries(document.paths as Json).flatMap(([path, methods]) =>
      'get' in (methods as Json) && !path.startsWith('/v1/admin/') ? [path] : [],
    );
    const others = ['/v1/contracts/{id}/results.csv', '/v1/suppressions.csv'];
    expect([...new Set([...cases.map(([path]) => path), ...others])].sort()).toEqual(shown.sort());
  });

  it('with something to show: each shape of event, inbound messages, deliveries in each state', async () => {
    const types = async (path: string, field: string) => {
      const { items } = (await api.call('GET', path)).json;
      return [...new Set(items.map((item) => item[field]))].sort();
    };
    expect(await types('/v1/events', 'type')).toEqual([
      'account.created',
      'contract.started',
      'message.queued',
      'message.received',
      'suppression.created',
      'webhook.disabled',
    ]);
    expect(await types('/v1/inbox', 'type')).toEqual(['contact', 'image', 'location', 'reaction', 'text']);
    expect(await types(`/v1/webhooks/${webhookId}/deliveries`, 'status')).toEqual(['delivered', 'failed', 'pending']);
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
