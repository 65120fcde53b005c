import { marshall } from '@aws-sdk/util-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Item } from '../../lib/aws/client/table.ts';
import { listEvents, readEvents, withContent } from '../../lib/aws/events/events.ts';
import { keys } from '../../lib/aws/keys.ts';
import { type Emulators, startEmulators } from '../harness/emulators.ts';
import {
  account,
  accountId,
  changed,
  contract,
  contractId,
  message,
  messageId,
  noon,
  putContract,
  reader,
  tenantId,
} from './changes.ts';

let emulators: Emulators;
beforeAll(async () => {
  emulators = await startEmulators();
});
afterAll(() => emulators.stop());

const deps = () => emulators.deps;
const range = { sinceMs: noon - 86_400_000, untilMs: noon + 86_400_000, limit: 100 };
const log = async () => (await listEvents(deps().table, tenantId, range)).items;
const typesOf = (events: { type: string }[]) => events.map(({ type }) => type).sort();

beforeEach(async () => {
  const { table } = deps();
  const items = await table.queryAll<Item & { pk: string; sk: string }>({ pk: keys.event(tenantId, noon, '').pk });
  await table.writeMany(items.map(({ pk, sk }) => ({ delete: { pk, sk } })));
  await putContract(deps(), 'IN_PROGRESS', 1);
});

describe('changes become events', () => {
  it('in the log and for delivery, each once, and again for delivery when the batch is replayed', async () => {
    const sent = message(1, 'SENT', { sentAt: noon + 120, attempts: 1 });
    const records = [
      changed(undefined, message(1, 'QUEUED', { queuedAt: noon })),
      changed(message(1, 'SENDING'), sent),
      changed(sent, message(1, 'READ', { ...sent, state: 'READ', deliveredAt: noon + 300, readAt: noon + 300 })),
    ];
    const first = reader(deps());
    expect(await first.read(...records)).toBeUndefined();
    const all = ['contract.progress', 'message.delivered', 'message.queued', 'message.read', 'message.sent'];
    const kept = await log();
    expect(typesOf(kept)).toEqual(all);
    expect(typesOf(first.delivered)).toEqual(all);
    expect(first.counts).toEqual({ EventsTold: 5 });
    // Another process, which knows nothing of the first.
    const second = reader(deps());
    await second.read(...records);
    expect(await log()).toEqual(kept);
    expect(second.delivered.map(({ id, at }) => [id, at]).sort()).toEqual(
      first.delivered.map(({ id, at }) => [id, at]).sort(),
    );
  });

  it('newest first, those of one message in their order', async () => {
    const read = message(2, 'READ', { sentAt: noon + 20, deliveredAt: noon + 20, readAt: noon + 20, attempts: 1 });
    await reader(deps()).read(changed(message(2, 'SENDING'), read));
    const logged = (await log()).filter(({ chat }) => chat === '79991000002');
    expect(logged.map(({ type }) => type)).toEqual(['message.read', 'message.delivered', 'message.sent']);
  });

  it('of a contract with its counts, of an account with its totals', async () => {
    const reading = reader(deps());
    await reading.read(
      changed(contract('PENDING'), contract('IN_PROGRESS')),
      changed(account('connecting'), account('connected')),
    );
    const [started, connected] = reading.delivered;
    expect(started).toMatchObject({
      type: 'contract.started',
      accountId,
      data: { contract: { id: contractId, status: 'IN_PROGRESS', counts: { sent: 1, queued: 9, pending: 0 } } },
    });
    expect(connected).toMatchObject({
      type: 'account.connected',
      data: { account: { id: accountId, status: 'connected', isPrimary: true, messageCount: 41, lanes: { bulk: 3 } } },
    });
  });

  it('keeps no code, but delivers it', async () => {
    const link = { method: 'qr', code: 'https://wa.me/x#1', attempt: 1, expiresAt: noon + 60_000 };
    const reading = reader(deps());
    await reading.read(changed(account('connecting'), account('awaiting_link', { link })));
    expect(reading.delivered).toMatchObject([
      { type: 'account.qr', data: { code: 'https://wa.me/x#1' }, logged: false },
    ]);
    expect(await log()).toEqual([]);
  });

  it('takes one write unit a message event', async () => {
    const sent = message(3, 'SENT', { sentAt: noon, queuedAt: noon, attempts: 1, externalId: 'invoice-2026-000123' });
    const reading = reader(deps());
    await reading.read(changed(message(3, 'SENDING'), sent));
    const [event] = reading.delivered;
    const item = await deps().table.get<Item>(keys.event(tenantId, noon + 1, event?.id ?? ''));
    expect(item?.ttl).toBe((noon + 30 * 86_400_000) / 1000 + 1);
    // A little more than what DynamoDB counts: names, values, and the envelope of types.
    expect(JSON.stringify(marshall(item)).length).toBeLessThan(1600);
    expect(bytesOf(item ?? {})).toBeLessThan(1024);
  });
});

