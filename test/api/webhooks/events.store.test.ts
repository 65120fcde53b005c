import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { putEvents } from '../../../lib/aws/events/events.ts';
import { keys } from '../../../lib/aws/keys.ts';
import type { EventType, PacelineEvent } from '../../../lib/domain/events/events.ts';
import { derivedId } from '../../../lib/domain/ids.ts';
import { type Api, startApi, tenantA, tenantB } from '../api.ts';

const dayMs = 24 * 3_600_000;
/** Half a day past midnight, so that whole days back are other days of the log. */
const now = Date.UTC(2026, 10, 20, 12);

let api: Api;
beforeAll(async () => {
  api = await startApi({ nowMs: () => now });
  for (const tenant of [tenantA, tenantB]) {
    await api.deps.table.update(keys.tenant(tenant), {
      update: 'SET createdAt = :then',
      values: { ':then': now - 100 * dayMs },
    });
  }
});
afterAll(() => api.stop());

let serial = 0;
const event = (type: EventType, at: number, more: Partial<PacelineEvent> = {}): PacelineEvent => {
  serial += 1;
  const id = derivedId('evt', String(serial));
  return { id, type, at, tenantId: tenantA, data: { contract: { n: serial } }, logged: true, ...more };
};
const put = async (...events: PacelineEvent[]) => {
  await putEvents(api.deps.table, events);
  return events.map(({ id }) => id);
};
const ids = async (query = '', options = {}) => {
  const { status, json } = await api.call('GET', `/v1/events${query}`, undefined, options);
  expect(status).toBe(200);
  return json.items.map(({ id }) => id);
};
/** All pages, one after the other. */
const walk = async (query: string) => {
  const found: string[][] = [];
  let cursor: string | null = '';
  do {
    const more: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const { json } = await api.call('GET', `/v1/events?${query}${more}`);
    found.push(json.items.map(({ id }) => id));
    cursor = json.nextCursor;
  } while (cursor !== null);
  return found;
};

beforeEach(async () => {
  for (const day of [0, 1, 3, 10, 29, 30]) {
    const { pk } = keys.event(tenantA, now - day * dayMs, '');
    const items = await api.deps.table.queryAll<{ pk: string; sk: string }>({ pk });
    if (items.length > 0) await api.deps.table.writeMany(items.map((item) => ({ delete: { pk, sk: item.sk } })));
  }
});

