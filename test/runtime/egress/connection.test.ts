import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createEgress, type Egress, type EgressOptions } from '../../../lib/runtime/egress/egress.ts';
import { EgressFailed, EgressRefused } from '../../../lib/runtime/egress/errors.ts';
import { until } from '../../harness/until.ts';
import { dialInto, type Receiver, startReceiver } from './receiver.ts';

const post = { method: 'POST', headers: {}, body: '{"a":1}', timeoutMs: 5000, maxResponseBytes: 1024 } as const;
const url = 'https://hooks.example.com/in?token=hunter2';
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function receiver(options: Parameters<typeof startReceiver>[0] = {}): Promise<Receiver> {
  const started = await startReceiver(options);
  stops.push(started.stop);
  return started;
}

/** A guard for whom the whole internet is one receiver; names resolve to what `answers` says next, the last one for good. */
function guard(
  to: Pick<Receiver, 'port' | 'ca'>,
  answers: readonly (readonly string[])[] = [['93.184.215.14']],
  options: Partial<EgressOptions> = {},
): { egress: Egress; dialled: string[]; asked: string[] } {
  const { dial, dialled } = dialInto(() => to.port);
  const asked: string[] = [];
  const egress = createEgress({
    allowLoopback: false,
    dial,
    ...(to.ca === undefined ? {} : { ca: to.ca }),
    resolve: async (host) => {
      asked.push(host);
      return answers[Math.min(asked.length, answers.length) - 1] ?? [];
    },
    ...options,
  });
  stops.push(() => egress.close());
  return { egress, dialled, asked };
}

describe('a request', () => {
  it('goes to the address that was checked, under the name that was asked for', async () => {
    const to = await receiver({
      answer: (_, response) => response.writeHead(202, { 'x-seen': ['a', 'b'] }).end('taken'),
    });
    const { egress, dialled, asked } = guard(to);
    const answer = await egress.request('https://HOOKS.example.com.:8443/in?token=hunter2', {
      ...post,
      headers: { 'content-type': 'application/json', host: 'evil.example', 'x-bad': 'a\r\nb: c', cookie: 'a=b' },
    });
    expect(answer).toMatchObject({ status: 202, headers: { 'x-seen': 'a, b' } });
    expect(text(answer.body)).toBe('taken');
    expect(answer.durationMs).toBeGreaterThanOrEqual(0);
    expect(asked).toEqual(['hooks.example.com']);
    expect(dialled).toEqual(['93.184.215.14 8443']);
    expect(to.requests).toMatchObject([
      { method: 'POST', url: '/in?token=hunter2', body: '{"a":1}', serverName: 'hooks.example.com' },
    ]);
    expect(to.requests[0]?.headers).toEqual({
      host: 'hooks.example.com:8443',
      connection: 'keep-alive',
      'content-type': 'application/json',
      'content-length': '7',
      'accept-encoding': 'identity',
    });
  });

  it('to a literal checks the certificate for the address and announces no name', async () => {
    const to = await receiver({ names: ['1.1.1.1'] });
    const { egress, dialled, asked } = guard(to);
    expect(await egress.request('https://0x1010101/in', post)).toMatchObject({ status: 200 });
    expect(asked).toEqual([]);
    expect(dialled).toEqual(['1.1.1.1 443']);
    expect(to.requests).toMatchObject([{ serverName: false, headers: { host: '1.1.1.1' } }]);
  });

  it('may carry bytes, or nothing', async () => {
    const to = await receiver();
    const { egress } = guard(to);
    await egress.request(url, { ...post, method: 'PUT', body: Buffer.from('bytes') });
    await egress.request(url, { method: 'GET', headers: {}, timeoutMs: 5000, maxResponseBytes: 10 });
    expect(to.requests).toMatchObject([
      { method: 'PUT', body: 'bytes' },
      { method: 'GET', body: '' },
    ]);
  });

  it('is not redirected', async () => {
    const to = await receiver({
      answer: (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end(),
    });
    const { egress, dialled } = guard(to);
    const answer = await egress.request(url, post);
    expect(answer).toMatchObject({ status: 302, headers: { location: 'http://169.254.169.254/latest/meta-data/' } });
    expect(dialled).toEqual(['93.184.215.14 443']);
    expect(to.requests).toHaveLength(1);
  });

  it('takes no proxy from the environment', async () => {
    for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy']) {
      vi.stubEnv(name, 'http://127.0.0.1:9');
    }
    vi.stubEnv('NODE_USE_ENV_PROXY', '1');
    const { egress } = guard(await receiver());
    expect(await egress.request(url, post)).toMatchObject({ status: 200 });
  });

  it('keeps no cookie and unpacks nothing', async () => {
    const packed = gzipSync(Buffer.alloc(100_000));
    const to = await receiver({
      answer: (_, response) =>
        response.writeHead(200, { 'set-cookie': 'session=1', 'content-encoding': 'gzip' }).end(packed),
    });
    const { egress } = guard(to);
    const first = await egress.request(url, post);
    await egress.request(url, post);
    expect(Buffer.from(first.body).equals(packed)).toBe(true);
    expect(to.requests.map((request) => request.headers.cookie)).toEqual([undefined, undefined]);
  });
});

