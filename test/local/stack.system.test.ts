import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalStack, startLocal } from '../../local/stack.ts';
import { eventually } from './temporary-folder.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'paceline-test-'));
const restarts: string[] = [];
const options = {
  dataDir,
  appFile: 'test/local/fixtures/app.ts',
  whatsapp: 'real',
  quiet: true,
  onRestart: (sentence: string) => void restarts.push(sentence),
} as const;
let stack: LocalStack;

beforeAll(async () => {
  stack = await startLocal(options);
});
afterAll(async () => {
  await stack.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const call = (path: string, body?: string): Promise<Response> =>
  fetch(stack.apiUrl + path, body === undefined ? {} : { method: 'POST', body });
const seen = (what: string): Promise<string> =>
  eventually(async () => {
    const response = await call(`/seen/${encodeURIComponent(what)}`);
    const text = await response.text();
    return response.status === 200 ? text : undefined;
  });
const state = (): { pid: number; hosts: { pid: number; id: string }[]; functions: { name: string; pid: number }[] } =>
  JSON.parse(readFileSync(join(dataDir, 'local.json'), 'utf8'));

/** How many processes, our own launchers aside, have a file of the data folder on their command line. */
const runningOn = (file: string): number =>
  readdirSync('/proc').filter((name) => {
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(join(dataDir, 'dynamodb', file));
    } catch {
      return false;
    }
  }).length;

describe('what the template says', () => {
  test('a route leads to its function, with the resolved environment and the timeout of the template', async () => {
    const answer = (await (await call('/greeting')).json()) as { greeting: string; leftMs: number };
    expect(answer.greeting).toBe('hello from fixture-service');
    expect(answer.leftMs).toBeGreaterThan(1000);
    expect(answer.leftMs).toBeLessThanOrEqual(2000);
  });

  test('a request above the 6 MB of Lambda is 413', async () => {
    expect((await call('/order/big', 'x'.repeat(6.1 * 1024 * 1024))).status).toBe(413);
    // Quotes count twice: the body is a string within JSON.
    expect((await call('/order/big', '"'.repeat(3.1 * 1024 * 1024))).status).toBe(413);
  });

  test('a change of the table that passes the filter reaches the function of the stream', async () => {
    await call('/note/1');
    await call('/order/1', 'two coffees');
    expect(await seen('ORDER#1')).toBe('INSERT two coffees');
    expect((await call('/seen/NOTE%231')).status).toBe(404);
  });

  test('a queue message reaches its function, and a reported failure comes again', async () => {
    await call('/work/once');
    expect(await seen('once')).toBe('g 1');
    await call('/work/twice');
    expect(await seen('twice')).toBe('g 2');
  });

  test('an object that matches the notification is notified to its queue', async () => {
    await call('/upload/a.txt', 'nothing');
    await call('/upload/b.csv', '12345');
    expect(await seen('b.csv')).toBe('5');
    expect((await call('/seen/a.txt')).status).toBe(404);
  });

  test('a schedule that does not run here is named', () => {
    expect(stack.warnings).toEqual([
      'Schedule Sometimes (cron(0 3 * * ? *)) does not run locally: only rate(..) does.',
    ]);
  });

  test('the state file says what runs', () => {
    expect(state()).toMatchObject({
      pid: process.pid,
      apiUrl: stack.apiUrl,
      apiKey: stack.apiKey,
      adminKey: stack.adminKey,
      hosts: [{ id: stack.hosts[0]?.id, pid: stack.hosts[0]?.pid, metricsUrl: 'http://127.0.0.1:9/metrics' }],
    });
    expect(state().functions.map((one) => one.name)).toEqual(['api', 'worker', 'changes', 'uploaded']);
  });
});

describe('deaths', () => {
  test('a function that dies over a request answers 500 and is back within 2 s under a new pid', async () => {
    const before = state().functions.find((one) => one.name === 'api')?.pid;
    const answer = await call('/die');
    const diedAt = performance.now();
    expect(answer.status).toBe(500);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    await eventually(async () => ((await call('/health')).status === 200 ? true : undefined));
    expect(performance.now() - diedAt).toBeLessThan(2000);
    expect(restarts).toEqual([
      `function api ended (exit code 3) and was started again; its log is ${join(dataDir, 'logs', 'api.log')}`,
    ]);
    const after = await eventually(() => {
      const pid = state().functions.find((one) => one.name === 'api')?.pid;
      return pid === before ? undefined : pid;
    });
    expect(stack.functions.find((one) => one.name === 'api')?.pid).toBe(after);
  });

  test('a function past its timeout answers 503 and is replaced', async () => {
    const before = stack.functions.find((one) => one.name === 'api')?.pid;
    expect((await call('/hang')).status).toBe(503);
    await eventually(() => {
      const pid = stack.functions.find((one) => one.name === 'api')?.pid;
      return pid === undefined || pid === before ? undefined : pid;
    });
    await eventually(async () => ((await call('/health')).status === 200 ? true : undefined));
  });

  test('a function that throws answers 500 and lives on', async () => {
    const before = stack.functions.find((one) => one.name === 'api')?.pid;
    expect((await call('/fail')).status).toBe(500);
    expect(stack.functions.find((one) => one.name === 'api')?.pid).toBe(before);
  });

  test('a killed host is restarted within 2 s and the state file says so', async () => {
    const before = state().hosts[0]?.id;
    const killedAt = performance.now();
    stack.kill('host-1');
    await eventually(() => (state().hosts[0]?.id === before ? undefined : true));
    expect(performance.now() - killedAt).toBeLessThan(2000);
  });

  test('killed emulators come back at the same address with what they held', async () => {
    await call('/order/kept', 'survives');
    expect(await seen('ORDER#kept')).toBe('INSERT survives');
    stack.kill('dynamodb');
    stack.kill('queues-and-objects');
    expect(await seen('ORDER#kept')).toBe('INSERT survives');
    await eventually(async () => ((await call('/work/after')).status === 202 ? true : undefined));
    expect(await seen('after')).toBe('g 1');
    await eventually(async () => ((await call('/upload/after.csv', '123')).status === 202 ? true : undefined));
    expect(await seen('after.csv')).toBe('3');
    if (process.platform === 'linux') await eventually(() => (runningOn('dynoxide.sqlite') === 1 ? true : undefined));
  });
});

describe('another start', () => {
  test('on the same folder is refused while one runs', async () => {
    await expect(startLocal(options)).rejects.toThrow(/already runs on .*: stop it, or give this one its own folder/);
  });

  test('after an end finds address, keys and data again', async () => {
    const { apiUrl, apiKey, adminKey } = stack;
    await stack.stop();
    expect(() => state()).toThrow('ENOENT');
    stack = await startLocal(options);
    expect(stack).toMatchObject({ apiUrl, apiKey, adminKey });
    expect(await seen('ORDER#kept')).toBe('INSERT survives');
    await call('/order/second', 'again');
    expect(await seen('ORDER#second')).toBe('INSERT again');
  });
});
