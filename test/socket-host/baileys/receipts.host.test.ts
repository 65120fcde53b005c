import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { textContent } from '../../../lib/domain/content.ts';
import { type Gateway, gateway } from './gateway.ts';
import { countQueries, sleep } from './probe.ts';

let g: Gateway;
beforeAll(async () => {
  g = await gateway();
});
afterAll(() => g.cleanUp());

const idOf = (letter: string) => `msg_${letter.repeat(18)}`;

it('is acked only when it has been taken: WhatsApp sends what was not again on the next connection, and what was no more', async () => {
  const number = '4915150000001';
  await g.control('POST', '/phones', { number: '4915160000001', behaviour: { read: false } });
  const taken: string[] = [];
  let failing = true;
  const take = async ({ messageId, kind }: { messageId: string; kind: string }) => {
    taken.push(`${messageId.slice(4, 5)} ${kind}`);
    if (failing) throw new Error('the table is away');
  };
  const first = await g.linked(number, { onReceipt: take });
  await first.session.send({ id: idOf('A'), to: '4915160000001', content: textContent('x') }, 5000);
  while (taken.length < 1) await sleep(10);
  // The connection goes on: it is not the receipt's fault.
  expect(await first.session.send({ id: idOf('B'), to: '4915160000001', content: textContent('y') }, 5000)).toEqual({});
  while (taken.length < 2) await sleep(10);
  expect(first.said.end).toBeUndefined();
  await first.session.close();
  failing = false;
  const second = g.connect(first.store, {}, { onReceipt: take });
  await second.heard('drained');
  expect(taken).toEqual(['A delivered', 'B delivered', 'A delivered', 'B delivered']);
  await sleep(100);
  await second.session.close();
  const third = g.connect(first.store, {}, { onReceipt: take });
  await third.heard('drained');
  expect(taken).toHaveLength(4);
});

it('that takes long holds up nothing else', async () => {
  const number = '4915150000002';
  await g.control('POST', '/phones', { number: '4915160000002' });
  const held = Promise.withResolvers<void>();
  const kinds: string[] = [];
  const line = await g.linked(number, {
    async onReceipt({ messageId, kind }) {
      kinds.push(`${messageId.slice(4, 5)} ${kind}`);
      if (messageId === idOf('C')) await held.promise;
    },
  });
  await line.session.send({ id: idOf('C'), to: '4915160000002', content: textContent('x') }, 5000);
  while (!kinds.includes('C read')) await sleep(10);
  await g.control('POST', '/phones/4915160000002/send', { to: number, text: 'meanwhile' });
  await line.heard('inbound meanwhile');
  await line.session.send({ id: idOf('D'), to: '4915160000002', content: textContent('y') }, 5000);
  while (!kinds.includes('D read')) await sleep(10);
  expect(kinds).toEqual(['C delivered', 'C read', 'D delivered', 'D read']);
  held.resolve();
  await sleep(100);
  await line.session.close();
  const next = g.connect(line.store);
  await next.heard('drained');
  expect(next.said.receipts).toEqual([]);
});

it('is not acked any more when the lease has ended meanwhile', async () => {
  const number = '4915150000003';
  await g.control('POST', '/phones', { number: '4915160000003', behaviour: { read: false } });
  const line = await g.linked(number, {
    onReceipt: async () => {
      g.lease.held = false;
    },
  });
  await line.session.send({ id: idOf('E'), to: '4915160000003', content: textContent('x') }, 5000);
  while (g.lease.held) await sleep(10);
  await sleep(50);
  await line.session.close();
  g.lease.held = true;
  const next = g.connect(await g.openStore(`acc_${number}`));
  await next.heard(`receipt ${idOf('E')} delivered`);
});

describe('a retry request', () => {
  const number = '4915150000004';
  const to = '4915160000004';
  const stranger = '4915160000005';
  const id = idOf('F');
  const wireId = `3EB0${'F'.repeat(18)}`;
  const ask = (from: string, order: object = {}) =>
    g.control('POST', `/phones/${from}/send`, { to: number, retryFor: wireId, ...order });
  const stanzas = async () => {
    const { body } = await g.control('GET', `/accounts/${number}/wire`);
    return (body as { stanzas: { id: string; to: string }[] }).stanzas.map((stanza) => [stanza.id, stanza.to]);
  };
  const receivedBy = async (phone: string) => (await g.control('GET', `/phones/${phone}/messages`)).body;

  it('is answered to the recipient alone, by number or hidden id, and to our own devices', async () => {
    for (const phone of [to, stranger]) await g.control('POST', '/phones', { number: phone });
    const { session, said, heard, store } = await g.linked(number);
    said.sent.set(id, { to, content: textContent('for one person') });
    await session.send({ id, to, content: textContent('for one person') }, 5000);
    await heard(`receipt ${id} read`);
    await session.send({ id: idOf('0'), to: stranger, content: textContent('for the other') }, 5000);
    await heard(`receipt ${idOf('0')} read`);
    const sessionWith = (lid: unknown) => store.get('session', `${lid}_1.0`);
    const before = [to, stranger].map((phone) => sessionWith(store.get('lid-mapping', phone)));
    const queries = countQueries(session);

    await ask(stranger);
    await ask(stranger, { hidden: true });
    await ask(stranger, { participant: to });
    await ask(stranger, { group: true });
    await ask(stranger, { group: true, participant: to });
    await ask(stranger, { retryFor: [`3EB0${'0'.repeat(18)}`, wireId] });
    await ask(number, { recipient: stranger });
    await g.control('POST', `/phones/${stranger}/send`, { to: number, text: 'and now?' });
    await heard('inbound and now?');
    expect(await stanzas()).toEqual([
      [wireId, to],
      [`3EB0${'0'.repeat(18)}`, stranger],
    ]);
    expect(queries()).toBe(0);
    expect(before[0]).toEqual(sessionWith(store.get('lid-mapping', to)));

    await ask(to);
    await until(async () => (await stanzas()).length === 3);
    await ask(to, { hidden: true });
    await until(async () => (await stanzas()).length === 4);
    await ask(number, { recipient: to });
    await until(async () => (await stanzas()).length === 5);
    expect(await receivedBy(to)).toMatchObject([{ id: wireId, text: 'for one person', repeats: 3 }]);
    expect(await receivedBy(stranger)).toMatchObject([{ text: 'for the other', repeats: 0 }]);
    expect(g.simulator.totals()).toMatchObject({ undecryptable: 0, usedCounters: 0 });
  });
});

async function until(check: () => Promise<boolean>): Promise<void> {
  for (let left = 500; left > 0; left -= 1) {
    if (await check()) return;
    await sleep(10);
  }
  throw new Error('it did not happen');
}
