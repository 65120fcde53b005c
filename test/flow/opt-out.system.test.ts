import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numbers, reached, startWorld, type World } from '../harness/local-stack.ts';
import { until } from '../harness/until.ts';

interface Inbox {
  items: { id: string; from: string; type: string; text: string | null; accountId: string }[];
}

describe('a person who writes STOP', () => {
  let world: World;
  let accountId: string;
  const sender = '12025550199';
  const phone = '12015550150';
  const says = (text: string) => world.simulator('POST', `/phones/${phone}/send`, { to: sender, text });
  beforeAll(async () => {
    world = await startWorld();
    accountId = await world.linked(sender, {
      useLimits: true,
      pacing: { perMinute: null, gapMs: [150, 150], restEvery: null, delayMs: [0, 0], dayCap: null, warmUp: false },
    });
    await world.simulator('POST', '/phones', { number: phone });
  });
  afterAll(() => world?.stop());

  it('gets no more of a contract that runs, and one answer; the others get theirs', async () => {
    const others = numbers(20);
    const rows = Array.from({ length: 40 }, (_, i) => ({
      phoneNumber: i % 2 === 0 ? phone : (others[(i - 1) / 2] ?? ''),
      message: `Number ${i}`,
    }));
    const contract = await world.contract(accountId, rows);
    await until('some are sent', async () => reached(await world.read(contract.id)) > 3);
    await says('Stop!');
    await until('on the list', async () => world.api('GET', `/v1/suppressions/${phone}`).catch(() => undefined));
    // One may have been claimed before the word was stored.
    const before = (await world.received(phone)).filter(({ text }) => text.startsWith('Number')).length;
    const ended = await world.ended(contract.id);
    const received = await world.received(phone);
    const sent = received.filter(({ text }) => text.startsWith('Number')).length;
    expect(sent).toBeLessThanOrEqual(before + 1);
    expect(ended).toMatchObject({ status: 'COMPLETED', counts: { suppressed: 20 - sent, failed: 0 } });
    expect(reached(ended)).toBe(20 + sent);
    for (const number of others) expect(await world.received(number)).toHaveLength(1);
    expect(received.filter(({ text }) => text.includes('no more messages'))).toHaveLength(1);
  });

  it('is on the list by number and LID, is not accepted any more, and is back with START', async () => {
    const { items } = await world.api<{ items: object[] }>('GET', '/v1/suppressions');
    expect(items).toEqual([
      {
        phoneNumber: phone,
        lid: expect.stringMatching(/^\d+$/),
        reason: 'The person asked for no more messages.',
        source: 'inbound',
        accountId,
        createdAt: expect.any(String),
      },
    ]);
    const refused = await world.contract(accountId, [{ phoneNumber: phone, message: 'No' }], { start: false });
    expect(refused).toMatchObject({ counts: { suppressed: 1, pending: 0 } });
    await says('START');
    await until('off the list', async () => {
      const { items } = await world.api<{ items: object[] }>('GET', '/v1/suppressions');
      return items.length === 0;
    });
    const contract = await world.contract(accountId, [{ phoneNumber: phone, message: 'Back' }]);
    expect(await world.ended(contract.id)).toMatchObject({ status: 'COMPLETED', counts: { suppressed: 0 } });
    expect((await world.received(phone)).at(-1)).toMatchObject({ text: 'Back', repeats: 0 });
  });

  it('gets nothing when the word waited at WhatsApp behind messages that nobody can read, as an encrypted edit', async () => {
    const [stranger, other] = ['12015550151', '12015550152'];
    for (const number of [stranger, other]) await world.simulator('POST', '/phones', { number });
    const sends = (from: string, body: object) =>
      world.simulator<{ id: string }>('POST', `/phones/${from}/send`, { to: sender, ...body });
    const { id } = await sends(other, { text: 'Hello' });
    await until('stored', async () => {
      const { items } = await world.api<Inbox>('GET', `/v1/inbox?accountId=${accountId}&from=${other}`);
      return items.length === 1;
    });
    await world.api('POST', `/v1/accounts/${accountId}/disconnect`);
    const status = async () => (await world.api<{ status: string }>('GET', `/v1/accounts/${accountId}`)).status;
    await until('disconnected', async () => (await status()) === 'disconnected');
    const kinds = [
      { text: 'lost' },
      { image: { caption: 'lost' } },
      { location: { latitude: 1, longitude: 2 } },
      { edit: { id, text: 'lost' } },
    ];
    for (let i = 0; i < 40; i++) await sends(stranger, { ...kinds[i % 4], corrupt: true });
    for (const kind of kinds) await sends(stranger, kind);
    await sends(other, { edit: { id, text: 'STOP', encrypted: true } });
    const contract = await world.contract(accountId, [{ phoneNumber: other, message: 'Your order' }]);
    expect(contract).toMatchObject({ counts: { suppressed: 0, pending: 1 } });
    await world.api('POST', `/v1/accounts/${accountId}/connect`);
    await until('connected', async () => (await status()) === 'connected');
    const connectedAt = Date.now();
    await until('on the list', async () => world.api('GET', `/v1/suppressions/${other}`).catch(() => undefined));
    // Half a second on a quiet machine. It took 27 s and more when each message that cannot be read was waited for.
    expect(Date.now() - connectedAt).toBeLessThan(20_000);
    expect(await world.ended(contract.id)).toMatchObject({ counts: { suppressed: 1, sent: 0 } });
    await until('confirmed', async () => (await world.received(other)).length > 0);
    expect((await world.received(other)).map(({ text }) => text)).toEqual([
      'You will receive no more messages from us. Reply START to receive them again.',
    ]);
  });

  it.each([
    ['554899120009', '5548999120009'],
    ['525512345678', '5215512345678'],
    ['5491123456789', '541123456789'],
  ])(
    'from %s gets nothing as %s either: not what was accepted before, not what comes later; START undoes it',
    async (short, long) => {
      await world.simulator('POST', '/phones', { number: short });
      const say = (text: string) => world.simulator('POST', `/phones/${short}/send`, { to: sender, text });
      const order = [{ phoneNumber: `+${long}`, message: 'Parcel' }];
      const before = await world.contract(accountId, order, { start: false });
      await say('STOP');
      const listed = () => world.api('GET', `/v1/suppressions/${long}`).catch(() => undefined);
      expect(await until('on the list', listed)).toMatchObject({ phoneNumber: short, source: 'inbound' });
      await world.api('POST', `/v1/contracts/${before.id}/start`);
      expect(await world.ended(before.id)).toMatchObject({ counts: { suppressed: 1, failed: 0 } });
      expect(await world.contract(accountId, order, { start: false })).toMatchObject({ counts: { suppressed: 1 } });
      expect(await world.received(long)).toEqual([]);
      await say('START');
      await until('off the list', async () => (await listed()) === undefined);
      expect(await world.contract(accountId, order, { start: false })).toMatchObject({ counts: { suppressed: 0 } });
    },
  );

  it('by a hidden id alone is on the list and in the inbox under lid:, and back with START', async () => {
    const hidden = '12015550160';
    await world.simulator('POST', '/phones', { number: hidden });
    const say = (text: string) => world.simulator('POST', `/phones/${hidden}/send`, { to: sender, text, hidden: true });
    await say('STOP');
    const found = await until('in the inbox', async () => {
      const { items } = await world.api<Inbox>('GET', `/v1/inbox?accountId=${accountId}&limit=1`);
      return items[0]?.from.startsWith('lid:') === true ? items[0] : undefined;
    });
    const listed = () => world.api('GET', `/v1/suppressions/${found.from}`).catch(() => undefined);
    expect(await until('on the list', listed)).toMatchObject({ phoneNumber: found.from });
    const { items } = await world.api<Inbox>('GET', `/v1/inbox?from=${found.from}`);
    expect(items.map(({ text }) => text)).toEqual(['STOP']);
    const contract = await world.contract(accountId, [{ phoneNumber: hidden, message: 'x' }]);
    expect(await world.ended(contract.id)).toMatchObject({ counts: { suppressed: 1, failed: 0 } });
    expect(await world.received(hidden)).toEqual([]);
    await say('START');
    await until('off the list', async () => (await listed()) === undefined);
    const again = await world.contract(accountId, [{ phoneNumber: hidden, message: 'Back' }]);
    expect(await world.ended(again.id)).toMatchObject({ counts: { suppressed: 0, failed: 0 } });
  });

  it('is in the inbox with what was written', async () => {
    const { items } = await world.api<Inbox>('GET', `/v1/inbox?accountId=${accountId}&from=${phone}`);
    expect(items.map(({ from, type, text }) => [from, type, text])).toEqual([
      [phone, 'text', 'START'],
      [phone, 'text', 'Stop!'],
    ]);
  });
});
