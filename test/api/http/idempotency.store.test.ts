import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Api, startApi, tenantA } from '../api.ts';

let api: Api;
let accountId: string;
let nowMs = Date.now();
/** Calls that reach SQS fail while this is set, as a lost connection would. */
let sqsBroken = false;

beforeAll(async () => {
  api = await startApi({ nowMs: () => nowMs });
  const { send } = api.emulators.deps.sqs;
  api.deps.sqs.send = ((...args: Parameters<typeof send>) =>
    sqsBroken ? Promise.reject(new Error('connection lost')) : send.apply(api.emulators.deps.sqs, args)) as typeof send;
  accountId = await api.account();
});
afterAll(() => api.stop());
beforeEach(() => {
  sqsBroken = false;
});

const keyed = (key: string) => ({ headers: { 'idempotency-key': key } });
const order = (more: object = {}) => ({ accountId, name: 'c', recipients: api.recipients(2), ...more });
const contractCount = async () => (await api.call('GET', '/v1/contracts?limit=100')).json.items.length;

describe('the same key', () => {
  it('with the same body gives the first answer again and makes nothing', async () => {
    const first = await api.call('POST', '/v1/contracts', order(), keyed('one'));
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    const count = await contractCount();
    const again = await api.call('POST', '/v1/contracts', order(), keyed('one'));
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.headers.get('content-type')).toBe('application/json');
    expect(again.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
    expect(await contractCount()).toBe(count);
  });

  it('with another body is 422', async () => {
    await api.call('POST', '/v1/contracts', order(), keyed('two'));
    const other = await api.call('POST', '/v1/contracts', order({ name: 'other' }), keyed('two'));
    expect([other.status, other.json.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
  });

  it('keeps refusals too', async () => {
    const bad = { ...order(), recipients: [{ phoneNumber: '1', message: 'x' }] };
    const first = await api.call('POST', '/v1/contracts', bad, keyed('bad'));
    const again = await api.call('POST', '/v1/contracts', bad, keyed('bad'));
    expect([again.status, again.text]).toEqual([422, first.text]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.headers.get('content-type')).toBe('application/problem+json');
  });

  it('is another one on another path and for another tenant', async () => {
    const made = await api.call('POST', '/v1/contracts', order(), keyed('three'));
    const started = await api.call('POST', `/v1/contracts/${made.json.id}/start`, undefined, keyed('three'));
    expect([started.status, started.json.status]).toEqual([200, 'IN_PROGRESS']);
    const again = await api.call('POST', `/v1/contracts/${made.json.id}/start`, undefined, keyed('three'));
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    const other = await api.call('POST', '/v1/accounts', { name: 'B' }, { ...keyed('acc'), key: api.keyB });
    const own = await api.call('POST', '/v1/accounts', { name: 'B' }, keyed('acc'));
    expect(own.json.id).not.toBe(other.json.id);
  });

  it('counts for 24 hours', async () => {
    const first = await api.call('POST', '/v1/contracts', order(), keyed('day'));
    nowMs += 24 * 3_600_000 + 2000;
    const later = await api.call('POST', '/v1/contracts', order(), keyed('day'));
    expect(later.status).toBe(201);
    expect(later.json.id).not.toBe(first.json.id);
  });

  it('runs once when two calls race', async () => {
    const count = await contractCount();
    const both = await Promise.all([
      api.call('POST', '/v1/contracts', order(), keyed('race')),
      api.call('POST', '/v1/contracts', order(), keyed('race')),
    ]);
    const statuses = both.map((answer) => answer.status).sort();
    expect(statuses[0]).toBe(201);
    expect([201, 409]).toContain(statuses[1]);
    expect(await contractCount()).toBe(count + 1);
    const busy = both.find((answer) => answer.status === 409);
    if (busy !== undefined) expect(busy.json.code).toBe('IDEMPOTENCY_IN_PROGRESS');
  });

  it('must be printable', async () => {
    const refused = await api.call('POST', '/v1/contracts', order(), keyed('x'.repeat(256)));
    expect([refused.status, refused.json.code]).toEqual([400, 'BAD_REQUEST']);
  });
});

describe('after a failure of ours', () => {
  it('a 5xx is not kept, and the repeat does not double what was done', async () => {
    const count = await contractCount();
    sqsBroken = true;
    // The contract stands before the feed is asked, so this call fails after its effect.
    const failed = await api.call('POST', '/v1/contracts', order({ start: true }), keyed('crash'));
    expect(failed.status).toBe(500);
    sqsBroken = false;
    const again = await api.call('POST', '/v1/contracts', order({ start: true }), keyed('crash'));
    expect([again.status, again.json.status]).toEqual([201, 'IN_PROGRESS']);
    expect(again.headers.get('idempotency-replayed')).toBeNull();
    expect(await contractCount()).toBe(count + 1);
  });

  it('a repeated move that had its effect is answered as done', async () => {
    const made = await api.call('POST', '/v1/contracts', order());
    const path = `/v1/contracts/${made.json.id}/start`;
    sqsBroken = true;
    expect((await api.call('POST', path, undefined, keyed('move'))).status).toBe(500);
    sqsBroken = false;
    const again = await api.call('POST', path, undefined, keyed('move'));
    expect([again.status, again.json.status]).toEqual([200, 'IN_PROGRESS']);
    expect((await api.call('POST', path)).status).toBe(409);
  });

  it('added recipients are added once', async () => {
    const made = await api.call('POST', '/v1/contracts', order());
    const path = `/v1/contracts/${made.json.id}/recipients`;
    const { table } = api.deps;
    const getMany = table.getMany.bind(table);
    let broken = true;
    table.getMany = async (wanted, options) => {
      // Reading the counter for the answer comes after the rows are added.
      if (broken && wanted.some((key) => key.sk.startsWith('CNT#'))) throw new Error('connection lost');
      return await getMany(wanted, options);
    };
    expect((await api.call('POST', path, { recipients: api.recipients(3) }, keyed('rows'))).status).toBe(500);
    broken = false;
    const again = await api.call('POST', path, { recipients: api.recipients(3) }, keyed('rows'));
    expect([again.status, again.json.totalCount]).toEqual([200, 5]);
    table.getMany = getMany;
  });

  it('a process that died leaves the key to the next call after a minute', async () => {
    const { tryTransact } = api.deps.table;
    api.deps.table.tryTransact = () => new Promise(() => {});
    void api.call('POST', '/v1/contracts', order(), keyed('dead'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    api.deps.table.tryTransact = tryTransact;
    expect((await api.call('POST', '/v1/contracts', order(), keyed('dead'))).json.code).toBe('IDEMPOTENCY_IN_PROGRESS');
    nowMs += 61_000;
    expect((await api.call('POST', '/v1/contracts', order(), keyed('dead'))).status).toBe(201);
  });
});

describe('a key that is shown once', () => {
  it('comes again to the caller who made it, and stands nowhere in the table', async () => {
    const body = { name: 'k', scopes: ['read'] };
    const first = await api.call('POST', '/v1/api-keys', body, keyed('key'));
    const again = await api.call('POST', '/v1/api-keys', body, keyed('key'));
    expect(again.json.key).toBe(first.json.key);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    const other = await api.makeKey(['manage'], tenantA);
    const stranger = await api.call('POST', '/v1/api-keys', body, { ...keyed('key'), key: other });
    expect([stranger.status, stranger.json.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    const { items } = await api.deps.table.query<{ body?: Uint8Array }>({ pk: `T#${tenantA}#IDEM` });
    const secret = String(first.json.key);
    const bodies = items.map((item) => Buffer.from(item.body ?? []).toString('latin1'));
    expect(bodies.filter((stored) => stored.includes(secret))).toEqual([]);
  });
});
