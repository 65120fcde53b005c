import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * The ports to choose from. Systems give outgoing connections ports from 32768 on (Linux) or 49152 on: one of those can be taken between the moment
 * it is found free and the moment a program listens on it.
 */
const lowest = 20_000;
const highest = 32_767;
const mostTries = 100;

/** Returns `wanted` if that port is free, otherwise another one that is. */
export async function freePort(wanted = 0): Promise<number> {
  if (wanted > 0 && (await isFree(wanted))) return wanted;
  for (let left = mostTries; left > 0; left -= 1) {
    const port = randomInt(lowest, highest + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port on 127.0.0.1 from ${lowest} to ${highest}.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