describe('a name that changes its mind', () => {
  it('is judged by the very answer that is connected to', async () => {
    const to = await receiver();
    const { egress, dialled, asked } = guard(to, [['93.184.215.14'], ['127.0.0.1'], ['169.254.169.254']]);
    expect(await egress.request(url, post)).toMatchObject({ status: 200 });
    expect(asked).toHaveLength(1);
    to.hangUp();
    await expect(egress.request(url, post)).rejects.toThrow(EgressRefused);
    await expect(egress.request(url, post)).rejects.toThrow(EgressRefused);
    expect(dialled).toEqual(['93.184.215.14 443']);
    expect(to.requests).toHaveLength(1);
  });

  it('gains nothing by having passed the check before', async () => {
    const { egress, dialled } = guard(await receiver(), [['93.184.215.14'], ['127.0.0.1']]);
    await egress.check(url);
    await expect(egress.request(url, post)).rejects.toThrow(EgressRefused);
    expect(dialled).toEqual([]);
  });

  it('is refused while a connection to a good address of it is still idle', async () => {
    const to = await receiver();
    const { egress } = guard(to, [['93.184.215.14'], ['93.184.215.14', '10.0.0.1']]);
    await egress.request(url, post);
    await expect(egress.request(url, post)).rejects.toThrow(EgressRefused);
    expect(to.requests).toHaveLength(1);
  });

  it('never gets a connection to an address that is not in the answer, or not public', async () => {
    const to = await receiver();
    const address = fc.constantFrom('93.184.215.14', '1.1.1.1', '2606:4700:4700::1111', '127.0.0.1', '::1', '10.0.0.1');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(address, { minLength: 1, maxLength: 3 }), { maxLength: 5 }),
        async (answers) => {
          const { egress, dialled } = guard(to, answers);
          for (const answer of answers) {
            const before = dialled.length;
            const status = await egress.request(url, post).then(
              (got) => got.status,
              (error: unknown) => (error instanceof EgressRefused ? 'refused' : error),
            );
            const inside = answer.some((each) => ['127.0.0.1', '::1', '10.0.0.1'].includes(each));
            expect(status).toBe(inside ? 'refused' : 200);
            for (const each of dialled.slice(before)) expect(answer.map((one) => `${one} 443`)).toContain(each);
          }
          await egress.close();
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('the addresses of a name', () => {
  it('are tried in turn, IPv4 first, four at most', async () => {
    const to = await receiver();
    const { dial, dialled } = dialInto(() => to.port);
    const closed = dialInto(() => 1);
    const all = ['2606:4700:4700::1111', '1.1.1.1', '8.8.8.8', '9.9.9.9', '2606:4700:4700::1001', '93.184.215.14'];
    const { egress } = guard(to, [all], {
      dial: (address, port) => (address === '9.9.9.9' ? dial(address, port) : closed.dial(address, port)),
    });
    expect(await egress.request(url, post)).toMatchObject({ status: 200 });
    expect([closed.dialled, dialled]).toEqual([['1.1.1.1 443', '8.8.8.8 443'], ['9.9.9.9 443']]);
    const none = guard(to, [all], { dial: closed.dial });
    closed.dialled.length = 0;
    await expect(none.egress.request(url, post)).rejects.toMatchObject({ kind: 'connect', code: 'ECONNREFUSED' });
    expect(closed.dialled).toEqual(['1.1.1.1 443', '8.8.8.8 443', '9.9.9.9 443', '93.184.215.14 443']);
  });
});

describe('a connection', () => {
  it('is used again for the address it leads to, and for no other', async () => {
    const to = await receiver();
    const { egress, dialled } = guard(to, [['1.1.1.1'], ['1.1.1.1'], ['8.8.8.8'], ['8.8.8.8', '1.1.1.1']]);
    for (let n = 0; n < 4; n += 1) await egress.request(url, post);
    expect(dialled).toEqual(['1.1.1.1 443', '8.8.8.8 443']);
    expect(to.accepted()).toBe(2);
    expect(to.requests).toHaveLength(4);
  });

  it('serves one name only, even where two names share an address', async () => {
    const to = await receiver({ names: ['hooks.example.com', 'other.example.com'] });
    const { egress } = guard(to);
    await egress.request(url, post);
    await egress.request('https://other.example.com/', post);
    expect(to.requests.map((request) => request.serverName)).toEqual(['hooks.example.com', 'other.example.com']);
    expect(to.accepted()).toBe(2);
  });

  it('serves one request at a time', async () => {
    const to = await receiver({ answer: (_, response) => setTimeout(() => response.end('ok'), 30) });
    const { egress } = guard(to);
    await Promise.all([1, 2, 3].map(() => egress.request(url, post)));
    expect(to.accepted()).toBe(3);
    await Promise.all([1, 2, 3].map(() => egress.request(url, post)));
    expect(to.accepted()).toBe(3);
  });

  it('that the other side ended while idle costs no request', async () => {
    const to = await receiver();
    const { egress } = guard(to);
    for (let n = 0; n < 5; n += 1) {
      expect(await egress.request(url, post)).toMatchObject({ status: 200 });
      to.hangUp();
      await until('no connection', async () => (await to.open()) === 0);
    }
    expect(to.requests).toHaveLength(5);
  });

  it('is not used again after four seconds, even if no timer ran in between', async () => {
    const to = await receiver();
    const { egress } = guard(to);
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    await egress.request(url, post);
    vi.setSystemTime(1_800_000_003_999);
    await egress.request(url, post);
    expect(to.accepted()).toBe(1);
    vi.setSystemTime(1_800_000_007_999);
    await egress.request(url, post);
    expect(to.accepted()).toBe(2);
  });

  it('is not kept when the answer says so', async () => {
    const to = await receiver({ answer: (_, response) => response.writeHead(200, { connection: 'close' }).end() });
    const { egress } = guard(to);
    await egress.request(url, post);
    await egress.request(url, post);
    expect(to.accepted()).toBe(2);
  });

  it('used many times leaves no listeners behind', async () => {
    const warned: string[] = [];
    const onWarning = (warning: Error) => warned.push(warning.message);
    process.on('warning', onWarning);
    stops.push(async () => {
      process.removeListener('warning', onWarning);
    });
    const to = await receiver();
    const { egress } = guard(to);
    for (let n = 0; n < 40; n += 1) await egress.request(url, post);
    expect(to.accepted()).toBe(1);
    expect(warned).toEqual([]);
  });

  it('ends with the guard, in use or idle', async () => {
    const to = await receiver({
      answer: (request, response) => {
        if (request.url === '/idle') response.end();
      },
    });
    const { egress } = guard(to);
    await Promise.all([egress.request('https://hooks.example.com/idle', post)]);
    const hanging = egress.request('https://hooks.example.com/hang', post).catch((error: unknown) => error);
    await egress.request('https://hooks.example.com/idle', post);
    await until('three requests', async () => to.requests.length === 3);
    expect(await to.open()).toBe(2);
    await egress.close();
    expect(await hanging).toBeInstanceOf(EgressFailed);
    expect(await hanging).toMatchObject({ kind: 'reset' });
    await until('no connection', async () => (await to.open()) === 0);
    await expect(egress.request(url, post)).rejects.toMatchObject({ kind: 'reset' });
  });
});

describe('stage local', () => {
  it('reaches this machine by address and by name, over http', async () => {
    const to = await receiver({ plain: true });
    const egress = createEgress({ allowLoopback: true });
    stops.push(() => egress.close());
    for (const host of ['127.0.0.1', 'localhost', 'LOCALHOST.', '2130706433']) {
      expect(await egress.request(`http://${host}:${to.port}/hook`, post)).toMatchObject({ status: 200 });
      await egress.check(`http://${host}:${to.port}/hook`);
    }
    expect(to.requests).toHaveLength(4);
  });

  it('still does not follow a public name to this machine', async () => {
    const { egress } = guard(await receiver({ plain: true }), [['127.0.0.1']], { allowLoopback: true });
    await expect(egress.request(url, post)).rejects.toThrow(EgressRefused);
    await expect(egress.request('http://169.254.170.2/', post)).rejects.toThrow(EgressRefused);
  });
});
