import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findDynoxide } from '../../local/emulators/dynoxide-binary.ts';
import { parseFlags } from '../../local/flags.ts';
import { showLinkCodes } from '../../local/link-codes.ts';
import { eventually } from './temporary-folder.ts';

const entry = join(import.meta.dirname, '..', '..', 'local', 'check.mjs');

test('defaults and all flags', () => {
  expect(parseFlags([])).toEqual({
    help: false,
    port: undefined,
    dataDir: '.paceline',
    hosts: 1,
    whatsapp: 'simulator',
    reset: false,
  });
  expect(parseFlags(['--port', '8080', '--data', 'd', '--hosts=3', '--whatsapp', 'real', '--reset', '--help'])).toEqual(
    { help: true, port: 8080, dataDir: 'd', hosts: 3, whatsapp: 'real', reset: true },
  );
});

test.each([
  [['--bogus'], "Unknown option '--bogus'; see npm start -- --help."],
  [['extra'], "Unexpected argument 'extra'; see npm start -- --help."],
  [['--port', '70000'], '--port takes a whole number from 1 to 65535, not "70000".'],
  [['--port', '1e3'], '--port takes a whole number from 1 to 65535, not "1e3".'],
  [['--hosts', '0'], '--hosts takes a whole number from 1 to 16, not "0".'],
  [['--whatsapp', 'fake'], '--whatsapp takes only "real", not "fake"; without it the simulator is used.'],
])('%j gets one sentence', (args, sentence) => {
  expect(() => parseFlags(args)).toThrow(sentence);
});

test('the command says it on stderr with status 2, and helps with status 0', () => {
  const wrong = spawnSync(process.execPath, [entry, '--bogus'], { encoding: 'utf8' });
  expect([wrong.status, wrong.stdout, wrong.stderr]).toEqual([
    2,
    '',
    "Unknown option '--bogus'; see npm start -- --help.\n",
  ]);
  const help = spawnSync(process.execPath, [entry, '--help'], { encoding: 'utf8' });
  expect(help.status).toBe(0);
  expect(help.stdout).toContain('--whatsapp real');
});

test('the demo does likewise', () => {
  const wrong = spawnSync(process.execPath, [entry, 'demo', '--bogus'], { encoding: 'utf8' });
  expect([wrong.status, wrong.stdout, wrong.stderr]).toEqual([
    2,
    '',
    "Unknown option '--bogus'; see npm run demo -- --help.\n",
  ]);
  const help = spawnSync(process.execPath, [entry, 'demo', '--help'], { encoding: 'utf8' });
  expect(help.status).toBe(0);
  expect(help.stdout).toContain('--exit');
});

const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find((path) => {
  if (!existsSync(path)) return false;
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return Number(/^v(\d+)/.exec(stdout)?.[1]) < 24;
});
test.skipIf(oldNode === undefined)('a Node that is too old gets one sentence', () => {
  const { status, stderr } = spawnSync(oldNode ?? '', [entry], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^Paceline needs Node 24 or later and this is v\d+\.\d+\.\d+: .*\n$/);
});

test.skipIf(process.platform !== 'linux' || process.arch !== 'x64')('dynoxide is found where it is installed', () => {
  expect(existsSync(findDynoxide('') ?? '')).toBe(true);
});

test('a code to scan is printed once, and again when it changes', async () => {
  let code = 'first';
  const server = createServer((request, response) => {
    const accounts = {
      items: [
        { id: 'acc_1', name: 'one', status: 'awaiting_link' },
        { id: 'acc_2', status: 'connected' },
      ],
    };
    const link = { method: 'qr', code, attempt: 1, expiresAt: '' };
    const known = request.headers.authorization === 'Bearer key';
    response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(request.url === '/v1/accounts/acc_1/link' ? link : accounts));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stopping = new AbortController();
  const printed: string[] = [];
  const stack = { apiUrl: `http://127.0.0.1:${port}`, apiKey: 'key' };
  const showing = showLinkCodes(stack, stopping.signal, (text) => printed.push(text));
  onTestFinished(async () => {
    stopping.abort();
    await showing;
    server.closeAllConnections();
    server.close();
  });
  await eventually(() => (printed.length === 1 ? true : undefined));
  expect(printed[0]).toMatch(/^\nLink "one": scan this in WhatsApp under Linked devices\.\n/);
  expect(printed[0]).toContain('█');
  code = 'second';
  await eventually(() => (printed.length === 2 ? true : undefined));
  expect(printed[1]).not.toBe(printed[0]);
});
