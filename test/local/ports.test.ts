import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePort } from '../../local/emulators/ports.ts';

it('a free port is none that the system gives to outgoing connections, and none that is in use', async () => {
  const found = await Promise.all(Array.from({ length: 50 }, () => freePort()));
  expect(found.filter((port) => port < 20_000 || port > 32_767)).toEqual([]);
  const [taken = 0] = found;
  const server = createServer().listen(taken, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  expect(await freePort(taken)).not.toBe(taken);
  await new Promise((resolve) => server.close(resolve));
  expect(await freePort(taken)).toBe(taken);
});