describe('the progress of a contract', () => {
  const ended = (n: number, atMs: number) => changed(message(n, 'SENDING'), message(n, 'SENT', { attempts: 1 }), atMs);
  const progress = async () => (await log()).filter(({ type }) => type === 'contract.progress');

  it('is published once in half a minute, however many messages end and processes read', async () => {
    const one = reader(deps());
    await one.read(...Array.from({ length: 20 }, (_, i) => ended(i, noon + i * 100)));
    await one.read(ended(30, noon + 5000), ended(31, noon + 29_999));
    await reader(deps()).read(ended(32, noon + 7000));
    expect((await progress()).map(({ at }) => at)).toEqual([noon]);
    await one.read(ended(33, noon + 30_000));
    expect((await progress()).map(({ at }) => at)).toEqual([noon + 30_000, noon]);
    expect((await progress())[0]).toMatchObject({ data: { contract: { counts: { sent: 1 } } }, accountId });
  });

  it('is not published of a contract that has ended, has nothing left, or is gone', async () => {
    await putContract(deps(), 'COMPLETED', 10);
    await reader(deps()).read(ended(1, noon));
    await putContract(deps(), 'IN_PROGRESS', 10);
    await reader(deps()).read(ended(2, noon));
    await deps().table.delete(keys.contract(tenantId, contractId));
    await reader(deps()).read(ended(3, noon));
    expect(await progress()).toEqual([]);
  });

  it('reaches its endpoints though the contract ended before the batch came again', async () => {
    const record = ended(4, noon);
    const failing = reader(deps(), async () => {
      throw Object.assign(new Error('no answer'), { name: 'TimeoutError' });
    });
    expect(await failing.read(record)).toBe(record.dynamodb?.SequenceNumber);
    await putContract(deps(), 'COMPLETED', 10);
    const again = reader(deps());
    await again.read(record);
    expect(typesOf(again.delivered)).toEqual(['contract.progress', 'message.sent']);
  });

  it('comes after the start of a contract that began within the half minute', async () => {
    const startedAt = noon + 4000;
    await deps().table.update(keys.contract(tenantId, contractId), {
      update: 'SET startedAt = :at',
      values: { ':at': startedAt },
    });
    await reader(deps()).read(ended(5, noon + 6000));
    expect((await progress()).map(({ at }) => at)).toEqual([noon + 4001]);
  });
});

describe('contents', () => {
  const batch = (more: Item = {}): Item => ({
    ...keys.inboundBatch(tenantId, accountId, 'inb_01KAFXR2M6B8V4N3T7Q9Z5W1HC'),
    type: 'inboundBatch',
    id: 'inb_01KAFXR2M6B8V4N3T7Q9Z5W1HC',
    tenantId,
    accountId,
    chat: '79991000001',
    from: '79991000001',
    messages: [
      { id: '3A01', from: '79991000001', at: noon, type: 'text', text: 'Is it open' },
      { id: '3A02', from: '79991000001', at: noon, type: 'text', text: 'on Sunday?' },
    ],
    openedAt: noon - 4000,
    dueAt: noon,
    ...more,
  });

  it('count for each endpoint that wants them and has not been tried yet', async () => {
    const reading = reader(deps(), async (events) =>
      events.flatMap(({ id: eventId }) => [
        { eventId, status: 'pending', slot: 0 },
        { eventId, status: 'pending', slot: 0 },
        { eventId, status: 'pending', slot: 1 },
        { eventId, status: 'delivered', slot: 0 },
      ]),
    );
    await reading.read(changed(batch(), batch({ closedAt: noon })), changed(undefined, message(1, 'QUEUED')));
    expect(reading.counts).toEqual({ EventsTold: 2, InboundEvented: 2, InboundPlanned: 4 });
  });

  it('are filled in for as long as their message has them, and are nowhere in the log', async () => {
    const closed = batch({ closedAt: noon });
    const textKey = keys.text(tenantId, messageId(1));
    await deps().table.put({ ...textKey, type: 'text', text: 'Your order has been shipped.' });
    await deps().table.put({ ...keys.inboundBatch(tenantId, accountId, 'inb_01KAFXR2M6B8V4N3T7Q9Z5W1HC'), ...closed });
    const reading = reader(deps());
    await reading.read(
      changed(undefined, message(1, 'QUEUED')),
      changed(batch(), closed),
      changed(undefined, message(2, 'QUEUED')),
    );
    expect(reading.counts).toEqual({ EventsTold: 3, InboundEvented: 2 });
    expect(JSON.stringify(await log())).not.toMatch(/shipped|open|Sunday/);
    const shown = async () => {
      const events = await withContent(deps().table, await log());
      return Object.fromEntries(events.map(({ type, chat, data }) => [`${type} ${chat}`, data]));
    };
    expect(await shown()).toMatchObject({
      'message.queued 79991000001': { message: { text: 'Your order has been shipped.' } },
      'message.queued 79991000002': { message: { text: null } },
      'message.received 79991000001': { messages: [{ text: 'Is it open' }, { text: 'on Sunday?' }] },
    });
    await deps().table.delete(textKey);
    expect(await shown()).toMatchObject({ 'message.queued 79991000001': { message: { text: null } } });
  });

  it('finds single events by time and id', async () => {
    const reading = reader(deps());
    await reading.read(changed(undefined, message(7, 'QUEUED')));
    const [{ id = '', at = 0 } = {}] = reading.delivered;
    const found = await readEvents(deps().table, [
      { tenantId, at, id: 'evt_00000000000000000000000000' },
      { tenantId, at, id },
    ]);
    expect(found[0]).toBeUndefined();
    expect(found[1]).toEqual(reading.delivered[0]);
  });
});

/** What DynamoDB counts of an item: names and values in bytes, about what its documentation says. */
function bytesOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value === 'number') return Math.ceil(String(value).length / 2) + 1;
  if (Array.isArray(value)) return 3 + value.reduce((sum: number, one) => sum + 1 + bytesOf(one), 0);
  if (typeof value !== 'object' || value === null) return 1;
  return 3 + Object.entries(value).reduce((sum, [name, one]) => sum + name.length + 1 + bytesOf(one), 0);
}
