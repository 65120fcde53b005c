import { createServer, Socket } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { createEgress, type Egress, type EgressOptions } from '../../../lib/runtime/egress/egress.ts';
import { EgressFailed } from '../../../lib/runtime/egress/errors.ts';
import { scaledClock } from '../../harness/scaled-clock.ts';
import { until } from '../../harness/until.ts';
import { dialInto, listen, type Receiver, startReceiver } from './receiver.ts';

const post = { method: 'POST', headers: {}, body: '{}', timeoutMs: 5000, maxResponseBytes: 1024 } as const;
const url = 'https://hooks.example.com/secret-path?token=hunter2';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

function guard(port: number, options: Partial<EgressOptions> = {}): Egress {
  const egress = createEgress({
    allowLoopback: false,
    dial: dialInto(() => port).dial,
    resolve: async () => ['93.184.215.14'],
    ...options,
  });
  stops.push(() => egress.close());
  return egress;
}

async function receiver(options: Parameters<typeof startReceiver>[0] = {}): Promise<Receiver> {
  const started = await startReceiver(options);
  stops.push(started.stop);
  return started;
}

/** A guard and a receiver that trust each other. */
async function pair(answer: Exclude<Parameters<typeof startReceiver>[0], undefined>['answer']) {
  const to = await receiver(answer === undefined ? {} : { answer });
  return { to, egress: guard(to.port, to.ca === undefined ? {} : { ca: to.ca }) };
}

/** A server that does what it likes with a raw connection, ended with the test. */
async function rawServer(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  const port = await listen(server);
  stops.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return port;
}

