import { createServer } from 'node:net';

/** Returns `wanted` if that port is free, otherwise a port that the system picks. */
export async function freePort(wanted = 0): Promise<number> {
  const port = (wanted > 0 ? await listenOnce(wanted) : undefined) ?? (await listenOnce(0));
  if (port === undefined) throw new Error('No free port on 127.0.0.1.');
  return port;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      const found = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(found));
    });
  });
}
