import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { DataFolder } from '../../local/data-folder.ts';
import { startEmulators } from '../../local/emulators/emulators.ts';
import { freePort } from '../../local/emulators/ports.ts';
import { childEnvironment } from '../../local/process/environment.ts';
import { temporaryFolder } from './temporary-folder.ts';

test('endpoints the user has set are used, and nothing is started in their place', async () => {
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', 'http://127.0.0.1:1');
  vi.stubEnv('AWS_ENDPOINT_URL_SQS', 'http://127.0.0.1:2');
  vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://127.0.0.1:3');
  const folder = new DataFolder(temporaryFolder());
  const { endpoints, children } = await startEmulators({ folder, projectDir: '.' });
  expect(children).toEqual([]);
  expect(endpoints).toEqual({ dynamodb: 'http://127.0.0.1:1', sqs: 'http://127.0.0.1:2', s3: 'http://127.0.0.1:3' });
  folder.close();
});

test('children get local credentials and endpoints, and nothing of the user’s AWS set-up', () => {
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv('AWS_PROFILE', 'production');
  vi.stubEnv('AWS_SESSION_TOKEN', 'secret');
  vi.stubEnv('NODE_OPTIONS', '--inspect');
  vi.stubEnv('EDITOR', 'ed');
  const env = childEnvironment({ dynamodb: 'http://d', sqs: 'http://q', s3: 'http://s' }, '.');
  expect(env).toMatchObject({
    EDITOR: 'ed',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_ENDPOINT_URL_DYNAMODB: 'http://d',
    AWS_ENDPOINT_URL_SQS: 'http://q',
    AWS_ENDPOINT_URL_S3: 'http://s',
  });
  expect(Object.keys(env).filter((name) => /PROFILE|SESSION_TOKEN|NODE_OPTIONS|VITEST/.test(name))).toEqual([]);
});

test('a wanted port is taken where it is free, another one where it is not', async () => {
  const port = await freePort();
  expect(await freePort(port)).toBe(port);
  const holder = createServer().listen(port, '127.0.0.1');
  await once(holder, 'listening');
  onTestFinished(() => void holder.close());
  expect(await freePort(port)).not.toBe(port);
});