/** How a request fails, checked to tell nothing of the URL. */
async function failure(request: Promise<unknown>): Promise<EgressFailed> {
  const error = await request.then(
    () => 'it did not fail',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(EgressFailed);
  expect(inspect(error, { depth: 5 })).not.toMatch(/hunter2|secret-path|hooks\.example|93\.184/);
  expect((error as Error).cause).toBeUndefined();
  return error as EgressFailed;
}

describe('time', () => {
  it('runs out on a receiver that never answers, and its connection is closed', async () => {
    const { to, egress } = await pair(() => undefined);
    const startedMs = performance.now();
    expect(await failure(egress.request(url, { ...post, timeoutMs: 120 }))).toMatchObject({
      kind: 'timeout',
      message: 'The host did not answer in time.',
    });
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThan(100);
    expect(tookMs).toBeLessThan(3000);
    await until('no connection', async () => (await to.open()) === 0);
  });

  it('covers the whole answer: a body that drips forever', async () => {
    const { to, egress } = await pair((_, response) => {
      response.write('a');
      const drip = setInterval(() => response.write('a'), 10);
      response.on('close', () => clearInterval(drip));
    });
    expect(await failure(egress.request(url, { ...post, timeoutMs: 150 }))).toMatchObject({ kind: 'timeout' });
    await until('no connection', async () => (await to.open()) === 0);
  });

  it('covers a name that nobody answers for: five seconds at most', async () => {
    const egress = guard(1, { clock: scaledClock(100), resolve: () => new Promise(() => undefined) });
    expect(await failure(egress.request(url, { ...post, timeoutMs: 15_000 }))).toMatchObject({ kind: 'dns' });
    expect(await failure(egress.request(url, { ...post, timeoutMs: 3_000 }))).toMatchObject({ kind: 'timeout' });
    expect(await failure(egress.check(url))).toMatchObject({ kind: 'dns' });
  });

  it('covers a connection that nobody accepts: five seconds an address, then the next', async () => {
    const to = await receiver();
    const { dial } = dialInto(() => to.port);
    const silent: Socket[] = [];
    const egress = guard(1, {
      clock: scaledClock(5),
      ...(to.ca === undefined ? {} : { ca: to.ca }),
      resolve: async () => ['1.1.1.1', '8.8.8.8'],
      dial: (address, port) => {
        if (address === '8.8.8.8') return dial(address, port);
        silent.push(new Socket());
        return silent.at(-1) as Socket;
      },
    });
    const answer = await egress.request(url, { ...post, timeoutMs: 60_000 });
    expect(answer.status).toBe(200);
    expect(answer.durationMs).toBeGreaterThanOrEqual(5000);
    expect(silent.map((socket) => socket.destroyed)).toEqual([true]);
  });

  it('covers a TLS handshake that never ends', async () => {
    let closed = 0;
    const port = await rawServer((socket) => {
      socket.resume();
      socket.on('close', () => {
        closed += 1;
      });
    });
    const egress = guard(port);
    expect(await failure(egress.request(url, { ...post, timeoutMs: 100 }))).toMatchObject({ kind: 'timeout' });
    await until('the end', async () => closed === 1);
  });

  it('is the caller’s to end earlier', async () => {
    const { to, egress } = await pair(() => undefined);
    const stop = new AbortController();
    const request = egress.request(url, { ...post, signal: stop.signal });
    await until('the request', async () => to.requests.length === 1);
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(request).rejects.toBe(reason);
    await expect(egress.request(url, { ...post, signal: stop.signal })).rejects.toBe(reason);
    await until('no connection', async () => (await to.open()) === 0);
    expect(to.requests).toHaveLength(1);
  });
});

describe('an answer', () => {
  it('is cut at maxResponseBytes, whatever it says of its length', async () => {
    const { to, egress } = await pair((_, response) => response.end(Buffer.alloc(3_000_000, 'x')));
    const answer = await egress.request(url, post);
    expect(answer.status).toBe(200);
    expect(Buffer.from(answer.body).toString()).toBe('x'.repeat(1024));
    await until('no connection', async () => (await to.open()) === 0);
    expect(await egress.request(url, { ...post, maxResponseBytes: 0 })).toMatchObject({ status: 200 });
    expect((await egress.request(url, { ...post, maxResponseBytes: 3_000_000 })).body).toHaveLength(3_000_000);
  });

  it('is cut when it never ends', async () => {
    const { to, egress } = await pair((_, response) => {
      const pour = () => {
        while (!response.destroyed && response.write(Buffer.alloc(16_384, 'y')));
      };
      response.on('drain', pour);
      pour();
    });
    expect((await egress.request(url, post)).body).toHaveLength(1024);
    await until('no connection', async () => (await to.open()) === 0);
  });

  it('with more than 16 KB of headers is too large', async () => {
    const { egress } = await pair((_, response) => response.writeHead(200, { 'x-long': 'z'.repeat(20_000) }).end());
    expect(await failure(egress.request(url, post))).toMatchObject({ kind: 'too_large' });
  });

  it('that breaks off, is no HTTP, or wants another protocol, is a reset', async () => {
    const http = createHttpLess();
    const cut = await pair((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    });
    expect(await failure(cut.egress.request(url, post))).toMatchObject({ kind: 'reset' });
    const gone = await pair((request) => request.socket.destroy());
    expect(await failure(gone.egress.request(url, post))).toMatchObject({ kind: 'reset' });
    for (const said of [
      'SSH-2.0-OpenSSH_9.6\r\n',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
    ]) {
      const port = await rawServer((socket) => socket.once('data', () => socket.end(said)));
      expect(await failure(http(port).request('http://1.1.1.1/', post))).toMatchObject({ kind: 'reset' });
    }
  });

  it('with two lengths, or a length and chunks, is a reset: nothing is left over for the next request', async () => {
    const http = createHttpLess();
    for (const headers of [
      'content-length: 2\r\ncontent-length: 3',
      'content-length: 2\r\ntransfer-encoding: chunked',
    ]) {
      const port = await rawServer((socket) =>
        socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\n${headers}\r\n\r\nok`)),
      );
      expect(await failure(http(port).request('http://1.1.1.1/', { ...post, timeoutMs: 1000 }))).toMatchObject({
        kind: 'reset',
      });
    }
  });

  it('nobody asked for does not answer the next request', async () => {
    const http = createHttpLess();
    let connections = 0;
    const port = await rawServer((socket) => {
      connections += 1;
      const answer = (status: number) => `HTTP/1.1 ${status} x\r\ncontent-length: 0\r\n\r\n`;
      socket.on('data', () => socket.write(answer(200) + answer(500)));
    });
    const egress = http(port);
    expect(await egress.request('http://1.1.1.1/', post)).toMatchObject({ status: 200 });
    expect(await egress.request('http://1.1.1.1/', post)).toMatchObject({ status: 200 });
    expect(connections).toBe(2);
  });

  /** Guards that speak plain HTTP to a raw server, as stage local may. */
  function createHttpLess(): (port: number) => Egress {
    return (port) => guard(port, { allowLoopback: true });
  }
});

describe('a connection', () => {
  it('that is refused', async () => {
    const error = await failure(guard(1).request(url, post));
    expect(error).toMatchObject({ kind: 'connect', code: 'ECONNREFUSED' });
    expect(error.message).toBe('The host did not accept the connection.');
  });

  it('to a certificate nobody vouches for', async () => {
    const to = await receiver();
    expect(await failure(guard(to.port).request(url, post))).toMatchObject({
      kind: 'tls',
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    expect(to.requests).toEqual([]);
  });

  it('to a certificate for another name, or for a name where the URL gives an address', async () => {
    const to = await receiver({ names: ['other.example.com', '93.184.215.14'] });
    const egress = guard(to.port, to.ca === undefined ? {} : { ca: to.ca });
    const wrong = { kind: 'tls', code: 'ERR_TLS_CERT_ALTNAME_INVALID' };
    expect(await failure(egress.request(url, post))).toMatchObject(wrong);
    expect(await failure(egress.request('https://1.1.1.1/', post))).toMatchObject(wrong);
    expect(to.requests).toEqual([]);
  });

  it('to a server without TLS', async () => {
    const to = await receiver({ plain: true });
    expect(await failure(guard(to.port).request(url, post))).toMatchObject({ kind: 'tls' });
  });

  it('that ends in the handshake', async () => {
    const port = await rawServer((socket) => socket.once('data', () => socket.destroy()));
    expect(await failure(guard(port).request(url, post))).toMatchObject({ kind: 'tls' });
  });
});

describe('a name', () => {
  it('without an address, or whose lookup fails, is told by its code alone', async () => {
    expect(await failure(guard(1, { resolve: async () => [] }).request(url, post))).toMatchObject({ kind: 'dns' });
    const lookup = Object.assign(new Error('queryA ENOTFOUND hooks.example.com'), { code: 'ENOTFOUND' });
    const egress = guard(1, { resolve: () => Promise.reject(lookup) });
    expect(await failure(egress.request(url, post))).toMatchObject({ kind: 'dns', code: 'ENOTFOUND' });
    expect(await failure(egress.check(url))).toMatchObject({
      kind: 'dns',
      message: 'The host name could not be resolved.',
    });
  });
});
