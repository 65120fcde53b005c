import { connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { textContent } from '../../../lib/domain/content.ts';
import { Pings } from '../../../socket-host/baileys/pings.ts';
import { ConnectionCheck, ConnectionChecks, type Useless } from '../../../socket-host/connection/check.ts';
import { ConnectionEvents } from '../../../socket-host/connection/events.ts';
import type { HostDeps } from '../../../socket-host/deps.ts';
import { createMetrics } from '../../../socket-host/metrics.ts';
import { NotSent, type TransportSession } from '../../../socket-host/transport.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';
import { type Gateway, gateway } from './gateway.ts';
import { countQueries, sleep } from './probe.ts';

let g: Gateway;
let relay: Relay;
beforeAll(async () => {
  g = await gateway();
  relay = await startRelay(new URL(g.simulator.whatsappUrl));
});
afterAll(async () => {
  await g.cleanUp();
  await relay.stop();
});

/** A linked account whose connection goes through the relay. */
async function throughRelay(number: string) {
  const { session, store } = await g.linked(number);
  await session.close();
  const connected = g.connect(store, { url: relay.url });
  await connected.heard('drained');
  return connected;
}

describe('a ping', () => {
  it('is answered by the server on an open connection, and so is every next one', async () => {
    const { session } = await g.linked('4915150000601');
    const heard = session.heard;
    for (let i = 0; i < 3; i++) await session.ping();
    expect(session.heard).toBeGreaterThanOrEqual(heard + 3);
  });

  it('keeps a connection open that shows a code, and cannot be sent before', async () => {
    const { session, heard } = g.connect(await g.openStore('acc_linking'));
    expect(session.ping()).toBeUndefined();
    await heard('link');
    await session.ping();
    await session.close();
    expect(session.ping()).toBeUndefined();
  });

  it('is not sent without the lease', async () => {
    const { session } = await g.linked('4915150000602');
    g.lease.held = false;
    expect(session.ping()).toBeUndefined();
    g.lease.held = true;
    await session.ping();
  });

  it('that the server refuses is told so, and other stanzas are no answer', async () => {
    const pings = new Pings();
    const sock = { generateMessageTag: () => '7', sendNode: async () => {} };
    const answer = pings.ask(sock as never);
    let settled = false;
    answer.catch(() => {}).finally(() => (settled = true));
    pings.take({ tag: 'iq', attrs: { id: '8', type: 'result' } });
    pings.take({ tag: 'message', attrs: { id: '7' } });
    await sleep(5);
    expect(settled).toBe(false);
    pings.take({ tag: 'iq', attrs: { id: '7', type: 'error' } });
    await expect(answer).rejects.toThrow('refused');
  });
});

describe('checks of a connection to WhatsApp', () => {
  /** Checks at twenty times the speed, first one at once. */
  function checked(session: TransportSession) {
    const clock = scaledClock(20);
    const metrics = createMetrics();
    const deps = { clock, metrics, random: () => 0 } as unknown as HostDeps;
    const events = new ConnectionEvents(deps, {} as never, clock.nowMs());
    const seen = { warnings: new Set<string>(), useless: [] as Useless[] };
    const check = new ConnectionCheck(
      {
        deps,
        events,
        warn: (warning, holds) => void (holds ? seen.warnings.add(warning) : seen.warnings.delete(warning)),
        useless: (why) => seen.useless.push(why),
      },
      session,
    );
    const checks = new ConnectionChecks();
    checks.add(check);
    const ended = new AbortController();
    const running = checks.run(clock, ended.signal);
    return {
      clock,
      seen,
      events,
      async stop() {
        ended.abort();
        await running;
      },
    };
  }

  it('send one ping for each, and none beside', async () => {
    const intervals = vi.spyOn(globalThis, 'setInterval');
    const { session } = await throughRelay('4915150000603');
    // Baileys would ping by itself, twice a minute.
    expect(intervals.mock.calls.map(([, ms]) => ms).filter((ms = 0) => ms < 120_000)).toEqual([]);
    intervals.mockRestore();
    // What a login leaves to be answered.
    await sleep(500);
    const answers = countQueries(session);
    const { clock, events, stop } = checked(session);
    const startMs = clock.monotonicMs();
    await until('three checks', async () => events.list().length >= 3);
    await stop();
    const passedMs = clock.monotonicMs() - startMs;
    expect(answers()).toBe(events.list().length);
    expect(answers()).toBeLessThanOrEqual(Math.ceil(passedMs / 30_000) + 1);
  });

  it('notice within 40 s that the line is silent, and closing it takes no longer than 2 s', async () => {
    const { session, heard, said } = await throughRelay('4915150000604');
    const { clock, seen, events, stop } = checked(session);
    await until('a check', async () => events.list().length > 0);
    relay.hold();
    const silentSinceMs = clock.monotonicMs();
    await until('noticed', async () => seen.useless.length > 0, 10_000, 5);
    expect(seen.useless).toEqual(['lost']);
    // A tenth of a second of the machine is two of this clock.
    expect(clock.monotonicMs() - silentSinceMs).toBeLessThan(46_000);
    await stop();
    const closingAt = Date.now();
    await session.close();
    await heard('closed');
    expect(Date.now() - closingAt).toBeLessThan(3_000);
    expect(said.end).toEqual({ reason: 'unsaid', detail: 'closed by us' });
    relay.release();
  });

  it('end a first message to a number with a line that is silent: it waits for no answer any more', async () => {
    const { session } = await throughRelay('4915150000606');
    relay.hold();
    const sending = session.send(
      { id: 'msg_0123456789ABCDEF06', to: '4915160000606', content: textContent('hello') },
      20_000,
    );
    const ended = expect(sending).rejects.toBeInstanceOf(NotSent);
    await sleep(200);
    const closingAt = Date.now();
    await session.close();
    await ended;
    expect(Date.now() - closingAt).toBeLessThan(5_000);
    relay.release();
  });

  it('find slow answers slow, and the connection of use all the same', async () => {
    const { session } = await throughRelay('4915150000605');
    relay.delay(350);
    const { seen, events, stop } = checked(session);
    await until('two checks', async () => events.list().length >= 2);
    await stop();
    relay.delay(0);
    expect([...seen.warnings]).toEqual(['WhatsApp answers slowly: a connection check took longer than 5 seconds.']);
    expect(seen.useless).toEqual([]);
    for (const { kind, value } of events.list()) {
      expect(kind).toBe('check');
      expect(value).toBeGreaterThan(5_000);
    }
  });
});

interface Relay {
  url: string;
  /** Nothing of the server's reaches the client any more, though the line stays open. */
  hold(): void;
  release(): void;
  /** What the server says from now on comes so many ms late. */
  delay(ms: number): void;
  stop(): Promise<void>;
}

/** A TCP line to the simulator that can fall silent. */
async function startRelay(target: URL): Promise<Relay> {
  const sockets = new Set<Socket>();
  let held = false;
  let delayMs = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (data) => upstream.write(data));
    upstream.on('data', (data) => {
      if (held) return;
      if (delayMs === 0) client.write(data);
      else setTimeout(() => client.write(data), delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `${target.protocol}//127.0.0.1:${address.port}${target.pathname}`,
    hold: () => {
      held = true;
    },
    release: () => {
      held = false;
    },
    delay: (ms) => {
      delayMs = ms;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
