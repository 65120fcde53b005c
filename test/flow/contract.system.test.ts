import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numbers, reached, startWorld, type World } from '../harness/local-stack.ts';
import { until } from '../harness/until.ts';

describe('a contract from the HTTP call to the simulated phones', () => {
  let world: World;
  let accountId: string;
  beforeAll(async () => {
    world = await startWorld();
    accountId = await world.linked('12025550199');
  });
  afterAll(() => world?.stop());

  it('reaches each phone once, with its text, and tells apart who is not on WhatsApp', async () => {
    const recipients = [
      ...numbers(60).map((phoneNumber, i) => ({ phoneNumber, message: `Hello number ${i}` })),
      { phoneNumber: '12015550000', message: 'To nobody' },
    ];
    const contract = await world.contract(accountId, recipients);
    expect(contract).toMatchObject({ status: 'IN_PROGRESS', totalCount: 61 });
    const ended = await world.ended(contract.id);
    expect(ended).toMatchObject({ status: 'COMPLETED', counts: { failed: 1, pending: 0, queued: 0, sending: 0 } });
    expect(await world.received('12015550100')).toEqual([
      expect.objectContaining({ from: '12025550199', text: 'Hello number 0', repeats: 0 }),
    ]);
    const stats = await world.api<Record<string, unknown>>('GET', `/v1/contracts/${contract.id}/stats`);
    expect(stats).toMatchObject({
      status: 'COMPLETED',
      total: 61,
      success: 60,
      failed: 1,
      successRate: '98.36%',
      failedPhoneNumbers: [{ phoneNumber: '12015550000', errorCode: 'NOT_ON_WHATSAPP', attempts: 0 }],
    });
    expect(await world.totals()).toMatchObject({ distinct: 60, repeatsOnWire: 0, usedCounters: 0, undecryptable: 0 });
  });

  it('shows delivered and read where the phone says so', async () => {
    await world.simulator('POST', '/phones', { number: '12015550190' });
    const contract = await world.contract(accountId, [{ phoneNumber: '12015550190', message: 'Read me' }]);
    await until('read', async () => (await world.read(contract.id)).counts.read === 1);
    const { items } = await world.api<{ items: Record<string, unknown>[] }>('GET', '/v1/messages?to=12015550190');
    expect(items).toMatchObject([{ status: 'READ', to: '12015550190', text: 'Read me', attempts: 1, accountId }]);
    for (const time of ['sentAt', 'deliveredAt', 'readAt']) expect(items[0]?.[time]).toMatch(/^20\d\d-.*Z$/);
  });

  it('reaches the own number once too, what everybody tries first, and shows that it was read', async () => {
    const contract = await world.contract(accountId, [{ phoneNumber: '12025550199', message: 'To myself' }]);
    await until('read', async () => (await world.read(contract.id)).counts.read === 1);
    expect(await world.received('12025550199')).toEqual([
      expect.objectContaining({ from: '12025550199', text: 'To myself', repeats: 0 }),
    ]);
  });

  it('is advanced and sent again for its recipient alone, whatever a stranger claims', async () => {
    const [to, stranger] = ['12015550191', '12015550192'];
    await world.simulator('POST', '/phones', { number: to, behaviour: { read: false } });
    const contract = await world.contract(accountId, [{ phoneNumber: to, message: 'Your code is 123456' }]);
    await until('delivered', async () => (await world.read(contract.id)).counts.delivered === 1);
    const shown = async () => (await world.api<Shown>('GET', `/v1/messages?to=${to}`)).items[0];
    const id = (await shown())?.whatsappId;
    const forge = (order: object) =>
      world.simulator('POST', `/phones/${stranger}/send`, { to: '12025550199', ...order });
    for (const order of [{ readFor: id }, { retryFor: id }, { retryFor: id, participant: to }]) await forge(order);
    await forge({ text: 'Done' });
    await until('stored', async () => (await world.api<Shown>('GET', `/v1/inbox?from=${stranger}`)).items.length === 1);
    expect(await shown()).toMatchObject({ status: 'DELIVERED', readAt: null });
    await world.simulator('POST', `/phones/${to}/send`, { to: '12025550199', readFor: id, hidden: true });
    await until('read', async () => (await shown())?.status === 'READ');
    expect(await world.received(stranger)).toEqual([]);
    expect(await world.received(to)).toEqual([expect.objectContaining({ repeats: 0 })]);
  });

  it('goes to the address that WhatsApp answers with, and says so', async () => {
    const behaviour = { answersAs: '554899120009' };
    await world.simulator('POST', '/phones', { number: '5548999120009', behaviour });
    const contract = await world.contract(accountId, [{ phoneNumber: '5548999120009', message: 'Olá' }]);
    await until('read', async () => (await world.read(contract.id)).counts.read === 1);
    const { items } = await world.api<{ items: object[] }>('GET', '/v1/messages?to=5548999120009');
    expect(items).toMatchObject([{ status: 'READ', to: '5548999120009', sentTo: '554899120009', attempts: 1 }]);
    expect(await world.received('5548999120009')).toEqual([expect.objectContaining({ text: 'Olá', repeats: 0 })]);
  });

  it('waits, saying why, for an account that is not connected, and goes on when it is', async () => {
    await world.api('POST', `/v1/accounts/${accountId}/disconnect`);
    await until('disconnected', async () => {
      const { status } = await world.api<{ status: string }>('GET', `/v1/accounts/${accountId}`);
      return status === 'disconnected';
    });
    const contract = await world.contract(accountId, [{ phoneNumber: '12015550101', message: 'Later' }]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const waiting = await world.read(contract.id);
    expect(waiting.status).toBe('IN_PROGRESS');
    expect(waiting.reason).toMatch(/disconnected/i);
    await world.api('POST', `/v1/accounts/${accountId}/connect`);
    expect(await world.ended(contract.id)).toMatchObject({ status: 'COMPLETED' });
  });

  it('of POST /v1/messages/bulk overtakes what waits, and needs no account', async () => {
    const waiting = await world.contract(
      accountId,
      numbers(300).map((phoneNumber, i) => ({ phoneNumber, message: `Waiting ${i}` })),
    );
    await until('some are sent', async () => reached(await world.read(waiting.id)) > 5);
    const recipients = ['12015550193', '12015550194', '12015550195'].map((to) => ({ to }));
    const made = await world.api<{ contractId: string; queued: number }>('POST', '/v1/messages/bulk', {
      recipients,
      text: 'We open late today.',
    });
    expect(made.queued).toBe(3);
    expect(await world.ended(made.contractId)).toMatchObject({ status: 'COMPLETED', totalCount: 3 });
    expect(reached(await world.read(waiting.id))).toBeLessThan(300);
    for (const { to } of recipients) {
      expect((await world.received(to)).map(({ text }) => text)).toEqual(['We open late today.']);
    }
    expect(await world.ended(waiting.id)).toMatchObject({ status: 'COMPLETED' });
  });

  it('waits while its account is paused, which stays connected, and goes on when that is resumed', async () => {
    const recipients = numbers(60).map((phoneNumber, i) => ({ phoneNumber, message: `Held ${i}` }));
    const { connections } = await world.totals();
    const contract = await world.contract(accountId, recipients);
    await until('some are sent', async () => reached(await world.read(contract.id)) > 5);
    const paused = await world.api<Record<string, unknown>>('POST', `/v1/accounts/${accountId}/pause`);
    expect(paused).toMatchObject({ paused: true, status: 'connected', desired: 'connected' });
    const { received } = await world.totals();
    await until('the lanes are empty', async () => {
      const { lanes } = await world.api<{ lanes: unknown }>('GET', `/v1/accounts/${accountId}`);
      const { counts } = await world.read(contract.id);
      return JSON.stringify(lanes) === '{"express":0,"bulk":0}' && counts.sending === 0 && counts.queued === 0;
    });
    expect((await world.totals()).received - received).toBeLessThanOrEqual(1);
    expect(await world.read(contract.id)).toMatchObject({
      status: 'IN_PROGRESS',
      reason: 'Waiting: sending is paused for the account; POST /v1/accounts/:id/resume continues it.',
    });
    const resumed = await world.api<Record<string, unknown>>('POST', `/v1/accounts/${accountId}/resume`);
    expect(resumed).toMatchObject({ paused: false, status: 'connected' });
    expect(await world.ended(contract.id)).toMatchObject({ status: 'COMPLETED', counts: { failed: 0 } });
    expect(await world.totals()).toMatchObject({ connections, repeatsOnWire: 0, usedCounters: 0, undecryptable: 0 });
    const shown = await Promise.all(recipients.map(({ phoneNumber }) => world.received(phoneNumber)));
    const held = shown.map((messages, i) => messages.filter(({ text }) => text === `Held ${i}`).length);
    expect(held).toEqual(Array(60).fill(1));
  });

  it('pauses with at most the message in hand, resumes at once, and a delete stops it', async () => {
    const recipients = numbers(400).map((phoneNumber, i) => ({ phoneNumber, message: `Round two ${i}` }));
    const contract = await world.contract(accountId, recipients);
    await until('some are sent', async () => reached(await world.read(contract.id)) > 20);
    await world.api('POST', `/v1/contracts/${contract.id}/pause`);
    const { received } = await world.totals();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await world.totals()).received - received).toBeLessThanOrEqual(1);
    expect((await world.read(contract.id)).status).toBe('PAUSED');
    await world.api('POST', `/v1/contracts/${contract.id}/start`);
    await until('it goes on', async () => (await world.totals()).received > received + 20, 15_000);
    await world.api('DELETE', `/v1/contracts/${contract.id}`);
    const after = (await world.totals()).received;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await world.totals()).received - after).toBeLessThanOrEqual(1);
    await expect(world.read(contract.id)).rejects.toThrow(/404/);
    expect(await world.totals()).toMatchObject({ repeatsOnWire: 0, usedCounters: 0, undecryptable: 0 });
  });
});

interface Shown {
  items: { whatsappId: string; status: string }[];
}
