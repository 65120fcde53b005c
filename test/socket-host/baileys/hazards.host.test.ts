import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { textContent } from '../../../lib/domain/content.ts';
import { type Gateway, gateway } from './gateway.ts';
import { sleep, stanzasOf } from './probe.ts';

let g: Gateway;
beforeAll(async () => {
  g = await gateway();
});
afterAll(() => g.cleanUp());

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/chat`;
}

describe('a connection that does not come about', () => {
  for (const status of [403, 407, 503]) {
    it(`closes when the upgrade is answered with ${status}, which is no code of WhatsApp`, async () => {
      const server = createServer().on('upgrade', (_request, socket) => {
        socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
      });
      const url = await listening(server);
      const { said, heard } = g.connect(await g.openStore(`acc_${status}`), { url });
      await heard('closed', 2000);
      expect(said.end).toEqual({ reason: 'unsaid', detail: `the upgrade was answered with HTTP ${status}` });
      server.close();
    });
  }

  it('closes when the server takes the connection and says nothing', async () => {
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => sockets.add(socket));
    const url = await listening(server);
    const { said, heard } = g.connect(await g.openStore('acc_mute'), { url, connectTimeoutMs: 200 });
    await heard('closed', 4000);
    expect(said.end?.code).toBeUndefined();
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('closes when the server upgrades and says nothing', async () => {
    const server = createServer();
    const sockets = new WebSocketServer({ server });
    const url = await listening(server);
    const { said, heard } = g.connect(await g.openStore('acc_silent'), { url, connectTimeoutMs: 200 });
    await heard('closed', 4000);
    expect(said.events).toEqual(['closed']);
    for (const client of sockets.clients) client.terminate();
    server.close();
  });

  it('closes when nobody listens, and does not take that for an unused code', async () => {
    const server = createServer();
    const url = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    const { said, heard } = g.connect(await g.openStore('acc_nobody'), { url });
    await heard('closed', 2000);
    expect(said.end?.code).toBeUndefined();
    expect(said.end?.detail).toContain('ECONNREFUSED');
  });

  it('closes without connecting when the lease is over', async () => {
    const store = await g.openStore('acc_leaseless');
    const { said, heard } = g.connect(store, { mayAct: () => false });
    await heard('closed', 1000);
    expect(said.end).toEqual({ reason: 'unsaid', detail: 'the lease on the account is over' });
  });
});

describe('closing reasons', () => {
  for (const code of [401, 403, 405, 500]) {
    it(`tells a login refused with ${code}`, async () => {
      const { session, store } = await g.linked(`49151500004${code}`);
      await session.close();
      await g.control('POST', '/faults', { account: `49151500004${code}`, kind: 'refuse-login', code });
      const refused = g.connect(store);
      await refused.heard('closed');
      expect(refused.said.end?.code).toBe(code);
      expect(store.registered()).toBe(true);
    });
  }

  it('tells when a temporary ban ends', async () => {
    const { session, store } = await g.linked('4915150000402');
    await session.close();
    await g.control('POST', '/faults', { account: '4915150000402', kind: 'refuse-login', code: 402, ms: 3_600_000 });
    const refused = g.connect(store);
    await refused.heard('closed');
    expect(refused.said.end).toMatchObject({ code: 402, expireSec: 3600 });
  });

  it('tells what WhatsApp said of the end also when it is closed by us in the middle of it', async () => {
    const { session, said, heard } = await g.linked('4915150000403');
    // Answers to what a new connection asks for.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const counted = session.heard;
    // The next frame is the last one: Baileys has read it by then and waits for the server's close.
    const closed = new Promise<void>((resolve) =>
      Object.defineProperty(session, 'heard', {
        get: () => counted,
        set: () => queueMicrotask(() => resolve(session.close())),
      }),
    );
    await g.control('POST', '/faults', { account: '4915150000403', kind: 'close', code: 402, ms: 60_000 });
    await closed;
    await heard('closed');
    expect(said.end).toMatchObject({ code: 402, expireSec: 60 });
  });

  it('tells that another connection took over', async () => {
    const first = await g.linked('4915150000440');
    const second = g.connect(first.store);
    await second.heard('drained');
    await first.heard('closed');
    expect(first.said.end?.code).toBe(440);
  });

  it('tells a connection that was cut', async () => {
    const { said, heard } = await g.linked('4915150000428');
    await g.control('POST', '/faults', { account: '4915150000428', kind: 'drop' });
    await heard('closed');
    expect(said.end?.code).toBe(428);
    expect(said.events.filter((event) => event === 'closed')).toHaveLength(1);
  });
});

describe('one account and its failures', () => {
  it('survives stanzas that make handlers of Baileys throw', async () => {
    const { session, said } = await g.linked('4915150000501');
    const malformed = { tag: 'x', attrs: {} };
    for (const event of [
      'CB:receipt',
      'CB:message',
      'CB:notification',
      'CB:call',
      'CB:ack,class:message',
      'CB:ib,,dirty',
    ]) {
      stanzasOf(session).emit(event, malformed);
    }
    await sleep(100);
    expect(said.end).toBeUndefined();
    expect(
      await session.send({ id: `msg_${'1'.repeat(18)}`, to: '4915160000501', content: textContent('alive') }, 5000),
    ).toEqual({});
  });

  it('ends the session when a frame cannot be read, and nothing else', async () => {
    const { session, said, heard } = await g.linked('4915150000502');
    const other = await g.linked('4915150000503');
    stanzasOf(session).emit('message', Buffer.from([0, 0, 4, 1, 2, 3, 4]));
    await heard('closed');
    expect(said.end).toEqual({ reason: 'unsaid', detail: 'a frame could not be read' });
    expect(
      await other.session.send(
        { id: `msg_${'2'.repeat(18)}`, to: '4915160000502', content: textContent('alive') },
        5000,
      ),
    ).toEqual({});
  });

  it('does not let a listener that throws reach Baileys', async () => {
    const thrower = () => {
      throw new Error('not my day');
    };
    const { session, heard } = await g.linked('4915150000504', { onReceipt: thrower });
    await g.control('POST', '/phones', { number: '4915160000503' });
    expect(
      await session.send({ id: `msg_${'3'.repeat(18)}`, to: '4915160000503', content: textContent('one') }, 5000),
    ).toEqual({});
    await sleep(500);
    expect(
      await session.send({ id: `msg_${'4'.repeat(18)}`, to: '4915160000503', content: textContent('two') }, 5000),
    ).toEqual({});
    await session.close();
    await heard('closed');
  });

  it('stands device notices, presence and history that nobody asked for', async () => {
    const { session } = await g.linked('4915150000505');
    await g.control('POST', '/faults', { account: '4915150000505', kind: 'noise', count: 5 });
    await sleep(300);
    expect(
      await session.send({ id: `msg_${'5'.repeat(18)}`, to: '4915160000504', content: textContent('calm') }, 5000),
    ).toEqual({});
  });

  it('closes twice as well as once, and leaves nothing open', async () => {
    const { session, said } = await g.linked('4915150000506');
    const connections = g.simulator.totals().connections;
    await Promise.all([session.close(), session.close()]);
    await session.close();
    expect(said.events.filter((event) => event === 'closed')).toHaveLength(1);
    await sleep(50);
    expect(g.simulator.totals().connections).toBe(connections - 1);
  });
});

it('has logged neither texts nor whole numbers through all of this', () => {
  expect(g.logged.length).toBeGreaterThan(5);
  const lines = g.logged.join('\n');
  expect(lines).not.toMatch(/\d{6,}/);
  expect(lines).not.toContain('alive');
});
