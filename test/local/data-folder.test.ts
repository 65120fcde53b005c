import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DataFolder } from '../../local/data-folder.ts';
import { temporaryFolder } from './temporary-folder.ts';

const state = {
  pid: 1,
  apiUrl: 'http://127.0.0.1:1',
  apiKey: 'k',
  adminKey: 'a',
  simulatorUrl: undefined,
  hosts: [],
  functions: [],
};

test('keys and ports are kept, the state is not', () => {
  const path = temporaryFolder();
  const first = new DataFolder(path);
  first.ports.gateway = 4711;
  first.savePorts();
  first.saveState(state);
  first.close();
  const second = new DataFolder(path);
  expect(second.keys).toEqual(first.keys);
  expect(second.ports).toEqual({ gateway: 4711 });
  expect(existsSync(join(path, 'local.json'))).toBe(false);
  expect(first.keys.apiKey).toMatch(/^plk_[A-Za-z0-9_-]{43}$/);
  expect(first.keys.adminKey).toMatch(/^pla_[A-Za-z0-9_-]{43}$/);
  expect(statSync(join(path, 'keys.json')).mode & 0o077).toBe(0);
});

test('a folder in use is refused; a lock of the dead is not in the way', () => {
  const path = temporaryFolder();
  const first = new DataFolder(path);
  expect(() => new DataFolder(path)).toThrow(`Another local stack (process ${process.pid}) already runs on ${path}`);
  first.close();
  // A process that cannot be, and one that has our number but not our start.
  for (const lock of [
    { pid: 2 ** 22 + 1, startedAt: '' },
    { pid: process.pid, startedAt: 'another boot' },
  ]) {
    writeFileSync(join(path, 'lock.json'), JSON.stringify(lock));
    writeFileSync(join(path, 'local.json'), JSON.stringify(state));
    const next = new DataFolder(path);
    expect(existsSync(join(path, 'local.json'))).toBe(false);
    next.close();
  }
  writeFileSync(join(path, 'lock.json'), 'cut o');
  new DataFolder(path).close();
});

test('a folder that cannot be made is one sentence, at once', () => {
  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, '');
  for (const path of [file, join(file, 'x'), ...(existsSync('/proc/self') ? ['/proc/x/y'] : [])]) {
    expect(() => new DataFolder(path)).toThrow(`The data folder ${path} cannot be made or written`);
  }
  const deep = join(temporaryFolder(), 'a', 'b');
  new DataFolder(deep).close();
  expect(existsSync(join(deep, 'keys.json'))).toBe(true);
});

test('reset empties a folder of ours and no other', () => {
  const ours = temporaryFolder();
  const first = new DataFolder(ours);
  first.savePorts();
  writeFileSync(join(first.folder('dynamodb'), 'x'), 'x');
  first.close();
  const again = new DataFolder(ours, { reset: true });
  expect(existsSync(join(ours, 'dynamodb'))).toBe(false);
  expect(again.keys).not.toEqual(first.keys);
  const foreign = temporaryFolder();
  writeFileSync(join(foreign, 'thesis.txt'), 'x');
  expect(() => new DataFolder(foreign, { reset: true })).toThrow('empties only folders this program has made');
  expect(readFileSync(join(foreign, 'thesis.txt'), 'utf8')).toBe('x');
  expect(existsSync(join(foreign, 'lock.json'))).toBe(false);
});
