import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numbers, startWorld, type World } from '../harness/local-stack.ts';
import { until } from '../harness/until.ts';

interface LoggedEvent {
  id: string;
  type: string;
  timestamp: string;
  data: {
    account?: { id: string; status: string };
    contract?: { id: string; status: string; counts: Record<string, number> };
    message?: { id: string; to: string; text: string; status: string; error: { code: string } | null };
  };
}

describe('what a contract does is published', () => {
  let world: World;
  let accountId: string;
  beforeAll(async () => {
    world = await startWorld();
    accountId = await world.linked('12025550199');
  });
  afterAll(() => world?.stop());

  /** The whole log of a type or group, newest first, page by page. */
  const logged = (type: string, limit = 100) => world.all<LoggedEvent>(`/v1/events?type=${type}&limit=${limit}`);
  const typesOf = (events: LoggedEvent[]) => events.map(({ type }) => type);

  it('of the account: made and connected; the codes are not kept', async () => {
    const events = await until('connected', async () => {
      const events = await logged('account');
      return typesOf(events).includes('account.connected') ? events : undefined;
    });
    expect(typesOf(events).reverse()).toEqual(['account.created', 'account.connected']);
    expect(events[0]?.data.account).toMatchObject({ id: accountId, status: 'connected', isPrimary: true });
  });

  it('of its messages: every step once, with the text; of the contract: start, progress, end', async () => {
    const phones = numbers(25);
    for (const number of phones) await world.simulator('POST', '/phones', { number });
    const recipients = [
      ...phones.map((phoneNumber, i) => ({ phoneNumber, message: `Hello number ${i}` })),
      { phoneNumber: '12015550000', message: 'To nobody' },
    ];
    const contract = await world.contract(accountId, recipients);
    await until('all are read', async () => (await world.read(contract.id)).counts.read === 25, 60_000);
    await world.ended(contract.id);
    const read = await until('the last is logged', async () => {
      const events = await logged('message.read', 10);
      return events.length >= 25 ? events : undefined;
    });
    for (const step of ['queued', 'sent', 'delivered', 'read']) {
      const events = step === 'read' ? read : await logged(`message.${step}`);
      const expected = step === 'queued' ? recipients : recipients.slice(0, 25);
      const said = events.map(({ data: { message } }) => `${message?.to} ${message?.text}`).sort();
      expect([step, said]).toEqual([step, expected.map((one) => `${one.phoneNumber} ${one.message}`).sort()]);
    }
    const failed = await logged('message.failed');
    expect(failed.map(({ data: { message } }) => [message?.to, message?.error?.code])).toEqual([
      ['12015550000', 'NOT_ON_WHATSAPP'],
    ]);
    const all = await logged('message', 7);
    expect(new Set(all.map(({ id }) => id)).size).toBe(25 * 4 + 2);
    for (const phone of phones) {
      const steps = all
        .filter(({ data }) => data.message?.to === phone)
        .map(({ type }) => type.slice('message.'.length));
      expect([phone, ...steps.reverse()]).toEqual([phone, 'queued', 'sent', 'delivered', 'read']);
    }

    const events = await until('its end is logged', async () => {
      const events = (await logged('contract')).filter(({ data }) => data.contract?.id === contract.id);
      return typesOf(events).includes('contract.completed') ? events : undefined;
    });
    expect(typesOf(events).filter((type) => type !== 'contract.progress')).toEqual([
      'contract.completed',
      'contract.started',
    ]);
    const progress = events.filter(({ type }) => type === 'contract.progress');
    expect(progress.length).toBeGreaterThan(0);
    const halves = progress.map(({ timestamp }) => Math.floor(Date.parse(timestamp) / 30_000));
    expect(new Set(halves).size).toBe(halves.length);
    for (const { data } of progress) expect(data.contract?.status).toBe('IN_PROGRESS');
    expect(events[0]?.data.contract).toMatchObject({ status: 'COMPLETED', counts: { failed: 1, pending: 0 } });
  });

  it('of a pause, a resume and a cancel, each once; nothing is published twice after a restart', async () => {
    const recipients = numbers(200).map((phoneNumber) => ({ phoneNumber, message: 'Once more' }));
    const { id } = await world.contract(accountId, recipients);
    await world.api('POST', `/v1/contracts/${id}/pause`);
    await world.api('POST', `/v1/contracts/${id}/start`);
    await world.api('POST', `/v1/contracts/${id}/pause`);
    await world.api('POST', `/v1/contracts/${id}/cancel`);
    const own = async () => {
      const events = await logged('contract');
      return events.filter(({ type, data }) => data.contract?.id === id && type !== 'contract.progress').reverse();
    };
    await until('all is logged', async () => (await own()).length >= 5);
    expect(typesOf(await own())).toEqual([
      'contract.started',
      'contract.paused',
      'contract.resumed',
      'contract.paused',
      'contract.canceled',
    ]);
    const before = (await logged('message')).map((event) => event.id);
    await world.restart();
    const after = (await logged('message')).map((event) => event.id);
    expect(new Set(after).size).toBe(after.length);
    expect(after.filter((one) => before.includes(one))).toHaveLength(before.length);
    expect(await own()).toHaveLength(5);
  });
});
