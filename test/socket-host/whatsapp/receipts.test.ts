import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Gateway, gateway } from './gateway.ts';
import { sleep } from './probe.ts';

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
  await first.session.send({ id: idOf('A'), to: '4915160000001', text: 'x' }, 5000);
  while (taken.length < 1) await sleep(10);
  // The connection goes on: it is not the receipt's fault.
  expect(await first.session.send({ id: idOf('B'), to: '4915160000001', text: 'y' }, 5000)).toEqual({});
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
  await line.session.send({ id: idOf('C'), to: '4915160000002', text: 'x' }, 5000);
  while (!kinds.includes('C read')) await sleep(10);
  await g.control('POST', '/phones/4915160000002/send', { to: number, text: 'meanwhile' });
  await line.heard('inbound meanwhile');
  await line.session.send({ id: idOf('D'), to: '4915160000002', text: 'y' }, 5000);
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
  await line.session.send({ id: idOf('E'), to: '4915160000003', text: 'x' }, 5000);
  while (g.lease.held) await sleep(10);
  await sleep(50);
  await line.session.close();
  g.lease.held = true;
  const next = g.connect(await g.openStore(`acc_${number}`));
  await next.heard(`receipt ${idOf('E')} delivered`);
});