describe('GET /v1/events', () => {
  it('shows what happened, newest first, with the text of a message while it is kept', async () => {
    const id = 'msg_0123456789ABCDEF01';
    const data = { message: { id, to: '79991234567', status: 'SENT', type: 'text', text: null } };
    const sent = event('message.sent', now - 1000, { data, content: id, accountId: 'acc_1', chat: '79991234567' });
    const started = event('contract.started', now - 2000);
    await put(started, sent);
    await api.deps.table.put({ ...keys.text(tenantA, id), type: 'text', text: 'Your order has been shipped.' });
    const { json } = await api.call('GET', '/v1/events');
    expect(json).toEqual({
      items: [
        {
          id: sent.id,
          type: 'message.sent',
          timestamp: '2026-11-20T11:59:59.000Z',
          data: { message: { ...data.message, text: 'Your order has been shipped.' } },
        },
        { id: started.id, type: 'contract.started', timestamp: '2026-11-20T11:59:58.000Z', data: started.data },
      ],
      nextCursor: null,
    });
    await api.deps.table.delete(keys.text(tenantA, id));
    const later = await api.call('GET', '/v1/events?type=message.sent');
    expect(later.json.items).toMatchObject([{ data }]);
  });

  it('pages over days, each event once, and an event of the same millisecond is not lost', async () => {
    const spread = [0, 1, 1, 1, dayMs, 3 * dayMs, 3 * dayMs, 10 * dayMs, 29 * dayMs];
    const made = await put(...spread.map((before) => event('contract.paused', now - 1 - before)));
    const pages = await walk('limit=2');
    expect(pages.map(({ length }) => length)).toEqual([2, 2, 2, 2, 1]);
    expect(pages.flat().sort()).toEqual([...made].sort());
    expect((await walk('limit=3')).map(({ length }) => length)).toEqual([3, 3, 3]);
  });

  it('takes since (inclusive) and until (exclusive)', async () => {
    const times = [now - 5000, now - 4000, now - 3000];
    const [first, second] = await put(...times.map((at) => event('contract.started', at)));
    const iso = (ms: number) => new Date(ms).toISOString();
    expect(await ids(`?since=${iso(now - 5000)}&until=${iso(now - 3000)}`)).toEqual([second, first]);
    expect(await ids(`?since=${iso(now - 2000)}`)).toEqual([]);
    expect(await ids(`?since=${iso(now)}&until=${iso(now - 9000)}`)).toEqual([]);
    expect(await ids(`?since=2026-11-20T12:59:56%2B01:00&until=${iso(now)}`)).toHaveLength(2);
  });

  it('takes a cursor that is older than since as the end of the list', async () => {
    await put(event('contract.started', now - 5000), event('contract.started', now - 6000));
    const { json } = await api.call('GET', '/v1/events?limit=1');
    const since = new Date(now - 1000).toISOString();
    expect(await ids(`?cursor=${json.nextCursor}&since=${since}`)).toEqual([]);
  });

  it('takes a type or a group', async () => {
    const made = await put(
      event('message.sent', now - 1000),
      event('message.read', now - 2000),
      event('contract.started', now - 3000),
    );
    expect(await ids('?type=message.read')).toEqual([made[1]]);
    expect(await ids('?type=message')).toEqual([made[0], made[1]]);
    expect(await ids('?type=contract')).toEqual([made[2]]);
    expect(await ids('?type=webhook')).toEqual([]);
  });

  it('refuses a group of which nothing is published yet', async () => {
    const { status, json } = await api.call('GET', '/v1/events?type=proxy');
    expect(status).toBe(422);
    expect(json.errors).toEqual([expect.objectContaining({ path: '/type', code: 'NOT_SUPPORTED' })]);
  });

  it('bounds what one call looks at: a rare type is found over several pages', async () => {
    const many = Array.from({ length: 1500 }, (_, i) => event('message.sent', now - 10 - i, { content: 'msg_x' }));
    const [rare] = await put(event('contract.canceled', now - 5000), ...many);
    const pages = await walk('type=contract');
    expect(pages).toEqual([[], [rare]]);
  });

  it('keeps 30 days', async () => {
    const made = await put(
      event('contract.started', now - 30 * dayMs + 1000),
      event('contract.started', now - 30 * dayMs - 1000),
    );
    expect(await ids('?since=2026-01-01T00:00:00Z')).toEqual([made[0]]);
    const item = await api.deps.table.get<{ ttl: number }>(keys.event(tenantA, now - 30 * dayMs + 1000, made[0] ?? ''));
    expect(item?.ttl).toBe((now + 1000) / 1000);
  });

  it('is the tenant’s own, by cursor too', async () => {
    const made = await put(event('contract.started', now - 1000), event('contract.started', now - 2000));
    const { json } = await api.call('GET', '/v1/events?limit=1');
    expect(await ids('', { key: api.keyB })).toEqual([]);
    expect(await ids(`?cursor=${json.nextCursor}`, { key: api.keyB })).toEqual([]);
    expect(await ids(`?cursor=${json.nextCursor}`)).toEqual([made[1]]);
  });

  it.each([
    ['?type=message.lost', 422, '/type'],
    ['?since=yesterday', 422, '/since'],
    ['?limit=101', 422, '/limit'],
    ['?order=asc', 422, '/order'],
    ['?cursor=eyJsIjoiYXVkaXQifQ', 400, undefined],
  ])('refuses %s', async (query, status, path) => {
    const { json, ...answer } = await api.call('GET', `/v1/events${query}`);
    expect(answer.status).toBe(status);
    if (path !== undefined) expect(json.errors).toMatchObject([{ path }]);
    else expect(json.code).toBe('BAD_CURSOR');
  });

  it('needs the scope read', async () => {
    const key = await api.makeKey(['send'], tenantA);
    expect((await api.call('GET', '/v1/events', undefined, { key })).status).toBe(403);
    expect((await api.call('GET', '/v1/events', undefined, { key: undefined })).status).toBe(401);
    expect((await api.call('GET', '/v1/events', undefined, { key: api.adminKey })).status).toBe(403);
  });
});
