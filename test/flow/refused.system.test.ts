import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ContractView, numbers, reached, startWorld, type World } from '../harness/local-stack.ts';
import { until } from '../harness/until.ts';

const rows = 100;

describe('a contract whose account WhatsApp refuses in the middle of it', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.stop());

  const account = (id: string) =>
    world.api<{ status: string; statusReason: string | null }>('GET', `/v1/accounts/${id}`);
  const connections = async () => (await world.totals()).connections;

  async function begun(accountId: string, text: string): Promise<ContractView> {
    const contract = await world.contract(
      accountId,
      numbers(rows).map((phoneNumber, i) => ({ phoneNumber, message: `${text} ${i}` })),
    );
    await until('some are sent', async () => reached(await world.read(contract.id)) > 10);
    return contract;
  }

  /** Nothing is left in the lanes, and on its way is no more than may be `inHand`. */
  const waits = (id: string, inHand: number) =>
    until('everything waits', async () => {
      const contract = await world.read(id);
      const { queued = 0, sending = 0, pending = 0 } = contract.counts;
      return contract.reason !== null && queued === 0 && sending <= inHand && pending > 0 ? contract : undefined;
    });

  /** How often each of the phones has this contract's text, and how often one came in twice. */
  async function arrived(text: string): Promise<number[]> {
    const all = await Promise.all(numbers(rows).map((number) => world.received(number).catch(() => [])));
    expect(all.flat().filter(({ repeats }) => repeats > 0)).toEqual([]);
    return all.map((messages, i) => messages.filter((message) => message.text === `${text} ${i}`).length);
  }

  it('waits for the end of a restriction, and then reaches each phone once', async () => {
    const accountId = await world.linked('12025550191');
    const contract = await begun(accountId, 'Restricted');
    await world.simulator('POST', '/faults', { account: '12025550191', kind: 'close', code: 402, ms: 6_000 });
    const before = await connections();
    // Its outcome is learned on the next connection.
    const { status, reason } = await waits(contract.id, 1);
    expect(status).toBe('IN_PROGRESS');
    expect(reason).toMatch(
      /^Waiting: WhatsApp has restricted the account \(temporary_ban\) until 20.*; it then continues by itself\.$/,
    );
    expect(await account(accountId)).toMatchObject({ status: 'restricted', statusReason: 'temporary_ban' });
    expect(await connections()).toBe(before);
    expect(await world.ended(contract.id)).toMatchObject({ status: 'COMPLETED', counts: { failed: 0 } });
    expect(await arrived('Restricted')).toEqual(Array(rows).fill(1));
  });

  it('puts one first contact on the wire when WhatsApp refuses them with 463, and goes on with who wrote before', async () => {
    const [number, known] = ['12025550190', '12075550199'];
    const accountId = await world.linked(number);
    await world.simulator('POST', '/phones', { number: known });
    await world.simulator('POST', `/phones/${known}/send`, { to: number, text: 'Hello' });
    const inbox = () => world.api<{ items: unknown[] }>('GET', `/v1/inbox?accountId=${accountId}`);
    await until('the inbox', async () => (await inbox()).items.length === 1);
    await world.simulator('POST', '/faults', { account: number, kind: 'error-ack', code: 463 });
    const strangers = numbers(130).slice(100);
    const contract = await world.contract(
      accountId,
      [...strangers, known].map((phoneNumber) => ({ phoneNumber, message: 'Good day' })),
    );
    const { reason } = await until('the others wait', async () => {
      const now = await world.read(contract.id);
      const { failed, pending, read } = now.counts;
      return failed === 1 && pending === 29 && read === 1 ? now : undefined;
    });
    expect(reason).toMatch(
      /^Waiting: WhatsApp refuses messages to people the account has no chat with \(463\) until 20/,
    );
    const wire = await world.simulator<{ stanzas: { to: string }[] }>('GET', `/accounts/${number}/wire`);
    expect(wire.stanzas.map(({ to }) => to).toSorted()).toEqual([strangers[0], known].toSorted());
    const held = await world.api<{ warnings: string[]; firstContactsHeldUntil: string | null }>(
      'GET',
      `/v1/accounts/${accountId}`,
    );
    expect(held.warnings).toMatchObject([expect.stringContaining('(463)')]);
    // WhatsApp named no time: a day.
    expect(Date.parse(held.firstContactsHeldUntil ?? '') - Date.now()).toBeGreaterThan(23.9 * 3_600_000);
    await world.simulator('POST', '/faults', { account: number, kind: 'timelock', ms: 0 });
    await until('open again', async () => {
      const now = await world.api<typeof held>('GET', `/v1/accounts/${accountId}`);
      return now.firstContactsHeldUntil === null && now.warnings.length === 0;
    });
  });

  it('waits until a ban is lifted and the account asked to connect, and logs in no sooner', async () => {
    const accountId = await world.linked('12025550192');
    const contract = await begun(accountId, 'Banned');
    await world.simulator('POST', '/faults', { account: '12025550192', kind: 'ban' });
    const before = await connections();
    const { status, reason } = await waits(contract.id, 0);
    expect(status).toBe('IN_PROGRESS');
    expect(reason).toBe(
      'Waiting: WhatsApp has banned the account (refused_403); when WhatsApp has lifted the ban, POST /v1/accounts/:id/connect.',
    );
    expect(await account(accountId)).toMatchObject({ status: 'banned', statusReason: 'refused_403' });
    await world.simulator('DELETE', '/faults');
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await connections()).toBe(before);
    await world.api('POST', `/v1/accounts/${accountId}/connect`);
    const { counts } = await world.ended(contract.id);
    // What was in hand when the ban came ends, as nobody can learn its outcome.
    expect(counts.failed).toBeLessThanOrEqual(1);
    const times = await arrived('Banned');
    expect(Math.max(...times)).toBe(1);
    expect(times.filter((one) => one === 0).length).toBeLessThanOrEqual(counts.failed ?? 0);
    expect(await world.totals()).toMatchObject({ repeatsOnWire: 0, usedCounters: 0, undecryptable: 0 });
  });
});
