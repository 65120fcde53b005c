import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeBatch, storeInbound } from '../../../lib/aws/inbound/inbound.ts';
import { newId } from '../../../lib/domain/ids.ts';
import type { InboundContent } from '../../../lib/domain/inbound/inbound.ts';
import { type Api, startApi, tenantA } from '../api.ts';

let api: Api;
let first: string;
let second: string;
const start = Date.UTC(2026, 9, 1);
const bytes = (n: number) => new Uint8Array(n).fill(7);

/** Stored as a host would, one batch a minute, the last one of each account still open. */
async function wrote(accountId: string, minute: number, from: string, texts: string[], content?: InboundContent) {
  const at = start + minute * 60_000;
  const hold = { tenantId: tenantA, accountId };
  const id = newId('inb', at, bytes);
  for (const [index, text] of texts.entries()) {
    const message = {
      id: `3A${minute}-${index}`,
      from,
      fromLid: `9${from}`,
      at,
      ...(content ?? { type: 'text' as const, text }),
    };
    const target = index === 0 ? { kind: 'new' as const, id, dueAt: at + 10_000 } : { kind: 'open' as const, id };
    expect(await storeInbound(api.deps.table, hold, message, target, at)).toBe('stored');
    expect(await storeInbound(api.deps.table, hold, message, { kind: 'new', id: 'inb_other', dueAt: at }, at)).toBe(
      'repeated',
    );
  }
  return { ...hold, id };
}

beforeAll(async () => {
  api = await startApi();
  first = await api.account();
  second = await api.account();
  for (let minute = 0; minute < 12; minute++) {
    const account = minute % 3 === 0 ? second : first;
    const batch = await wrote(account, minute, minute % 2 === 0 ? '79991234567' : '79997654321', [
      `a${minute}`,
      `b${minute}`,
    ]);
    if (minute < 10) expect(await closeBatch(api.deps.table, batch, start)).toBe(true);
    if (minute < 10) expect(await closeBatch(api.deps.table, batch, start)).toBe(false);
  }
});
afterAll(() => api.stop());

async function all(query: string, limit: number): Promise<unknown[]> {
  const texts: unknown[] = [];
  let cursor: string | null = null;
  do {
    const path: string = `/v1/inbox?limit=${limit}${query}${cursor === null ? '' : `&cursor=${cursor}`}`;
    const { status, json } = await api.call('GET', path);
    expect(status).toBe(200);
    texts.push(...json.items.map(({ text }) => text));
    cursor = json.nextCursor;
  } while (cursor !== null);
  return texts;
}

const newestFirst = (minutes: number[]) => [...minutes].reverse().flatMap((minute) => [`b${minute}`, `a${minute}`]);

it.each([1, 3, 7, 100])('lists what people wrote to all accounts, newest first, in pages of %i', async (limit) => {
  expect(await all('', limit)).toEqual(newestFirst([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]));
});

it('lists those of one account, and of one number', async () => {
  expect(await all(`&accountId=${second}`, 3)).toEqual(newestFirst([0, 3, 6, 9]));
  expect(await all('&from=%2B7 999 123-45-67', 3)).toEqual(newestFirst([0, 2, 4, 6, 8, 10]));
  expect(await all(`&accountId=${second}&from=79991234567`, 100)).toEqual(newestFirst([0, 6]));
});

describe('somebody whom WhatsApp shows in its own way', () => {
  let accountId: string;
  const listed = async (from: string) =>
    (await api.call('GET', `/v1/inbox?accountId=${accountId}&from=${encodeURIComponent(from)}`)).json.items.map(
      ({ from, fromLid, text }) => [from, fromLid, text],
    );
  const says = async (minute: number, text: string, from: string, fromLid?: string) => {
    const at = start + minute * 60_000;
    const message = {
      id: `3B${minute}`,
      from,
      ...(fromLid === undefined ? {} : { fromLid }),
      at,
      type: 'text' as const,
    };
    const target = { kind: 'new' as const, id: newId('inb', at, bytes), dueAt: undefined };
    await storeInbound(api.deps.table, { tenantId: tenantA, accountId }, { ...message, text }, target, at);
  };
  beforeAll(async () => {
    accountId = await api.account();
    await says(1, 'short', '554899120009', '555000000000001');
    await says(2, 'hidden', '555000000000002', '555000000000002');
    await says(3, 'unplanned', '99912345678');
  });

  it('is found by what is printed, and by the other spelling', async () => {
    const short = [['554899120009', '555000000000001', 'short']];
    for (const from of ['554899120009', '5548999120009', '+55 48 99912-0009', 'lid:555000000000001']) {
      expect(await listed(from)).toEqual(short);
    }
    const hidden = [['lid:555000000000002', '555000000000002', 'hidden']];
    expect(await listed('lid:555000000000002')).toEqual(hidden);
    expect(await listed('555000000000002')).toEqual(hidden);
    expect(await listed('99912345678')).toEqual([['99912345678', null, 'unplanned']]);
    expect(await listed('5548999120001')).toEqual([]);
  });
});

it('shows what a message is', async () => {
  const [item] = (await api.call('GET', `/v1/inbox?accountId=${first}&limit=1`)).json.items;
  expect(item).toEqual({
    id: '3A11-1',
    accountId: first,
    from: '79997654321',
    fromLid: '979997654321',
    type: 'text',
    text: 'b11',
    timestamp: '2026-10-01T00:11:00.000Z',
  });
  const third = await api.account();
  await wrote(third, 20, '79991234567', ['x'], { type: 'reaction', emoji: null, target: `3EB0${'A'.repeat(18)}` });
  expect((await api.call('GET', `/v1/inbox?accountId=${third}`)).json.items).toMatchObject([
    {
      type: 'reaction',
      text: null,
      emoji: null,
      target: { id: `3EB0${'A'.repeat(18)}`, messageId: `msg_${'A'.repeat(18)}` },
    },
  ]);
});

it('is nobody else’s', async () => {
  expect((await api.call('GET', '/v1/inbox', undefined, { key: api.keyB })).json.items).toEqual([]);
  const foreign = await api.call('GET', `/v1/inbox?accountId=${first}`, undefined, { key: api.keyB });
  expect([foreign.status, foreign.json.errors[0]?.code]).toEqual([422, 'UNKNOWN_ACCOUNT']);
});

it('refuses a damaged cursor and what is no number', async () => {
  expect((await api.call('GET', '/v1/inbox?cursor=x')).status).toBe(400);
  expect((await api.call('GET', '/v1/inbox?from=12')).json.errors).toMatchObject([
    { path: '/from', code: 'INVALID_NUMBER' },
  ]);
});
