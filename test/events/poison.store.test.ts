import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listEvents } from '../../lib/aws/events/events.ts';
import { type Emulators, startEmulators } from '../harness/emulators.ts';
import { changed, contract, message, noon, putContract, reader, tenantId } from './changes.ts';

let emulators: Emulators;
beforeAll(async () => {
  emulators = await startEmulators();
  await putContract(emulators.deps, 'IN_PROGRESS', 1);
});
afterAll(() => emulators.stop());

const chatsInLog = async () => {
  const range = { sinceMs: noon - 1000, untilMs: noon + 60_000, limit: 100 };
  const { items } = await listEvents(emulators.deps.table, tenantId, range, (type) => type === 'message.queued');
  return items.map(({ chat }) => chat).sort();
};
const queued = (n: number) => changed(undefined, message(n, 'QUEUED'));

describe('a record that can never be published', () => {
  it('is parked with both images, and the batch goes on', async () => {
    const { deps } = emulators;
    const poison = changed(message(11, 'QUEUED'), message(11, 'ELSEWHERE', { to: 'secret-number' }));
    const reading = reader(deps);
    expect(await reading.read(queued(10), poison, queued(12))).toBeUndefined();
    expect(await chatsInLog()).toEqual(['79991000010', '79991000012']);
    expect(reading.counts).toMatchObject({ EventsTold: 2, RecordsParked: 1 });
    const [key = ''] = await deps.pages.list('parked/');
    expect(key).toBe(`parked/2026-11-20/${poison.dynamodb?.SequenceNumber}.json`);
    const parked = JSON.parse(new TextDecoder().decode(await deps.pages.get(key)));
    expect(parked.reason).toMatch(/TypeError: .*no known state/);
    // A batch of one, as the function takes it.
    expect(parked.Records).toEqual([poison]);
    expect(parked.Records[0].dynamodb.OldImage.state).toEqual({ S: 'QUEUED' });
    expect(parked.Records[0].dynamodb.NewImage.state).toEqual({ S: 'ELSEWHERE' });
    // What the images hold stays out of the log.
    expect(JSON.stringify(reading.logged)).not.toContain('secret-number');
    expect(JSON.stringify(reading.logged)).toContain(key);
  });

  it('is parked without the secrets in its images', async () => {
    const reading = reader(emulators.deps);
    const poison = changed(
      contract('IN_PROGRESS', { idKey: 'key-of-ids' }),
      contract('IN_PROGRESS', {
        idKey: 'key-of-ids',
        pages: null,
        accountIds: null,
        startedAt: 'x',
        status: 'ELSEWHERE',
      }),
    );
    await reading.read(poison);
    expect(reading.counts).toMatchObject({ RecordsParked: 1 });
    const parked = new TextDecoder().decode(
      await emulators.deps.pages.get(`parked/2026-11-20/${poison.dynamodb?.SequenceNumber}.json`),
    );
    expect(parked).toContain('"ELSEWHERE"');
    expect(parked).not.toContain('key-of-ids');
  });

  it('of a webhook is parked without its secrets and what its headers hold', async () => {
    const endpoint = (more: object) => ({
      ...{
        type: 'endpoint',
        id: 'whk_1',
        tenantId: 'ten_1',
        name: 'orders',
        url: 'https://hooks.example.com/',
        events: ['message'],
      },
      ...{
        headers: { Authorization: 'Bearer hush' },
        secrets: [{ secret: 'whsec_hush' }],
        ordered: false,
        createdAt: 'x',
      },
      ...more,
    });
    const reading = reader(emulators.deps);
    const poison = changed(
      endpoint({ active: true }),
      endpoint({ active: false, disabledReason: 'gone', disabledAt: 1 }),
    );
    await reading.read(poison);
    expect(reading.counts).toMatchObject({ RecordsParked: 1 });
    const parked = new TextDecoder().decode(
      await emulators.deps.pages.get(`parked/2026-11-20/${poison.dynamodb?.SequenceNumber}.json`),
    );
    expect(parked).toContain('"Authorization":{"S":"***"}');
    expect(parked).not.toContain('hush');
  });

  it('is parked too when DynamoDB refuses its event, and when nothing of it can be read', async () => {
    const huge = queued(21);
    const tooLarge = changed(undefined, message(22, 'QUEUED', { externalId: 'x'.repeat(450_000) }));
    const reading = reader(emulators.deps);
    expect(await reading.read(huge, tooLarge, { eventName: 'INSERT' }, queued(23))).toBeUndefined();
    expect(reading.counts).toMatchObject({ RecordsParked: 2 });
    expect(await chatsInLog()).toEqual(['79991000010', '79991000012', '79991000021', '79991000023']);
  });
});

describe('a record that could not be published now', () => {
  it('comes again with all behind it; what came before it is done', async () => {
    let broken = true;
    const reading = reader(emulators.deps, async (events) => {
      const fails = broken && events.some(({ chat }) => chat === '79991000032');
      if (fails) throw Object.assign(new Error('throttled'), { name: 'ThrottlingException' });
      return [];
    });
    const records = [queued(31), queued(32), queued(33)];
    expect(await reading.read(...records)).toBe(records[1]?.dynamodb?.SequenceNumber);
    expect(reading.delivered.map(({ chat }) => chat)).toEqual(['79991000031']);
    expect(reading.counts).toMatchObject({ RecordsFailed: 1 });
    expect(reading.counts.RecordsParked).toBeUndefined();
    broken = false;
    expect(await reading.read(...records.slice(1))).toBeUndefined();
    expect(reading.delivered.map(({ chat }) => chat)).toEqual(['79991000031', '79991000032', '79991000033']);
  });

  it('comes again too when a poison record before it cannot be parked', async () => {
    const objects = { ...emulators.deps.pages, put: () => Promise.reject(new Error('no bucket')) };
    const reading = reader({ ...emulators.deps, pages: objects });
    const poison = changed(undefined, message(41, 'ELSEWHERE'));
    expect(await reading.read(queued(40), poison, queued(42))).toBe(poison.dynamodb?.SequenceNumber);
    expect(reading.delivered.map(({ chat }) => chat)).toEqual(['79991000040']);
  });
});
